//! A naive recount of every replay's messages meets the official sums and the expected totals.

mod recount;

use std::collections::BTreeMap;

use producer::election::{CandidateEntry, LocationEntry, Simulation, Sum, Sums};
use producer::{Batch, Election, Expected, Options, OptionsError, Replay, Shares};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};
use recount::{Recount, recount};

fn shares(duplicates: f64, revotes: f64, voids: f64, late: f64, malformed: f64) -> Shares {
    Shares {
        duplicates,
        revotes,
        voids,
        late,
        malformed,
    }
}

fn election(name: &str) -> Election {
    Election::named(name)
        .expect("it is embedded")
        .expect("it is sound")
}

fn options(seed: u64, shares: Shares) -> Options {
    Options {
        seed,
        shares,
        names_contest: seed.is_multiple_of(2),
    }
}

/// All messages of a replay, one a line.
fn lines(replay: &mut Replay, batch_messages: usize) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut batch = Batch::new();
    while replay.fill(&mut batch, batch_messages) > 0 {
        lines.extend_from_slice(batch.lines());
    }
    lines
}

fn split(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| &line[..line.len() - 1])
}

/// Recounts a whole replay and compares every field with what was expected.
fn check(election: &Election, options: &Options) -> (Recount, Expected) {
    let mut replay = Replay::new(election, options).expect("the shares fit");
    let expected = replay.expected().clone();
    let found = recount(split(&lines(&mut replay, 1000)), &election.register());
    let what = format!("{options:?}");
    let totals = &expected.totals;
    assert_eq!(found.messages, totals.messages, "messages with {what}");
    assert_eq!(found.messages, replay.messages_total());
    assert_eq!(found.messages, replay.position());
    assert_eq!(found.received, totals.received, "received with {what}");
    let counts = &totals.counts;
    assert_eq!(found.received, counts.received);
    assert_eq!(found.accepted, counts.accepted, "accepted with {what}");
    assert_eq!(
        found.superseded, counts.superseded,
        "superseded with {what}"
    );
    assert_eq!(found.voided, counts.voided, "voided with {what}");
    assert_eq!(found.set_aside, counts.set_aside, "set aside with {what}");
    assert_eq!(found.voids, totals.voids, "voids with {what}");
    assert_eq!(
        found.duplicates, totals.duplicates,
        "duplicates with {what}"
    );
    assert_eq!(found.refused, totals.refused, "refused with {what}");
    assert!(totals.set_aside_by.is_empty());
    assert_eq!(found.conflicts, expected.conflicts, "conflicts with {what}");
    assert_eq!(found.blank, expected.blank, "blank with {what}");
    assert!(found.late <= expected.sent_late, "late with {what}");
    let rows = expected.candidates.iter().filter(|row| row.votes > 0);
    let candidates: BTreeMap<_, _> = rows
        .map(|row| (row.candidate_id.clone(), row.votes))
        .collect();
    assert_eq!(found.candidates, candidates, "candidates with {what}");
    let leaves = expected
        .locations
        .iter()
        .filter(|row| row.leaf && row.accepted > 0);
    let leaves: BTreeMap<_, _> = leaves
        .map(|row| {
            (
                row.location.clone(),
                (row.accepted, row.blank, row.votes.clone()),
            )
        })
        .collect();
    if !expected.locations.is_empty() {
        assert_eq!(found.locations, leaves, "locations with {what}");
    }
    let (first_ms, last_ms) = found.span_ms.expect("there are casts");
    let evening = election.evening();
    assert!(
        first_ms >= evening.starts_at_ms,
        "a cast before the evening with {what}"
    );
    assert!(
        last_ms < evening.ends_at_ms(),
        "a cast after the evening with {what}"
    );
    (found, expected)
}

fn check_montreal(seed: u64, shares: Shares) -> (Recount, Expected) {
    let (found, expected) = check(&election("montreal-2013"), &options(seed, shares));
    let votes: Vec<u64> = ["coderre", "joly", "bergeron"]
        .map(|id| found.candidates[id])
        .into();
    assert_eq!(votes, [149_467, 123_062, 118_637]);
    assert_eq!(found.accepted, 391_166);
    let led = |id: &str| {
        let tops = found.locations.values().filter_map(|(_, _, votes)| {
            votes
                .iter()
                .max_by_key(|(_, votes)| **votes)
                .map(|(top, _)| top)
        });
        tops.filter(|top| *top == id).count()
    };
    assert_eq!([led("coderre"), led("joly"), led("bergeron")], [29, 14, 15]);
    assert_eq!(expected.leader.as_deref(), Some("coderre"));
    assert_eq!(expected.margin, Some(149_467 - 123_062));
    (found, expected)
}

#[test]
fn montreal_is_met_with_nothing_going_wrong() {
    let (found, _) = check_montreal(1, Shares::default());
    assert_eq!((found.messages, found.late), (391_166, 0));
}

#[test]
fn montreal_is_met_with_a_little_of_everything() {
    let (found, expected) = check_montreal(2, shares(0.01, 0.01, 0.01, 0.02, 0.01));
    assert!(
        found.late * 10 >= expected.sent_late * 9,
        "{} late",
        found.late
    );
    assert_eq!(
        found.refused.len(),
        5,
        "every reason occurs: {:?}",
        found.refused
    );
}

#[test]
fn montreal_is_met_with_much_going_wrong() {
    check_montreal(u64::MAX, shares(0.5, 0.3, 0.4, 0.3, 0.0));
}

#[test]
fn votes_in_order_are_not_late() {
    let (found, _) = check_montreal(4, shares(0.2, 0.2, 0.2, 0.0, 0.0));
    assert_eq!(found.late, 0);
}

/// A small election with a tree of locations, blank ballots and ids of all sorts.
fn small(revote: &str) -> Election {
    let location = |location: &str, parent: Option<&str>, registered| LocationEntry {
        location: location.to_string(),
        name: None,
        parent: parent.map(str::to_string),
        registered,
    };
    let sum = |location: &str, candidate: Option<&str>, votes| Sum {
        location: Some(location.to_string()),
        candidate: candidate.map(str::to_string),
        votes,
    };
    let sums = Sums {
        election_id: "small".to_string(),
        revote: Some(revote.to_string()),
        candidates: ["ana", "5", "\"q\\ü\"", "none"]
            .map(|id| CandidateEntry {
                candidate_id: id.to_string(),
                ..CandidateEntry::default()
            })
            .into(),
        locations: vec![
            location("all", None, None),
            location("north/1", Some("all"), Some(300)),
            location("süd \"2\"", Some("all"), Some(500)),
            location("lonely", None, Some(20)),
        ],
        sums: vec![
            sum("north/1", Some("ana"), 100),
            sum("north/1", Some("5"), 31),
            sum("north/1", None, 7),
            sum("süd \"2\"", Some("\"q\\ü\""), 250),
            sum("süd \"2\"", Some("ana"), 1),
            sum("lonely", Some("5"), 1),
            sum("lonely", Some("none"), 0),
        ],
        ..Sums::default()
    };
    Election::from_sums(sums).expect("it is sound")
}

/// Shares that can be had together, from all corners.
fn random_shares(random: &mut SplitMix64) -> Shares {
    let mut share = || match random.next_u64() % 4 {
        0 => 0.0,
        1 => 1.0,
        _ => (random.next_u64() % 1001) as f64 / 1000.0,
    };
    let (revotes, voids, late) = (share(), share(), share());
    let scale = (revotes + voids / 2.0 + late).max(1.0) * 1.000_001;
    shares(
        share(),
        revotes / scale,
        voids / scale,
        late / scale,
        share(),
    )
}

#[test]
fn small_elections_are_met_whatever_goes_wrong() {
    let mut random = SplitMix64::seed_from_u64(7);
    for seed in 0..150 {
        for revote in ["last", "first"] {
            check(&small(revote), &options(seed, random_shares(&mut random)));
        }
        let without_revotes = Shares {
            revotes: 0.0,
            ..random_shares(&mut random)
        };
        check(&small("all"), &options(seed, without_revotes));
    }
}

#[test]
fn simulated_elections_are_met_at_every_size() {
    for (voters, candidates, locations) in [
        (1, 1, 0),
        (1, 3, 5),
        (17, 1, 3),
        (1000, 7, 0),
        (5000, 12, 40),
        (20_000, 300, 7),
    ] {
        let simulation = Simulation {
            voters,
            candidates,
            locations,
            seed: voters,
        };
        let election = Election::simulated(simulation).expect("it is sound");
        let (found, expected) = check(&election, &options(voters, shares(0.1, 0.1, 0.1, 0.1, 0.1)));
        assert_eq!(found.accepted, voters);
        let registered = (locations > 0).then_some(voters);
        assert_eq!(expected.registered, registered);
    }
}

#[test]
fn rows_above_leaves_are_sums() {
    let replay = Replay::new(&small("last"), &Options::default()).expect("the shares fit");
    let expected = replay.expected();
    let all = expected
        .locations
        .iter()
        .find(|row| row.location == "all")
        .expect("it is there");
    assert_eq!(
        (all.accepted, all.blank, all.registered, all.leaf),
        (389, 7, Some(800), false)
    );
    assert_eq!(all.leader.as_deref(), Some("\"q\\ü\""));
    assert_eq!((expected.registered, expected.blank), (Some(820), 7));
    assert_eq!(expected.turnout, Some(390.0 / 820.0));
    let ranks: Vec<_> = expected
        .candidates
        .iter()
        .map(|row| (row.votes, row.rank))
        .collect();
    assert_eq!(ranks, [(250, 1), (101, 2), (32, 3), (0, 4)]);
    let json = serde_json::to_value(expected).expect("it is plain data");
    assert_eq!(json["counts"]["accepted"], 390);
    assert_eq!(json["messages"], 390);
    assert_eq!(json["candidates"][0]["votes"], 250);
    assert_eq!(json["locations"][0]["location"], "all");
}

#[test]
fn the_same_seed_gives_the_same_bytes_in_any_batches() {
    let election = small("last");
    let options = options(11, shares(0.3, 0.2, 0.3, 0.2, 0.1));
    let told = |options: &Options, size| {
        lines(
            &mut Replay::new(&election, options).expect("the shares fit"),
            size,
        )
    };
    let all = told(&options, 1);
    assert_eq!(all, told(&options, 7));
    assert_eq!(all, told(&options, 100_000));
    let other = Options {
        seed: 12,
        ..options.clone()
    };
    assert_ne!(all, told(&other, 7));
}

#[test]
fn skipping_goes_to_the_same_place() {
    let election = small("first");
    let options = options(5, shares(0.3, 0.2, 0.3, 0.2, 0.1));
    let begin = || Replay::new(&election, &options).expect("the shares fit");
    let all = lines(&mut begin(), 64);
    let total = begin().messages_total();
    let starts: Vec<usize> = [0]
        .into_iter()
        .chain(
            (0..all.len())
                .filter(|at| all[*at] == b'\n')
                .map(|at| at + 1),
        )
        .collect();
    for skipped in (0..=total).step_by(13).chain([total, total + 5]) {
        let mut replay = begin();
        replay.skip(skipped);
        assert_eq!(replay.position(), skipped.min(total));
        let rest = lines(&mut replay, 50);
        let start = starts[skipped.min(total) as usize];
        assert!(
            rest == all[start..],
            "the rest after {skipped} of {total} is another"
        );
    }
    let mut replay = begin();
    let mut batch = Batch::new();
    replay.fill(&mut batch, 40);
    replay.skip(100);
    replay.skip(23);
    assert!(lines(&mut replay, 50) == all[starts[163]..]);
}

#[test]
fn keys_are_voters_and_reasons_are_right() {
    let mut replay = Replay::new(
        &election("montreal-2013"),
        &options(1, shares(0.1, 0.1, 0.1, 0.1, 0.5)),
    )
    .expect("the shares fit");
    let mut batch = Batch::new();
    replay.fill(&mut batch, 20_000);
    for message in batch.messages() {
        let key = String::from_utf8_lossy(message.key);
        match recount::decode(message.bytes) {
            Err(reason) => assert_eq!(message.refused, Some(reason)),
            Ok(recount::Event::Cast(cast)) => assert_eq!(key, cast.voter_id),
            Ok(recount::Event::Void(voter, ..)) => assert_eq!(key, voter),
        }
        assert_eq!(
            message.refused.is_some(),
            recount::decode(message.bytes).is_err()
        );
    }
}

#[test]
fn shares_that_cannot_be_had_are_errors() {
    let replay = |election: &Election, shares| Replay::new(election, &options(1, shares)).err();
    let last = small("last");
    let too_much = replay(&last, shares(0.0, 0.5, 0.5, 0.5, 0.0));
    assert_eq!(too_much, Some(OptionsError::TooMuch { sum: 1.25 }));
    for bad in [-0.1, 1.1, f64::NAN] {
        let error = replay(&last, shares(bad, 0.0, 0.0, 0.0, 0.0));
        assert!(matches!(
            error,
            Some(OptionsError::Share {
                name: "duplicates",
                ..
            })
        ));
    }
    let all = replay(&small("all"), shares(0.0, 0.1, 0.0, 0.0, 0.0));
    assert_eq!(all, Some(OptionsError::RevotesCount));
}
