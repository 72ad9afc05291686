//! Corrections: ballots that left a candidate's count, held against the ballots themselves.
//!
//! In come two moments and what was published at the second; out goes whether the corrections
//! name at least what left, and at most what could have.

use std::collections::BTreeMap;

use dataflow::view::Publication;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};

use crate::oracle::message::Cast;
use crate::oracle::recount::{Received, State, recount};
use crate::world::{Moment, World};

/// First choice (absent: blank) to a count.
type ByCandidate = BTreeMap<Option<String>, u64>;

/// Holds the corrections of every contest that is in both moments.
pub fn check(
    world: &World,
    before: Option<&Moment>,
    now: &Moment,
    publication: &Publication,
) -> TestCaseResult {
    let Some(before) = before else {
        return Ok(());
    };
    let casts = |moment: &Moment| {
        let recount = recount(&moment.register, world.settings.lateness_ms, &moment.log);
        let casts = recount.casts.into_iter();
        casts
            .map(|cast| (cast.cast.clone(), cast))
            .collect::<BTreeMap<Cast, Received>>()
    };
    let (was, is) = (casts(before), casts(now));
    let sizes = |moment: &Moment| moment.log.iter().map(Vec::len).sum::<usize>();
    let came = (sizes(now) - sizes(before)) as u64;
    let known = |id: &String| {
        before
            .register
            .contests
            .iter()
            .any(|row| row.contest_id == *id)
    };
    for id in publication
        .snapshot
        .contest_ids()
        .iter()
        .filter(|id| known(id))
    {
        let contest = Contest {
            id,
            was: &was,
            is: &is,
        };
        let told = told(publication, id)?;
        let mut by_candidate = ByCandidate::new();
        for ((candidate, _), minus) in &told {
            *by_candidate.entry(candidate.clone()).or_default() += minus;
        }
        let (left, had) = (contest.left(None), contest.had());
        let same_register = before.register == now.register;
        for (candidate, minus) in &by_candidate {
            let arrived = contest.arrived(candidate) + came;
            let could = had.get(candidate).copied().unwrap_or(0) + arrived;
            prop_assert!(
                *minus <= could,
                "{:?} in {}: {} left, of {}",
                candidate,
                id,
                minus,
                could
            );
        }
        for (candidate, count) in &left {
            let minus = by_candidate.get(candidate).copied().unwrap_or(0);
            prop_assert!(
                minus >= *count,
                "{:?} in {}: {} left, {} told",
                candidate,
                id,
                count,
                minus
            );
        }
        // With one message there is nothing in between, and the reason is plain.
        if came <= 1 && same_register {
            let reasons = [("voided", State::Voided), ("superseded", State::Superseded)];
            for (why, state) in reasons {
                let told = told.iter().filter(|((_, told), _)| told == why);
                let told: ByCandidate = told.map(|((c, _), minus)| (c.clone(), *minus)).collect();
                prop_assert_eq!(told, contest.left(Some(state)), "{} in {}", why, id);
            }
        }
    }
    Ok(())
}

/// Candidate and reason to a count.
type Told = BTreeMap<(Option<String>, String), u64>;

/// What the change says left, by candidate and reason.
fn told(publication: &Publication, id: &str) -> Result<Told, TestCaseError> {
    let mut told = BTreeMap::new();
    let Some(change) = publication.changes.get(id) else {
        return Ok(told);
    };
    let shown = publication.snapshot.stream_change(id, change);
    let shown = shown.map_err(|_| TestCaseError::fail(format!("no change of {id}")))?;
    for correction in shown.corrections {
        prop_assert!(correction.minus > 0, "a correction of nothing in {}", id);
        let known = ["voided", "superseded", "moved", "register"];
        prop_assert!(
            known.contains(&correction.why),
            "{} is no reason",
            correction.why
        );
        let key = (correction.candidate_id, correction.why.to_string());
        let twice = told.insert(key, correction.minus);
        prop_assert!(twice.is_none(), "a correction in two parts in {}", id);
    }
    Ok(told)
}

struct Contest<'a> {
    id: &'a String,
    was: &'a BTreeMap<Cast, Received>,
    is: &'a BTreeMap<Cast, Received>,
}

impl Contest<'_> {
    fn accepted<'b>(
        &'b self,
        casts: &'b BTreeMap<Cast, Received>,
    ) -> impl Iterator<Item = &'b Cast> {
        let casts = casts.values();
        let ours = casts.filter(|cast| cast.cast.contest.as_ref() == Some(self.id));
        ours.filter(|cast| cast.state == State::Accepted)
            .map(|cast| &cast.cast)
    }

    fn had(&self) -> ByCandidate {
        count(self.accepted(self.was))
    }

    /// Ballots that counted and do not; of them those that are in a state now.
    fn left(&self, state: Option<State>) -> ByCandidate {
        let state_of = |cast: &&Cast| self.is.get(*cast).map(|received| received.state);
        let gone = self.accepted(self.was).filter(|cast| match state {
            None => state_of(cast) != Some(State::Accepted),
            some => state_of(cast) == some,
        });
        count(gone)
    }

    fn arrived(&self, candidate: &Option<String>) -> u64 {
        let counted = |cast: &Cast| {
            let was = self.was.get(cast);
            was.is_some_and(|received| received.state == State::Accepted)
        };
        let new = self.accepted(self.is).filter(|cast| !counted(cast));
        count(new).get(candidate).copied().unwrap_or(0)
    }
}

fn count<'a>(casts: impl Iterator<Item = &'a Cast>) -> ByCandidate {
    let mut by_candidate = ByCandidate::new();
    for cast in casts {
        *by_candidate
            .entry(cast.choices.first().cloned())
            .or_default() += 1;
    }
    by_candidate
}
