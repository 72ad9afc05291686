//! Corrections: ballots that left a candidate's count, held against the ballots themselves.
//!
//! In come two moments and what was published at the second; out goes whether the corrections
//! name at least what left, and at most what could have.

use std::collections::BTreeMap;

use dataflow::register::Contest as Row;
use dataflow::view::{Publication, Views};
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
    let one_message = sizes(now) - sizes(before) <= 1 && before.register == now.register;
    for Row { contest_id, .. } in &before.register.contests {
        if publication.snapshot.results(contest_id).is_err() {
            continue;
        }
        let contest = Contest {
            id: contest_id,
            was: &was,
            is: &is,
        };
        let told = told(publication, contest_id)?;
        contest.check_counts(&told)?;
        if one_message {
            contest.check_reasons(&told)?;
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
    let shown = publication.snapshot.stream_change(id, change, Views::ALL);
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
    /// As many as left are told; more only if they moved to another cell.
    fn check_counts(&self, told: &Told) -> TestCaseResult {
        let (mut all, mut gone) = (ByCandidate::new(), ByCandidate::new());
        for ((candidate, why), minus) in told {
            *all.entry(candidate.clone()).or_default() += minus;
            if why != "moved" {
                *gone.entry(candidate.clone()).or_default() += minus;
            }
        }
        let (left, had) = (self.left(None), self.had());
        let of = |counts: &ByCandidate, candidate| counts.get(candidate).copied().unwrap_or(0);
        for candidate in all.keys().chain(left.keys()) {
            let (told, left) = (of(&all, candidate), of(&left, candidate));
            let fits = of(&gone, candidate) <= left && left <= told;
            prop_assert!(
                fits,
                "{candidate:?} in {}: {left} left, {told} told",
                self.id
            );
            let had = of(&had, candidate);
            prop_assert!(told <= had, "{candidate:?} in {}: {told} of {had}", self.id);
        }
        Ok(())
    }

    /// With one message there is nothing in between, and the reason is plain.
    fn check_reasons(&self, told: &Told) -> TestCaseResult {
        let reasons = [("voided", State::Voided), ("superseded", State::Superseded)];
        for (why, state) in reasons {
            let told = told.iter().filter(|((_, told), _)| told == why);
            let told: ByCandidate = told.map(|((c, _), minus)| (c.clone(), *minus)).collect();
            prop_assert_eq!(told, self.left(Some(state)), "{} in {}", why, self.id);
        }
        Ok(())
    }

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
