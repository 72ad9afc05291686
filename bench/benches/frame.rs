//! A tick's change to a frame of the stream: what is done once for all subscribers. A merged one
//! is that of who was away for all ticks.

#![allow(missing_docs)]

mod votes;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dataflow::view::{ContestChange, Views};

const VOTERS: u64 = 20_000;
const TICK_MESSAGES: usize = 1_000;

fn frame(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame");
    for (candidates, locations) in [(5, 0), (12, 650)] {
        let published = votes::published(
            &votes::election(VOTERS, candidates, locations),
            TICK_MESSAGES,
        );
        let last = published.last().expect("ticks are published");
        let (contest, change) = last.changes.iter().next().expect("something changed");
        let mut merged = ContestChange::default();
        let changes = published.iter().flat_map(|tick| tick.changes.get(contest));
        changes.for_each(|change| merged.merge(change));
        let encode = |change: &ContestChange| {
            let change = last.snapshot.stream_change(contest, change, Views::ALL);
            serde_json::to_vec(&change.expect("the contest is there")).expect("frames are JSON")
        };
        for (name, change) in [("one tick", change), ("all ticks", &merged)] {
            group.throughput(Throughput::Bytes(encode(change).len() as u64));
            group.bench_function(format!("{candidates}x{locations}, {name}"), |bencher| {
                bencher.iter(|| encode(black_box(change)));
            });
        }
    }
}

criterion_group!(benches, frame);
criterion_main!(benches);
