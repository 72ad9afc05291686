//! Measures the core against the loop that anyone would write, on the same messages, in one run.
//!
//! `cargo run --release -p bench [VOTES]`. Prints medians of five runs with their spread, and
//! ratios; never a verdict.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::harness::{Message, Settings, Step, run};
use producer::{Batch, Election, Options, Replay};
use serde::Deserialize;

const RUNS: usize = 5;
const PARTITIONS: u32 = 8;
const VOTES: usize = 1_000_000;
const TICK_MESSAGES: usize = 50_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let votes = match std::env::args().nth(1) {
        Some(typed) => typed.parse()?,
        None => VOTES,
    };
    let election = Election::find("uk-2019")?;
    let messages = messages(&election, votes)?;
    let register = Arc::new(election.register());
    let steps: Vec<Step> = (1..)
        .zip(messages.chunks(TICK_MESSAGES))
        .map(|(tick, messages)| Step {
            register: (tick == 1).then(|| Arc::clone(&register)),
            messages: messages.to_vec(),
            tick,
        })
        .collect();
    println!("{votes} votes of the United Kingdom in 2019, {RUNS} runs each, in memory");
    let base = report("single-threaded loop", votes, None, || {
        black_box(simple_loop(&messages));
    });
    for workers in [1, 2] {
        let name = format!("core, {workers} worker(s)");
        report(&name, votes, Some(base), || {
            black_box(run(workers, PARTITIONS, Settings::default(), steps.clone()));
        });
    }
    Ok(())
}

/// The first messages of a replay, over the partitions in turn by voter.
fn messages(election: &Election, votes: usize) -> Result<Vec<Message>, Box<dyn std::error::Error>> {
    let mut replay = Replay::new(election, &Options::default())?;
    let mut batch = Batch::new();
    let mut next = [0; PARTITIONS as usize];
    let mut messages = Vec::with_capacity(votes);
    while messages.len() < votes && replay.fill(&mut batch, 4096.min(votes - messages.len())) > 0 {
        for message in batch.messages() {
            let partition = message
                .key
                .last()
                .map_or(0, |byte| u32::from(*byte) % PARTITIONS);
            let offset = &mut next[partition as usize];
            messages.push((partition, *offset, None, message.bytes.to_vec()));
            *offset += 1;
        }
    }
    Ok(messages)
}

/// Times a piece of work and prints votes a second: median, least, most, ratio to a base.
fn report(name: &str, votes: usize, base: Option<f64>, mut work: impl FnMut()) -> f64 {
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            work();
            votes as f64 / started.elapsed().max(Duration::from_nanos(1)).as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let median = rates[RUNS / 2];
    let ratio = base.map_or(1.0, |base| median / base);
    println!(
        "{name:24} {:>10.0} votes/s  ({:.0} to {:.0})  x {ratio:.2}",
        median,
        rates[0],
        rates[RUNS - 1]
    );
    median
}

#[derive(Deserialize)]
struct Vote<'a> {
    voter_id: &'a str,
    candidate_id: &'a str,
    location: &'a str,
}

/// Each voter's first vote counts, by candidate and location: the least that one would write.
fn simple_loop(messages: &[Message]) -> HashMap<(String, String), u64> {
    let mut voted: HashMap<String, ()> = HashMap::new();
    let mut counts: HashMap<(String, String), u64> = HashMap::new();
    for (.., bytes) in messages {
        let Ok(vote) = serde_json::from_slice::<Vote<'_>>(bytes) else {
            continue;
        };
        if voted.insert(vote.voter_id.to_string(), ()).is_none() {
            let key = (vote.candidate_id.to_string(), vote.location.to_string());
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}
