//! Votes to outcomes, through the whole core: new voters, copies, votes cast again, voids. What
//! differs between these is *accept*; one worker, ticks of 50,000.

#![allow(missing_docs)]

mod votes;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dataflow::harness::{Settings, run};
use producer::Shares;

const VOTERS: u64 = 100_000;
const TICK_MESSAGES: usize = 50_000;

fn accept(criterion: &mut Criterion) {
    let election = votes::election(VOTERS, 12, 650);
    let register = Arc::new(election.register());
    let plain = Shares::default();
    let cases = [
        ("first votes", plain),
        (
            "half twice",
            Shares {
                duplicates: 0.5,
                ..plain
            },
        ),
        (
            "half again",
            Shares {
                revotes: 0.5,
                ..plain
            },
        ),
        (
            "half voided",
            Shares {
                voids: 0.5,
                ..plain
            },
        ),
    ];
    let mut group = criterion.benchmark_group("accept");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    for (name, shares) in cases {
        let messages = votes::messages(&election, shares);
        let steps = votes::steps(&register, &messages, TICK_MESSAGES);
        group.throughput(Throughput::Elements(messages.len() as u64));
        group.bench_function(name, |bencher| {
            let count = |steps| black_box(run(1, votes::PARTITIONS, Settings::default(), steps));
            bencher.iter_batched(|| steps.clone(), count, BatchSize::LargeInput);
        });
    }
}

criterion_group!(benches, accept);
criterion_main!(benches);
