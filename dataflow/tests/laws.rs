//! The laws of the counting, one test each, over random worlds: the whole core against the oracle.
//!
//! In come registers, events, orders, batches, partitions and workers that proptest makes up
//! (`PROPTEST_CASES` says how many worlds); at every published tick the law must hold. A failure
//! shows its smallest world as a script.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use dataflow::view::{Publication, Views};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestCaseResult, TestRunner};
use serde_json::{Value as Json, json};
use world::{Mix, Moment, World, worlds};

mod difference;
mod judge;
mod oracle;
mod stream;
mod world;

/// How many worlds a law sees where the environment does not say.
const CASES: u32 = 256;

/// Runs a law over worlds and prints how many there were.
fn hold(law: &str, mix: Mix, holds: impl Fn(&World) -> TestCaseResult) {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let config = Config {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(CASES),
        // A world that failed becomes a script, not a seed.
        failure_persistence: None,
        ..Config::default()
    };
    let (worlds_seen, ticks, messages) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let result = TestRunner::new(config).run(&worlds(mix), |world| {
        worlds_seen.set(worlds_seen.get() + 1);
        ticks.set(ticks.get() + world.steps.len());
        let sizes = world.steps.iter().map(|step| step.messages.len());
        messages.set(messages.get() + sizes.sum::<usize>());
        holds(&world)
    });
    println!(
        "{law}: {} worlds, {} ticks, {} messages",
        worlds_seen.get(),
        ticks.get(),
        messages.get()
    );
    if let Err(failure) = result {
        panic!("{law}: {failure}");
    }
}

/// Nothing differs, or the first few things that do.
fn none(found: Vec<String>, at: u64) -> TestCaseResult {
    if found.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = found.into_iter().take(12).collect();
    let shown = format!("tick {at}:\n{}", shown.join("\n"));
    Err(TestCaseError::fail(shown))
}

/// The core's ticks beside what is there at each of them.
fn run(world: &World) -> Result<Vec<(Moment, Publication)>, TestCaseError> {
    let (moments, published) = (world.moments(), world.run());
    prop_assert_eq!(moments.len(), published.len(), "ticks are published");
    Ok(moments.into_iter().zip(published).collect())
}

#[test]
fn law_1_recount() {
    hold("law 1, recount", Mix::Votes, recounts);
}

#[test]
fn law_1_recount_of_messages_hard_to_read() {
    hold("law 1, hard to read", Mix::Odd, recounts);
}

#[test]
fn law_1_recount_of_voters_with_many_casts() {
    hold("law 1, many casts", Mix::Crowded, recounts);
}

#[test]
fn law_1_recount_of_many_voters() -> TestCaseResult {
    recounts(&world::many_voters(20_000, 1))?;
    recounts(&world::many_voters(4_000, 3))
}

fn recounts(world: &World) -> TestCaseResult {
    compare(world, run(world)?)
}

fn compare(world: &World, published: Vec<(Moment, Publication)>) -> TestCaseResult {
    for (moment, publication) in published {
        let Moment {
            register,
            log,
            tick,
        } = moment;
        let snapshot = &publication.snapshot;
        let found = judge::compare(snapshot, &register, world.settings, &log, tick);
        none(found, tick)?;
    }
    Ok(())
}

#[test]
fn law_2_order_does_not_matter() {
    hold("law 2, order", Mix::Votes, |world| {
        let told = last_answers(world)?;
        let batched = last_answers(&world.batched_anew())?;
        none(difference::differences(&told, &batched), 0)?;
        let copied = last_answers(&world.with_later_copies())?;
        let (told, copied) = (without_copies(told), without_copies(copied));
        none(difference::differences(&told, &copied), 0)?;
        arrange(&world.without_ties())
    });
}

/// Any order and any partitions, where no two casts of a voter have one time: it is only between
/// such that the place in the log decides.
fn arrange(world: &World) -> TestCaseResult {
    let (told, arranged) = (last_answers(world)?, last_answers(&world.arranged_anew())?);
    let (told, arranged) = (without_place(told), without_place(arranged));
    none(difference::differences(&told, &arranged), 0)
}

/// The last answers, without what numbers the tick.
fn last_answers(world: &World) -> Result<Json, TestCaseError> {
    let published = world.run();
    let last = published.last().map(|last| judge::answers(&last.snapshot));
    let last = last.ok_or_else(|| TestCaseError::fail("nothing is published"))?;
    Ok(strip(last, &["tick", "as_of"]))
}

/// Without what depends on the partitions: offsets, and each partition's own order.
fn without_place(answers: Json) -> Json {
    strip(answers, &["offsets", "late"])
}

/// Without what counts copies.
fn without_copies(answers: Json) -> Json {
    strip(answers, &["offsets", "messages", "duplicates"])
}

fn strip(mut answers: Json, names: &[&str]) -> Json {
    match &mut answers {
        Json::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            for value in fields.values_mut() {
                *value = strip(value.take(), names);
            }
        }
        Json::Array(items) => {
            for item in items {
                *item = strip(item.take(), names);
            }
        }
        _ => {}
    }
    answers
}

#[test]
fn law_2_order_does_not_matter_to_many_casts() {
    hold("law 2, many casts", Mix::Crowded, |world| {
        let (told, batched) = (last_answers(world)?, last_answers(&world.batched_anew())?);
        none(difference::differences(&told, &batched), 0)?;
        arrange(&world.without_ties())
    });
}

#[test]
fn law_2_only_the_place_of_the_first_copy_decides_between_equal_times() {
    hold("law 2, equal times", Mix::Ties, |world| {
        recounts(world)?;
        recounts_after_restarts(world)?;
        let (told, batched) = (last_answers(world)?, last_answers(&world.batched_anew())?);
        none(difference::differences(&told, &batched), 0)?;
        let copied = last_answers(&world.with_later_copies())?;
        let (told, copied) = (without_copies(told), without_copies(copied));
        none(difference::differences(&told, &copied), 0)
    });
}

#[test]
fn law_3_agreement() {
    hold("law 3, agreement", Mix::Votes, |world| {
        for (moment, publication) in run(world)? {
            let answers = judge::answers(&publication.snapshot);
            let mut found = Vec::new();
            for contest in answers["contests"].as_object().into_iter().flatten() {
                found.extend(disagreements(contest.1));
            }
            none(found, moment.tick)?;
        }
        Ok(())
    });
}

/// Accepted, blank and votes by candidate: what every row of ballots has.
fn sums<'a>(rows: impl IntoIterator<Item = &'a Json>) -> Json {
    let (mut accepted, mut blank) = (0, 0);
    let mut votes: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        accepted += number(&row["accepted"]);
        blank += number(&row["blank"]);
        for (candidate, count) in row["votes"].as_object().into_iter().flatten() {
            *votes.entry(candidate.clone()).or_default() += number(count);
        }
    }
    json!({ "accepted": accepted, "blank": blank, "votes": votes })
}

fn number(count: &Json) -> u64 {
    count.as_u64().unwrap_or(u64::MAX / 1024)
}

fn disagreements(contest: &Json) -> Vec<String> {
    let rows = |answer: &str, list: &str| {
        let rows = contest[answer][list].as_array();
        rows.cloned().unwrap_or_default()
    };
    let (results, counts) = (&contest["results"], &contest["results"]["counts"]);
    let mut total = json!({
        "accepted": counts["accepted"], "blank": results["blank"], "votes": {},
    });
    for row in rows("results", "candidates") {
        if number(&row["votes"]) > 0 {
            let id = row["candidate_id"].as_str().unwrap_or_default();
            total["votes"][id] = row["votes"].clone();
        }
    }
    let mut found = Vec::new();
    let mut agree = |what: &str, expected: &Json, sum: Json| {
        if *expected != sum {
            found.push(format!("{what}: {expected} is not {sum}"));
        }
    };
    let votes = total["votes"].as_object().into_iter().flatten();
    let votes: u64 = votes.map(|(_, votes)| number(votes)).sum();
    let counted = votes + number(&results["blank"]);
    agree("candidates and blank", &counts["accepted"], json!(counted));
    let states = ["accepted", "superseded", "voided", "set_aside"];
    let received: u64 = states.iter().map(|state| number(&counts[state])).sum();
    agree("states", &counts["received"], json!(received));
    let by = results["set_aside_by"].as_object().into_iter().flatten();
    let set_aside: u64 = by.map(|(_, count)| number(count)).sum();
    agree("reasons", &counts["set_aside"], json!(set_aside));
    let locations = rows("locations", "locations");
    if !locations.is_empty() {
        let leaves = locations.iter().filter(|row| row["leaf"] == true);
        agree("leaves", &total, sums(leaves));
    }
    for parent in locations.iter().filter(|row| row["leaf"] == false) {
        let children = locations.iter();
        let children = children.filter(|row| row["parent"] == parent["location"]);
        agree("children", &sums([parent]), sums(children));
    }
    let points = rows("series", "points");
    let cells = points.iter().chain([&contest["series"]["earlier"]]);
    agree("series", &total, sums(cells));
    let (of_windows, of_series) = (
        &contest["windows"]["earlier"],
        &contest["series"]["earlier"],
    );
    agree("earlier", of_series, of_windows.clone());
    found
}

#[test]
fn law_4_nothing_lost_nothing_twice() {
    hold("law 4, outcomes", Mix::Odd, |world| {
        let mut before = json!({});
        for (moment, publication) in run(world)? {
            let answers = judge::answers(&publication.snapshot);
            let totals = answers["totals"].clone();
            let sizes = moment.log.iter().map(Vec::len);
            prop_assert_eq!(number(&totals["messages"]), sizes.sum::<usize>() as u64);
            none(lost(&totals, &answers["contests"]), moment.tick)?;
            for outcome in ["received", "voids", "duplicates"] {
                let was = before[outcome].as_u64().unwrap_or(0);
                prop_assert!(number(&totals[outcome]) >= was, "{} went down", outcome);
            }
            for (reason, was) in before["refused"].as_object().into_iter().flatten() {
                prop_assert!(number(&totals["refused"][reason]) >= number(was));
            }
            before = totals;
        }
        Ok(())
    });
}

#[test]
fn law_4_a_restart_from_a_checkpoint_changes_nothing() {
    hold("law 4, restarts", Mix::Votes, recounts_after_restarts);
}

#[test]
fn law_4_a_restart_keeps_messages_hard_to_read() {
    hold(
        "law 4, restarts, hard to read",
        Mix::Odd,
        recounts_after_restarts,
    );
}

#[test]
fn law_4_a_restart_keeps_many_casts() {
    hold(
        "law 4, restarts, many casts",
        Mix::Crowded,
        recounts_after_restarts,
    );
}

fn recounts_after_restarts(world: &World) -> TestCaseResult {
    let (moments, published) = (world.moments(), world.run_with_restarts());
    prop_assert_eq!(moments.len(), published.len(), "ticks are published");
    compare(world, moments.into_iter().zip(published).collect())
}

/// Outcomes that do not add up: over everything, and over the contests.
fn lost(totals: &Json, contests: &Json) -> Vec<String> {
    let mut found = Vec::new();
    let refused = totals["refused"].as_object().into_iter().flatten();
    let refused: u64 = refused.map(|(_, count)| number(count)).sum();
    let outcomes = ["received", "voids", "duplicates"];
    let sum: u64 = outcomes.iter().map(|name| number(&totals[name])).sum();
    if number(&totals["messages"]) != sum + refused {
        found.push(format!("outcomes do not add up to the messages: {totals}"));
    }
    let counts = &totals["counts"];
    let states = ["accepted", "superseded", "voided", "set_aside"];
    let by_state: u64 = states.iter().map(|state| number(&counts[state])).sum();
    if number(&totals["received"]) != by_state || totals["received"] != counts["received"] {
        found.push(format!("states do not add up to the received: {totals}"));
    }
    // Casts of contests that the register does not know are in the totals alone.
    for state in ["accepted", "superseded"] {
        let contests = contests.as_object().into_iter().flatten();
        let of = |contest: &Json| number(&contest["results"]["counts"][state]);
        let sum: u64 = contests.map(|(_, contest)| of(contest)).sum();
        if number(&counts[state]) != sum {
            found.push(format!("{state} over the contests is {sum}: {totals}"));
        }
    }
    found
}

#[test]
fn law_5_a_snapshot_names_its_input() {
    hold("law 5, input", Mix::Votes, |world| {
        for (moment, publication) in run(world)? {
            let snapshot = &publication.snapshot;
            prop_assert_eq!(snapshot.tick(), moment.tick);
            prop_assert_eq!(snapshot.register_version(), moment.register.version());
            let lengths = moment.log.iter().map(|messages| messages.len() as i64);
            let expected: Vec<(u32, i64)> = (0..).zip(lengths).collect();
            let found: Vec<(u32, i64)> = snapshot.next_offsets().collect();
            prop_assert_eq!(found, expected);
        }
        Ok(())
    });
}

#[test]
fn law_7_never_backwards() {
    hold("law 7, never backwards", Mix::Votes, |world| {
        let mut before: Option<Arc<dataflow::view::Snapshot>> = None;
        for (_, publication) in run(world)? {
            let snapshot = publication.snapshot;
            if let Some(before) = before.replace(Arc::clone(&snapshot)) {
                prop_assert!(snapshot.tick() > before.tick());
                let offsets: BTreeMap<u32, i64> = snapshot.next_offsets().collect();
                for (partition, was) in before.next_offsets() {
                    let is = offsets.get(&partition).copied();
                    prop_assert!(is >= Some(was), "partition {}", partition);
                }
            }
        }
        Ok(())
    });
}

#[test]
fn the_stream_reduces_to_the_snapshot() {
    let told = Told::new("votes");
    hold("the stream", Mix::Votes, |world| {
        let published = run(world)?;
        told.note(&published);
        stream::reduces(world, published)
    });
    told.write();
}

#[test]
fn the_stream_tells_what_came_back() {
    let told = Told::new("few-voters");
    hold("the stream, few voters", Mix::Few, |world| {
        let published = run(world)?;
        told.note(&published);
        stream::reduces(world, published)
    });
    told.write();
}

#[test]
fn the_stream_shows_the_newest_windows() -> TestCaseResult {
    let world = world::many_windows();
    let published = run(&world)?;
    let windows = |place: usize| {
        let (_, publication) = &published[place];
        let shown = publication.snapshot.stream_snapshot("m", Views::ALL);
        shown.map(|shown| shown.windows.windows.len()).unwrap_or(0)
    };
    let shown: Vec<usize> = (0..published.len()).map(windows).collect();
    prop_assert_eq!(shown, [120, 120, 60, 120]);
    let told = Told::new("many-windows");
    told.note(&published);
    told.write();
    stream::reduces(&world, published)
}

/// How many worlds of a law the page's reducer is given.
const TOLD_MAX: usize = 64;

/// What the stream told in the worlds of a law, for the page's own tests: the same cases.
struct Told {
    name: &'static str,
    lines: RefCell<Vec<String>>,
}

impl Told {
    fn new(name: &'static str) -> Told {
        let lines = RefCell::default();
        Told { name, lines }
    }

    fn note(&self, published: &[(Moment, Publication)]) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() < TOLD_MAX {
            lines.extend(stream::told(published).iter().map(Json::to_string));
        }
    }

    /// Writes a line a contest to where cargo keeps what tests make.
    fn write(self) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stream");
        std::fs::create_dir_all(&folder).expect("cargo's folder takes folders");
        let file = folder.join(format!("{}.ndjson", self.name));
        let lines = self.lines.into_inner().join("\n");
        std::fs::write(file, lines).expect("cargo's folder takes files");
    }
}
