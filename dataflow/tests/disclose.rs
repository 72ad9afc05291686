//! The curious neighbour: reads everything that the public is given, subtracts whatever can be
//! subtracted, and must find no figure about fewer ballots than `--disclose-min`.
//!
//! In come random elections as votes by tick; out go the public's answers and frames, of which the
//! neighbour keeps all. It knows nothing else.

use std::sync::Arc;

use dataflow::harness::{self, Settings, Step};
use dataflow::register::Register;
use dataflow::view::{
    ContestChange, Disclosure, Parent, Publication, Snapshot, ViewSettings, Views,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use neighbour::Neighbour;

mod neighbour;

const MIN: u64 = 5;

/// Late enough for a vote of the year 9999.
const LOG_TIME_MS: i64 = 253_402_300_799_999;

/// What is drawn: the same number gives the same election.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        // SplitMix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// An election of one contest: some roots, some of them with leaves below.
fn register(roots: u64, leaves: u64) -> Register {
    let mut locations = Vec::new();
    for root in 0..roots {
        locations.push(json!({"election_id": "e", "location": format!("r{root}")}));
        for leaf in 0..if root % 2 == 0 { leaves } else { 0 } {
            locations.push(json!({
                "election_id": "e", "location": format!("r{root}l{leaf}"),
                "parent": format!("r{root}"), "registered": 100,
            }));
        }
    }
    let register = json!({
        "elections": [{"election_id": "e"}],
        "contests": [{"contest_id": "m", "election_id": "e", "revote": "last"}],
        "candidates": [{"contest_id": "m", "candidate_id": "a"}, {"contest_id": "m", "candidate_id": "b"}],
        "locations": locations,
        "voters": [],
    });
    serde_json::from_value(register).expect("it has a register's form")
}

/// The codes that votes may name.
fn leaves(register: &Register) -> Vec<String> {
    let rows = &register.locations;
    let is_leaf = |code: &str| rows.iter().all(|row| row.parent.as_deref() != Some(code));
    let codes = rows.iter().map(|row| row.location.clone());
    codes.filter(|code| is_leaf(code)).collect()
}

/// An election's votes, tick by tick. With corrections some voters vote again or are voided.
fn votes(dice: &mut Dice, register: &Register, ticks: u64, corrects: bool) -> Vec<Vec<Json>> {
    let leaves = leaves(register);
    let (mut voters, mut at_ms) = (0, 1_700_000_000_000_u64);
    let most = 1 + dice.below(12);
    (0..ticks)
        .map(|_| {
            let votes = (0..dice.below(most + 1)).map(|_| {
                at_ms += dice.below(4_000);
                // Some places have many votes and some few.
                let place = dice.below(leaves.len() as u64 * 3).min(dice.below(leaves.len() as u64));
                let old = corrects && voters > 0 && dice.below(5) == 0;
                let voter = if old { dice.below(voters) } else { voters };
                voters += u64::from(!old);
                if old && dice.below(3) == 0 {
                    return json!({"type": "void", "voter_id": voter.to_string()});
                }
                json!({
                    "voter_id": voter.to_string(), "location": leaves[place as usize],
                    "choices": if dice.below(8) == 0 { vec![] } else { vec![["a", "b"][dice.below(2) as usize]] },
                    "timestamp": at_ms - dice.below(20_000) * u64::from(dice.below(10) == 0),
                })
            });
            votes.collect()
        })
        .collect()
}

fn published(register: Register, ticks: Vec<Vec<Json>>) -> Vec<Publication> {
    let mut register = Some(Arc::new(register));
    let mut offset = -1;
    let steps = (1..).zip(ticks).map(|(number, votes)| Step {
        register: register.take(),
        messages: votes
            .into_iter()
            .map(|mut vote| {
                offset += 1;
                // Each voter's votes share one id, which a void then names.
                vote["vote_id"] = vote["voter_id"].clone();
                (0, offset, Some(LOG_TIME_MS), vote.to_string().into_bytes())
            })
            .collect(),
        tick: number * 10,
    });
    let ticks = harness::run(1, 1, Settings::default(), steps.collect());
    let last = &ticks.last().expect("ticks").snapshot;
    let totals = last.totals();
    assert!(
        totals.counts.set_aside == 0 && totals.refused.is_empty(),
        "{totals:?}"
    );
    ticks
}

fn disclosure() -> Disclosure {
    let settings = ViewSettings {
        topic: "votes".into(),
        lateness_ms: 60_000,
        horizon_ms: 86_400_000,
    };
    Disclosure::new(MIN, settings)
}

/// The public side of each tick. At the given tick the service is restarted, and what it knows of
/// the public goes through text.
fn disclosed(ticks: &[Publication], restart: Option<usize>) -> Vec<Publication> {
    let mut disclosure = disclosure();
    let public = ticks.iter().enumerate().map(|(at, tick)| {
        if restart == Some(at) {
            let kept = serde_json::to_string(&disclosure.remembered()).expect("plain data");
            disclosure = self::disclosure();
            disclosure.remember(serde_json::from_str(&kept).expect("what was written"));
        }
        disclosure.apply(tick).publication
    });
    public.collect()
}

/// Shows the neighbour everything.
fn look(public: &[Publication], corrects: bool, restart: Option<usize>) -> Neighbour {
    let mut neighbour = Neighbour::new(MIN, corrects);
    let mut merged = ContestChange::default();
    for (at, tick) in public.iter().enumerate() {
        let snapshot = &tick.snapshot;
        let whole = json_of(snapshot.stream_snapshot("m", Views::ALL));
        // After a restart every subscriber begins anew with a snapshot.
        let change = tick.changes.get("m").filter(|_| restart != Some(at));
        let frame = change.map(|change| json_of(snapshot.stream_change("m", change, Views::ALL)));
        neighbour.see(&whole, frame.as_ref());
        neighbour.see_series(&series(snapshot));
        // A slower subscriber gets merged changes, and is given nothing that others are not.
        merged.merge(change.unwrap_or(&ContestChange::default()));
        if restart == Some(at) {
            neighbour.begin_slow(&whole);
        } else if at % 3 == 2 {
            let slow =
                json_of(snapshot.stream_change("m", &std::mem::take(&mut merged), Views::ALL));
            neighbour.see_slow(&slow, &whole);
        }
        let all = json_of(snapshot.locations("m", Parent::Any));
        assert_eq!(all["locations"], whole["locations"]);
    }
    neighbour
}

fn series(snapshot: &Snapshot) -> Vec<Json> {
    let steps = [None, Some(5_000), Some(15_000), Some(60_000)];
    let answers = steps
        .into_iter()
        .map(|step| json_of(snapshot.series("m", step)));
    answers.collect()
}

fn json_of(answer: Result<impl serde::Serialize, dataflow::view::Unknown>) -> Json {
    serde_json::to_value(answer.expect("the contest is known")).expect("plain data")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn finds_nothing_below_the_least(seed: u64, roots in 1_u64..7, below in 0_u64..5, corrects: bool, restarts: bool) {
        let mut dice = Dice(seed);
        let register = register(roots, below);
        let ticks = votes(&mut dice, &register, 60, corrects);
        let ticks = published(register, ticks);
        let restart = restarts.then(|| dice.below(60) as usize);
        look(&disclosed(&ticks, restart), corrects, restart);
    }
}

#[test]
fn a_restart_alone_shows_nothing_new() {
    let mut dice = Dice(7);
    let register = register(5, 3);
    let ticks = votes(&mut dice, &register, 40, false);
    let ticks = published(register, ticks);
    let whole = |public: &[Publication]| {
        let last = public.last().expect("ticks");
        let mut whole = json_of(last.snapshot.stream_snapshot("m", Views::ALL));
        for member in ["tick", "as_of"] {
            for part in ["results", "windows"] {
                whole[part][member] = Json::Null;
            }
            whole[member] = Json::Null;
        }
        whole
    };
    let mut again = ticks.clone();
    again.push(ticks[ticks.len() - 1].clone());
    let at = ticks.len();
    assert_eq!(
        whole(&disclosed(&ticks, None)),
        whole(&disclosed(&again, Some(at)))
    );
}

#[test]
fn most_of_a_count_is_shown_in_the_end() {
    let mut dice = Dice(11);
    let register = register(6, 3);
    let ticks = votes(&mut dice, &register, 150, false);
    let ticks = published(register, ticks);
    let neighbour = look(&disclosed(&ticks, None), false, None);
    let (shown, all) = neighbour.shown_of_roots();
    assert!(
        shown * 10 >= all * 8,
        "{shown} of {all} ballots are shown by root"
    );
    let (shown, all) = neighbour.shown_of_series();
    assert!(
        shown * 10 >= all * 9,
        "{shown} of {all} ballots are shown over time"
    );
}

#[test]
fn what_comes_at_once_is_shown_as_the_rule_has_it() {
    let place = |place: u64, count: u64| {
        (0..count).map(move |voter| {
            json!({"voter_id": format!("{place}-{voter}"), "location": format!("r{place}"),
                "candidate_id": "a", "timestamp": 1_700_000_000_000_u64})
        })
    };
    let at_once: Vec<Json> = place(0, 12).chain(place(1, 9)).chain(place(2, 3)).collect();
    let ticks = published(register(4, 0), vec![vec![], at_once]);
    let public = disclosed(&ticks, None);
    let answer = json_of(public[1].snapshot.locations("m", Parent::None));
    // The empty one is the smallest sibling, and three are too few beside it.
    let suppressed = |code: &str| {
        json!({"location": code, "name": code, "parent": null, "leaf": true,
            "registered": null, "suppressed": true})
    };
    assert_eq!(answer["locations"][0]["accepted"], 12);
    assert_eq!(answer["locations"][1], suppressed("r1"));
    assert_eq!(answer["locations"][2], suppressed("r2"));
    assert_eq!(answer["locations"][3], suppressed("r3"));
    let rest = json!([{"parent": null, "accepted": 12, "blank": 0, "votes": {"a": 12}}]);
    assert_eq!(answer["rest"], rest);
}

/// So many votes of new voters in a place.
fn some(voters: &mut u64, place: &str, count: u64) -> Vec<Json> {
    let votes = (0..count).map(|_| {
        *voters += 1;
        json!({"voter_id": voters.to_string(), "location": place, "candidate_id": "a",
            "timestamp": 1_700_000_000_000_u64})
    });
    votes.collect()
}

/// What the public sees of a place in the end; nothing where it has no figures.
fn accepted(public: &[Publication], place: &str) -> Option<u64> {
    let last = &public.last().expect("ticks").snapshot;
    let rows = json_of(last.locations("m", Parent::Any));
    let rows = rows["locations"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["location"] == place);
    row.expect("a row")["accepted"].as_u64()
}

#[test]
fn a_small_change_before_a_restart_is_not_told_after_it() {
    let mut voters = 0;
    let mut of = |place: &str, count| some(&mut voters, place, count);
    let both = [of("r0", 10), of("r1", 10)].concat();
    // The one in r1 is held back. Were r0 made anew, the total less it would tell of that one.
    let ticks = vec![both, of("r1", 1), vec![], of("r0", 5)];
    let ticks = published(register(2, 0), ticks);
    for restart in [None, Some(2)] {
        let public = disclosed(&ticks, restart);
        assert_eq!(accepted(&public, "r0"), Some(10), "{restart:?}");
        assert_eq!(accepted(&public, "r1"), Some(10), "{restart:?}");
    }
}

#[test]
fn the_last_votes_of_many_places_are_shown_however_soon_they_come() {
    const PLACES: u64 = 1_200;
    let mut voters = 0;
    let mut everywhere = || -> Vec<Json> {
        let places = (0..PLACES).map(|place| format!("r{place}"));
        places
            .flat_map(|place| some(&mut voters, &place, MIN))
            .collect()
    };
    let ticks = vec![everywhere(), everywhere()];
    let public = disclosed(&published(register(PLACES, 0), ticks), None);
    for place in ["r0", "r1199"] {
        assert_eq!(accepted(&public, place), Some(2 * MIN), "{place}");
    }
}

#[test]
fn a_ballot_of_the_year_9999_does_not_make_one_block_of_all_time() {
    let vote = |voter: u64, at_ms: u64| json!({"voter_id": voter.to_string(), "location": "r0", "candidate_id": "a", "timestamp": at_ms});
    let mut ticks = vec![vec![
        vote(1000, 253_402_300_799_999),
        vote(1001, 1_700_000_000_000),
    ]];
    for voter in 0..40 {
        ticks.push(vec![vote(voter, 1_700_000_000_000 + voter * 5_000)]);
    }
    let public = disclosed(&published(register(1, 0), ticks), None);
    let last = &public.last().expect("ticks").snapshot;
    let points = json_of(last.series("m", None));
    assert!(
        points["points"].as_array().expect("points").len() >= 7,
        "{points}"
    );
}
