//! Cells to views, through the whole core: the same votes in many ticks or few, over many
//! candidates and locations or few. What differs between these is the dataflow after *accept*.

#![allow(missing_docs)]

mod votes;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dataflow::harness::{Settings, run};
use producer::Shares;

const VOTERS: u64 = 50_000;

fn graph(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("graph");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(5));
    group.throughput(Throughput::Elements(VOTERS));
    for (candidates, locations) in [(1, 0), (12, 650), (12, 6_500), (500, 650)] {
        let election = votes::election(VOTERS, candidates, locations);
        let register = Arc::new(election.register());
        let messages = votes::messages(&election, Shares::default());
        for tick_messages in [500, 50_000] {
            let steps = votes::steps(&register, &messages, tick_messages);
            let name = format!("{candidates}x{locations}, ticks of {tick_messages}");
            group.bench_function(name, |bencher| {
                let count =
                    |steps| black_box(run(1, votes::PARTITIONS, Settings::default(), steps));
                bencher.iter_batched(|| steps.clone(), count, BatchSize::LargeInput);
            });
        }
    }
}

criterion_group!(benches, graph);
criterion_main!(benches);
