//! The United Kingdom in full: 32 million messages, every constituency exact.

use std::collections::HashMap;

use producer::{Batch, Election, Options, Replay};

/// Votes by the bytes of `"candidate_id":"…","location":"…"` in a line.
type Counts = HashMap<Vec<u8>, u64>;

/// Where the choice begins in a line: both ids before it have a fixed length.
const CHOICE_AT: usize = r#"{"vote_id":"","voter_id":"","#.len() + 2 * 36;

/// Counts the messages from one number up to another.
fn count(election: &Election, from: u64, upto: u64) -> Counts {
    let mut replay = Replay::new(election, &Options::default()).expect("no shares always fit");
    replay.skip(from);
    let mut counts = Counts::new();
    let mut batch = Batch::new();
    let mut left = (upto - from) as usize;
    while left > 0 {
        left -= replay.fill(&mut batch, left.min(10_000));
        for message in batch.messages() {
            let choice = &message.bytes[CHOICE_AT..];
            let commas = (0..choice.len()).filter(|at| choice[*at] == b',');
            let key = &choice[..commas.take(2).last().expect("a cast has a location")];
            match counts.get_mut(key) {
                Some(count) => *count += 1,
                None => drop(counts.insert(key.to_vec(), 1)),
            }
        }
    }
    counts
}

/// The official sums, read from the source by themselves.
fn official() -> Counts {
    let slugs = HashMap::from([
        ("Conservative Party", "conservative"),
        ("Labour", "labour"),
        ("Liberal Democrats", "liberal-democrats"),
        ("SNP", "snp"),
        ("Green", "green"),
        ("Brexit", "brexit"),
        ("DUP", "dup"),
        ("Sinn Fein", "sinn-fein"),
        ("Plaid Cymru", "plaid-cymru"),
        ("Alliance", "alliance"),
        ("SDLP", "sdlp"),
        ("UUP", "uup"),
        ("Speaker", "speaker"),
        ("Other", "other"),
    ]);
    let mut counts = Counts::new();
    let mut reader = csv::Reader::from_path("data/uk-2019.csv").expect("the source is there");
    for row in reader.records() {
        let row = row.expect("the source is CSV");
        let slug = slugs[&row[6]];
        let key = format!(r#""candidate_id":"{slug}","location":"{}""#, &row[0]);
        counts.insert(
            key.into_bytes(),
            row[7].parse().expect("votes are a number"),
        );
    }
    counts
}

#[test]
fn every_constituency_is_exact() {
    let election = Election::named("uk-2019")
        .expect("it is embedded")
        .expect("it is sound");
    let total = election.ballots();
    assert_eq!(total, 32_014_110);
    // Two halves at once: each processor counts one, and skipping is exact on the way.
    let half = total / 2;
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| count(&election, 0, half));
        let second = scope.spawn(|| count(&election, half, total));
        (first.join(), second.join())
    });
    let mut counts = first.expect("the first half is counted");
    for (key, votes) in second.expect("the second half is counted") {
        *counts.entry(key).or_default() += votes;
    }
    let official = official();
    assert_eq!(official.len(), 3158);
    assert!(
        counts == official,
        "the sums of the stream are not the official ones"
    );
}
