//! `core`: the dataflow in memory, without Kafka and HTTP, against the loop that anyone would
//! write, on the same messages.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use dataflow::harness::{Message, Settings, Step, run};
use producer::{Batch, Election, Options, Replay};
use serde::Deserialize;

use crate::cli::Args;
use crate::race::RATE;
use crate::report::{Report, Row, Unit};
use crate::stage::Stage;

const PARTITIONS: u32 = 8;
const TICK_MESSAGES: usize = 50_000;

/// Counts votes of the United Kingdom with each, in turn within each round.
pub fn measure(_: &Stage, args: &Args) -> anyhow::Result<Report> {
    let votes = args.votes(1_000_000, 100_000) as usize;
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
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..args.runs() {
        rates[0].push(rate(votes, || {
            black_box(simple_loop(&messages));
        }));
        for workers in [1, 2] {
            let steps = steps.clone();
            rates[workers].push(rate(votes, || {
                black_box(run(workers, PARTITIONS, Settings::default(), steps));
            }));
        }
    }
    let mut report = Report::new(
        "core",
        format!("{votes} votes of the United Kingdom in 2019, in memory"),
    );
    let names = ["loop in memory", "core, 1 worker", "core, 2 workers"];
    for (name, rates) in names.into_iter().zip(rates) {
        let mut row = Row::new(name);
        row.figure(RATE, Unit::PerSecond, rates);
        report.rows.push(row);
    }
    report.ratios(RATE, "loop in memory", "of loop");
    Ok(report)
}

/// The first messages of a replay, over the partitions in turn by voter.
fn messages(election: &Election, votes: usize) -> anyhow::Result<Vec<Message>> {
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

fn rate(votes: usize, work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    votes as f64 / started.elapsed().as_secs_f64()
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
