//! The parts of the chaos test that need no service, each by itself.
//!
//! A driver that sends nothing hostile, or a judge that never objects, would find nothing and
//! look like a service without faults.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use board::Board;
use broker::Broker;
use events::Generator;
use feeder::Feeder;
use oracle::{Message, Settings};
use plan::{Fault, Plan, SEEDS_FOR_ALL};
use registers::{papers, registers};
use serde_json::{Value as Json, json};
use topic::Found;

#[allow(dead_code, reason = "the driver uses the rest")]
mod board;
#[allow(unused_imports, reason = "other tests use the rest")]
#[path = "../broker/mod.rs"]
mod broker;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../end_to_end/support/client.rs"]
mod client;
mod dice;
#[path = "../../../dataflow/tests/difference/mod.rs"]
mod difference;
#[allow(dead_code, reason = "the driver uses the rest")]
mod events;
#[allow(dead_code, reason = "the driver uses the rest")]
mod feeder;
#[allow(dead_code, reason = "the driver uses the rest")]
mod judge;
mod leash;
mod odd;
#[allow(dead_code, reason = "the core's tests use the rest")]
#[path = "../../../dataflow/tests/oracle/mod.rs"]
mod oracle;
#[allow(dead_code, reason = "the driver uses the rest")]
mod plan;
#[allow(dead_code, reason = "the driver uses the rest")]
mod post;
mod registers;
#[allow(dead_code, reason = "the driver uses the rest")]
mod topic;
#[allow(dead_code, reason = "the driver uses the rest")]
mod witness;

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// A Sunday evening.
const BASE_MS: i64 = 1_383_508_800_000;

/// The log of a seed, as if everything were sent in order, and its registers.
fn log(seed: u64) -> (Vec<Vec<Message>>, Vec<dataflow::register::Register>) {
    let plan = Plan::new(seed, 2);
    let voters = events::voters(seed, plan.events);
    let registers = registers(seed, BASE_MS, &voters);
    let default = registers[0].default_contest();
    let papers = papers(&registers);
    let mut generator = Generator::new(seed, BASE_MS, plan.events, papers, default);
    let mut log = vec![Vec::new(); plan.partitions];
    for number in 0..plan.events {
        let event = generator.next();
        let key = event.key.unwrap_or_default();
        let partition = key.bytes().map(usize::from).sum::<usize>() % plan.partitions;
        log[partition].push(Message {
            log_time_ms: Some(BASE_MS + number as i64),
            bytes: event.body.unwrap_or_default(),
        });
    }
    (log, registers)
}

/// What occurred in a recount, by name.
fn occurred(seed: u64) -> BTreeSet<String> {
    let (log, registers) = log(seed);
    let settings = Settings {
        horizon_ms: events::HORIZON_MS,
        ..Settings::default()
    };
    let answers = oracle::answers(&registers[1], settings, &log, 1, "v");
    let totals = &answers["totals"];
    let mut occurred = BTreeSet::new();
    let mut note = |name: &str, count: &Json| {
        if count.as_u64().unwrap_or(0) > 0 {
            occurred.insert(name.to_string());
        }
    };
    for name in ["voids", "duplicates"] {
        note(name, &totals[name]);
    }
    for map in ["counts", "set_aside_by", "refused"] {
        for (name, count) in totals[map].as_object().into_iter().flatten() {
            note(name, count);
        }
    }
    for (contest, answers) in answers["contests"].as_object().into_iter().flatten() {
        note("conflicts", &answers["results"]["conflicts"]);
        note("blank", &answers["results"]["blank"]);
        note("earlier", &answers["windows"]["earlier"]["accepted"]);
        note(contest, &answers["results"]["counts"]["accepted"]);
        for window in answers["windows"]["windows"]
            .as_array()
            .into_iter()
            .flatten()
        {
            note("late", &window["late"]);
        }
    }
    occurred
}

#[test]
fn votes_meet_every_outcome_within_few_seeds() {
    let mut all = BTreeSet::new();
    for seed in 1..=SEEDS_FOR_ALL {
        let one = occurred(seed);
        for name in [
            "accepted",
            "superseded",
            "voided",
            "duplicates",
            "conflicts",
        ] {
            assert!(one.contains(name), "seed {seed} has no {name}: {one:?}");
        }
        all.extend(one);
    }
    for name in [
        "accepted",
        "superseded",
        "voided",
        "set_aside",
        "voids",
        "duplicates",
        "conflicts",
        "blank",
        "late",
        "earlier",
        "unknown_contest",
        "unknown_candidate",
        "unknown_location",
        "unknown_voter",
        "outside_hours",
        "too_large",
        "malformed_json",
        "missing_field",
        "bad_field",
        "future_timestamp",
        registers::TOWN,
        registers::CLUB,
    ] {
        assert!(all.contains(name), "no seed has {name}: {all:?}");
    }
}

#[test]
fn a_later_register_counts_votes_that_were_set_aside() {
    let (log, registers) = log(3);
    let set_aside = |register| {
        let answers = oracle::answers(register, Settings::default(), &log, 1, "v");
        answers["totals"]["set_aside_by"]["unknown_candidate"].as_u64()
    };
    assert!(set_aside(&registers[0]) > set_aside(&registers[1]));
    for register in &registers {
        assert_eq!(register.check(), [], "every register is a good one");
    }
}

#[test]
fn a_few_seeds_in_a_row_meet_every_fault() {
    for first in [0, 1, 7, 1000] {
        let mut met = BTreeSet::new();
        for seed in first..first + SEEDS_FOR_ALL {
            let plan = Plan::new(seed, 2);
            assert!((3..=6).contains(&plan.faults.len()), "{plan:?}");
            let moments: Vec<usize> = plan.faults.iter().map(|each| each.after).collect();
            assert!(moments.is_sorted() && moments.last() < Some(&plan.events));
            met.extend(plan.faults.iter().map(|each| each.fault));
        }
        assert_eq!(met, BTreeSet::from(Fault::ALL));
    }
}

#[test]
fn a_seed_is_the_same_again() {
    let (one, other) = (log(5), log(5));
    assert_eq!(one, other);
    assert_ne!(one.0, log(6).0);
}

fn found(partition: i32, offset: i64, body: &[u8]) -> Found {
    Found {
        partition,
        offset,
        time_ms: Some(BASE_MS),
        key: None,
        body: Some(body.to_vec()),
        headers: BTreeMap::new(),
    }
}

fn refused(offset: i64, reason: &str, partition: i32, from: i64, body: &[u8]) -> Found {
    let headers = [
        ("reason", reason.to_string()),
        ("source_topic", "t".to_string()),
        ("source_partition", partition.to_string()),
        ("source_offset", from.to_string()),
    ];
    let headers = headers.map(|(name, value)| (name.to_string(), value.into_bytes()));
    Found {
        headers: BTreeMap::from(headers),
        ..found(0, offset, body)
    }
}

#[test]
fn the_judge_objects_to_each_fault_of_the_refused_topic() {
    let messages = [
        found(0, 3, b"{}"),
        found(1, 0, b"no"),
        found(1, 1, b"{\"type\":5}"),
    ];
    let good = [
        refused(0, "missing_field", 0, 3, b"{}"),
        refused(1, "malformed_json", 1, 0, b"no"),
        refused(2, "bad_field", 1, 1, b"{\"type\":5}"),
    ];
    let objections = |refused: &[Found]| judge::compare_refused("t", &messages, refused).len();
    assert_eq!(objections(&good), 0);
    assert_eq!(objections(&good[..2]), 1, "one is missing");
    let twice = [&good[..], &[refused(3, "bad_field", 1, 1, b"{\"type\":5}")]].concat();
    assert_eq!(objections(&twice), 1, "one is there twice");
    for wrong in [
        refused(0, "bad_field", 0, 3, b"{}"),
        refused(0, "missing_field", 0, 3, b"{ }"),
    ] {
        let others = [&[wrong], &good[1..]].concat();
        assert_eq!(objections(&others), 1);
    }
    let foreign = [&good[..], &[refused(3, "bad_field", 0, 4, b"")]].concat();
    assert_eq!(objections(&foreign), 1, "one is refused that must not be");
}

fn row(offset: i64, key: &str, value: Json) -> Found {
    let text = value.to_string();
    let mut row = found(0, offset, text.as_bytes());
    row.key = Some(key.as_bytes().to_vec());
    if value.is_null() {
        row.body = None;
    }
    row
}

#[test]
fn the_judge_objects_to_each_fault_of_an_aggregate_topic() {
    let expected = BTreeMap::from([("m/a".to_string(), json!({"total_votes": 2}))]);
    let objections = |rows: &[Found]| judge::compare_aggregate("rows", &expected, rows, 9).len();
    let (old, new) = (
        row(0, "m/a", json!({"total_votes": 1, "tick": 5})),
        row(1, "m/a", json!({"total_votes": 2, "tick": 7})),
    );
    assert_eq!(objections(&[old.clone(), new.clone()]), 0);
    assert_eq!(objections(&[]), 1, "a row is missing");
    assert_eq!(objections(std::slice::from_ref(&old)), 1, "a row is old");
    let back = row(2, "m/a", json!({"total_votes": 2, "tick": 6}));
    assert_eq!(objections(&[new.clone(), back]), 1, "a tick goes back");
    let ahead = row(2, "m/a", json!({"total_votes": 2, "tick": 10}));
    assert_eq!(objections(&[ahead]), 1, "a tick is ahead of the results");
    let more = row(2, "m/b", json!({"total_votes": 0, "tick": 7}));
    assert_eq!(
        objections(&[new.clone(), more.clone()]),
        1,
        "a row too many"
    );
    assert_eq!(objections(&[new, more, row(3, "m/b", Json::Null)]), 0);
}

#[test]
fn the_judge_objects_to_a_wrong_answer() {
    let (log, registers) = log(2);
    let messages: Vec<Found> = log
        .iter()
        .enumerate()
        .flat_map(|(partition, messages)| {
            let each = messages.iter().enumerate();
            // Offsets with gaps, as transactions leave them.
            each.map(move |(place, message)| Found {
                time_ms: message.log_time_ms,
                ..found(partition as i32, 2 * place as i64, &message.bytes)
            })
        })
        .collect();
    let ends = BTreeMap::from([(0, 10_000), (1, 7)]);
    let trial = judge::Trial {
        topic: "t",
        register: &registers[1],
        settings: Settings::default(),
        messages: &messages,
        ends: &ends,
    };
    let right = trial.expected(5);
    assert_eq!(
        right["contests"][registers::TOWN]["results"]["offsets"]["t/1"],
        7
    );
    // As it comes over HTTP.
    let given: Json = serde_json::from_str(&right.to_string()).expect("it is json");
    assert_eq!(judge::compare_answers(&right, &given), Vec::<String>::new());
    let mut wrong = given;
    let accepted = &mut wrong["contests"][registers::TOWN]["results"]["counts"]["accepted"];
    *accepted = json!(accepted.as_u64().expect("a count") + 1);
    assert_eq!(judge::compare_answers(&right, &wrong).len(), 1);
}

#[test]
fn the_witness_objects_to_what_goes_back() {
    let seen = |start, process, tick, offset, print| witness::Seen {
        start,
        process,
        contest: "m".to_string(),
        tick,
        offsets: BTreeMap::from([("t/0".to_string(), offset)]),
        print,
    };
    let objections = |all: &[witness::Seen]| {
        let witness = witness::Witness::default();
        all.iter().for_each(|seen| witness.see(seen.clone()));
        witness.objections().len()
    };
    let first = seen(1, 0, 10, 100, 1);
    assert_eq!(objections(&[first.clone(), seen(1, 1, 10, 100, 1)]), 0);
    assert_eq!(
        objections(&[first.clone(), seen(1, 1, 10, 100, 2)]),
        1,
        "other content"
    );
    assert_eq!(
        objections(&[first.clone(), seen(1, 1, 10, 99, 1)]),
        1,
        "other offsets"
    );
    assert_eq!(
        objections(&[first.clone(), seen(1, 0, 11, 99, 1)]),
        1,
        "offsets go back"
    );
    assert_eq!(
        objections(&[seen(1, 0, 11, 99, 1), first.clone()]),
        1,
        "seen the other way"
    );
    assert_eq!(
        objections(&[first.clone(), seen(2, 0, 10, 100, 1)]),
        1,
        "a tick comes again"
    );
    assert_eq!(
        objections(&[first.clone(), seen(2, 0, 9, 100, 1)]),
        1,
        "a tick goes back"
    );
    assert_eq!(objections(&[first, seen(2, 0, 12, 100, 1)]), 0);
}

/// Waits until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE * 3;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn signal(name: &str, pid: u32) -> bool {
    let mut kill = std::process::Command::new("kill");
    let sent = kill.args([format!("-{name}"), pid.to_string()]).status();
    sent.is_ok_and(|status| status.success())
}

#[test]
fn votes_flow_on_whatever_happens_to_the_broker() -> anyhow::Result<()> {
    let plan = Plan {
        events: 2_000,
        rate_per_s: 1_000,
        ..Plan::new(1, 1)
    };
    let mut broker = Broker::start();
    let kafka = broker.address();
    topic::create(&kafka, &plan.topic, 2, true)?;
    let voters = events::voters(plan.seed, plan.events);
    let registers = registers(plan.seed, BASE_MS, &voters);
    let papers = papers(&registers);
    let generator = Generator::new(plan.seed, BASE_MS, plan.events, papers, None);
    let board = Arc::<Board>::default();
    let feeder = Feeder::start(&plan, &kafka, BASE_MS, generator, &board)?;
    until("some votes are sent", || feeder.sent() > 300);
    broker.kill();
    broker.start_again();
    until("more votes are sent", || feeder.sent() > 900);
    topic::grow(&kafka, &plan.topic, 4)?;
    assert!(signal("STOP", broker.pid()));
    let paused_at = Instant::now();
    until("the broker has been away for a while", || {
        paused_at.elapsed() > Duration::from_millis(700)
    });
    assert!(signal("CONT", broker.pid()));
    // Nobody listens, so what was meant for HTTP is given up.
    until("all votes are sent", || feeder.sent() >= plan.events);
    feeder.stop();
    let fed = feeder.join()?;
    assert!(fed.committed > 0 && fed.aborted > 0, "{fed:?}");
    let content = topic::read(&kafka, &plan.topic)?;
    assert_eq!(content.ends.len(), 4);
    let aborted_max = 25 * fed.aborted as usize;
    let least = plan.events - aborted_max - plan.events / 6;
    assert!(
        (least..plan.events).contains(&content.messages.len()),
        "{} messages of {}, {fed:?}",
        content.messages.len(),
        plan.events
    );
    let trial = judge::Trial {
        topic: &plan.topic,
        register: &registers[0],
        settings: Settings::default(),
        messages: &content.messages,
        ends: &content.ends,
    };
    let totals = &trial.expected(1)["totals"];
    assert_eq!(totals["messages"], content.messages.len());
    assert!(
        totals["counts"]["accepted"].as_u64() > Some(100),
        "{totals}"
    );
    let nothing: Vec<String> = judge::compare_refused(&plan.topic, &content.messages, &[]);
    let refused = totals["refused"].as_object().into_iter().flatten();
    let refused: u64 = refused.filter_map(|(_, count)| count.as_u64()).sum();
    assert_eq!(
        nothing.len() as u64,
        refused,
        "each is missed in an empty topic"
    );
    topic::delete(&kafka, &[&plan.topic])?;
    assert_eq!(topic::read(&kafka, &plan.topic)?.ends.len(), 0);
    Ok(())
}

#[test]
fn what_is_on_the_leash_ends_with_it() {
    let leash = leash::Leash::new().expect("a shell starts");
    let sleep = || {
        let mut command = std::process::Command::new("sleep");
        command.arg("300").spawn().expect("sleep starts")
    };
    let (mut held, mut released) = (sleep(), sleep());
    for child in [&held, &released] {
        leash.hold(child.id()).expect("the shell listens");
    }
    leash.release(released.id()).expect("the shell listens");
    drop(leash);
    until("the held one has ended", || {
        held.try_wait().is_ok_and(|ended| ended.is_some())
    });
    assert!(matches!(released.try_wait(), Ok(None)), "the other goes on");
    released.kill().expect("it can be killed");
    released.wait().expect("it has ended");
}
