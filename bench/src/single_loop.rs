//! The bar: the best single-threaded loop that one would write over the same topic.
//!
//! Takes batches, parses JSON with borrowed fields, UUIDs to numbers, keeps one entry of 32 bytes
//! a voter (its id and that of its vote) and counts by candidate and location. It runs as a
//! process of its own and says what it found in a line of JSON, as the peers do. What McSherry,
//! Isard and Murray call COST ("Scalability! But at what COST?", HotOS 2015) is measured against
//! it.

use std::collections::hash_map::Entry;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::json;

use crate::batches::Batches;
use crate::usage::Usage;

/// How long the broker may take to say what partitions there are.
const METADATA_WAIT: Duration = Duration::from_secs(30);

/// The same arguments as those of a peer.
#[derive(Debug, clap::Args)]
pub struct LoopArgs {
    /// The broker.
    #[arg(long)]
    bootstrap: String,
    /// The topic.
    #[arg(long)]
    topic: String,
    /// How many messages it has.
    #[arg(long)]
    messages: u64,
    /// What must come out.
    #[arg(long)]
    expect: PathBuf,
    /// Always one.
    #[arg(long, default_value_t = 1)]
    threads: u32,
}

/// Counts the topic and prints a line of JSON.
pub fn run(args: &LoopArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut batches = Batches::new(consumer(&args.bootstrap, &args.topic)?)?;
    let mut tally = Tally::default();
    let mut first_at = None;
    while tally.messages < args.messages {
        let taken = batches.take(|bytes| tally.read(bytes))?;
        tally.count();
        if taken > 0 {
            first_at.get_or_insert_with(Instant::now);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let from_first = first_at.map(|first| first.elapsed().as_secs_f64());
    let usage = Usage::of(std::process::id());
    let line = json!({
        "name": "loop",
        "version": env!("CARGO_PKG_VERSION"),
        "seconds": seconds,
        "seconds_from_first": from_first,
        "messages": tally.messages,
        "right": tally.is_right(&args.expect)?,
        "cpu_seconds": usage.cpu_seconds,
        "rss_bytes": usage.rss_peak_bytes,
        "settings": {"threads": args.threads, "queued.max.messages.kbytes": 65_536},
        "does_less": "no timestamps, windows, voids or revotes, no register, no names, no restart, \
                      serves nobody",
    });
    println!("{line}");
    Ok(())
}

/// A consumer at the beginning of all partitions, set up as the service's readers are.
fn consumer(bootstrap: &str, topic: &str) -> anyhow::Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "loop")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("queued.max.messages.kbytes", "65536")
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.message.max.bytes", "4194304")
        .create()
        .context("making a consumer")?;
    let metadata = consumer
        .fetch_metadata(Some(topic), METADATA_WAIT)
        .context("asking for the topic's partitions")?;
    let mut list = TopicPartitionList::new();
    for partition in metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
    {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&list).context("assigning all partitions")?;
    Ok(consumer)
}

/// A vote, as far as it is looked at.
#[derive(Deserialize)]
struct Vote<'a> {
    vote_id: &'a str,
    voter_id: &'a str,
    candidate_id: &'a str,
    location: Option<&'a str>,
}

/// Everything that is counted.
#[derive(Default)]
struct Tally {
    messages: u64,
    duplicates: u64,
    superseded: u64,
    refused: u64,
    /// What is read and not yet counted.
    batch: Vec<Ballot>,
    /// The first vote of each voter.
    voters: FxHashMap<u128, u128>,
    candidates: Names,
    locations: Names,
    /// By location, then candidate.
    votes: Vec<Vec<u64>>,
}

/// Numbers for names, in the order in which they came.
#[derive(Default)]
struct Names(FxHashMap<Box<str>, u32>);

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.0.get(name) {
            return *number;
        }
        let number = self.0.len() as u32;
        self.0.insert(name.into(), number);
        number
    }
}

/// A vote in numbers.
struct Ballot {
    voter: u128,
    vote: u128,
    candidate: u32,
    location: u32,
}

impl Tally {
    /// Reads a message; it is counted with the rest of its batch.
    fn read(&mut self, bytes: &[u8]) {
        self.messages += 1;
        match self.ballot(bytes) {
            Some(ballot) => self.batch.push(ballot),
            None => self.refused += 1,
        }
    }

    fn ballot(&mut self, bytes: &[u8]) -> Option<Ballot> {
        let vote: Vote<'_> = serde_json::from_slice(bytes).ok()?;
        Some(Ballot {
            voter: uuid(vote.voter_id)?,
            vote: uuid(vote.vote_id)?,
            candidate: self.candidates.number(vote.candidate_id),
            location: self.locations.number(vote.location.unwrap_or_default()),
        })
    }

    /// Counts the batch. By itself this is so short that the processor waits for the memory of
    /// several voters at once.
    fn count(&mut self) {
        for ballot in self.batch.drain(..) {
            match self.voters.entry(ballot.voter) {
                Entry::Occupied(before) if *before.get() == ballot.vote => self.duplicates += 1,
                Entry::Occupied(_) => self.superseded += 1,
                Entry::Vacant(free) => {
                    free.insert(ballot.vote);
                    let (location, candidate) =
                        (ballot.location as usize, ballot.candidate as usize);
                    if self.votes.len() <= location {
                        self.votes.resize(location + 1, Vec::new());
                    }
                    let votes = &mut self.votes[location];
                    if votes.len() <= candidate {
                        votes.resize(candidate + 1, 0);
                    }
                    votes[candidate] += 1;
                }
            }
        }
    }

    /// Whether all counts are those that must come out, and nothing was left over.
    fn is_right(&self, expect: &PathBuf) -> anyhow::Result<bool> {
        let text = fs::read(expect).with_context(|| format!("reading '{}'", expect.display()))?;
        let expected: Expected = serde_json::from_slice(&text).context("reading what must be")?;
        let of = |location: Option<&u32>, candidate: &str| {
            let candidate = self.candidates.0.get(candidate);
            let found = location.zip(candidate);
            let found = found
                .and_then(|(at, candidate)| self.votes.get(*at as usize)?.get(*candidate as usize));
            found.copied().unwrap_or(0)
        };
        let total = |candidate: &str| -> u64 {
            let locations = self.locations.0.values();
            locations
                .map(|location| of(Some(location), candidate))
                .sum()
        };
        let by_candidate = expected
            .candidates
            .iter()
            .all(|row| total(&row.candidate_id) == row.votes);
        let leaves = || expected.locations.iter().filter(|row| row.leaf);
        let by_location = leaves().all(|row| {
            let location = self.locations.0.get(row.location.as_str());
            let mut votes = row.votes.iter();
            votes.all(|(candidate, votes)| of(location, candidate) == *votes)
        });
        let accepted: u64 = expected.candidates.iter().map(|row| row.votes).sum();
        let whole = self.refused == 0 && self.voters.len() as u64 == accepted;
        Ok(by_candidate && by_location && whole)
    }
}

/// What is looked at of the expected totals.
#[derive(Deserialize)]
struct Expected {
    candidates: Vec<ExpectedCandidate>,
    locations: Vec<ExpectedLocation>,
}

#[derive(Deserialize)]
struct ExpectedCandidate {
    candidate_id: String,
    votes: u64,
}

#[derive(Deserialize)]
struct ExpectedLocation {
    location: String,
    leaf: bool,
    votes: FxHashMap<String, u64>,
}

/// The value of each hexadecimal digit; of any other byte one that shows in the high bits.
const DIGITS: [u8; 256] = {
    let mut digits = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        let upper = b"0123456789ABCDEF"[digit as usize];
        digits[upper as usize] = digit;
        digits[upper.to_ascii_lowercase() as usize] = digit;
        digit += 1;
    }
    digits
};

/// A UUID of 36 characters as a number.
fn uuid(text: &str) -> Option<u128> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let (mut number, mut seen) = (0_u128, 0_u8);
    for part in [0..8, 9..13, 14..18, 19..23, 24..36] {
        let mut low = 0_u64;
        let bits = 4 * part.len();
        for byte in &text[part] {
            let digit = DIGITS[usize::from(*byte)];
            seen |= digit;
            low = low << 4 | u64::from(digit);
        }
        number = number << bits | u128::from(low);
    }
    let dashes = [8, 13, 18, 23].iter().all(|at| text[*at] == b'-');
    (dashes && seen < 16).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_numbers() {
        let text = "4d606633-3c18-8818-9e03-ccc7d82a8b35";
        assert_eq!(uuid(text), Some(0x4d6066333c1888189e03ccc7d82a8b35));
        for bad in [
            "",
            "4d606633-3c18-8818-9e03-ccc7d82a8b3",
            "4d606633+3c18-8818-9e03-ccc7d82a8b35",
        ] {
            assert_eq!(uuid(bad), None, "{bad}");
        }
        assert_eq!(uuid("4g606633-3c18-8818-9e03-ccc7d82a8b35"), None);
    }

    #[test]
    fn each_voters_first_vote_counts() {
        let mut tally = Tally::default();
        let vote = |vote: u8, voter: u8, candidate: &str| {
            format!(
                r#"{{"vote_id":"00000000-0000-0000-0000-0000000000{vote:02x}","voter_id":"00000000-0000-0000-0000-0000000000{voter:02x}","candidate_id":"{candidate}","location":"x","timestamp":5}}"#
            )
        };
        for (id, voter, candidate) in [(1, 1, "a"), (1, 1, "a"), (2, 1, "b"), (3, 2, "b")] {
            tally.read(vote(id, voter, candidate).as_bytes());
        }
        tally.read(b"{}");
        tally.count();
        assert_eq!(
            (tally.messages, tally.duplicates, tally.superseded),
            (5, 1, 1)
        );
        assert_eq!((tally.refused, &tally.votes), (1, &vec![vec![1, 1]]));
    }
}
