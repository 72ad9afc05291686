//! A snapshot to the answers of the routes, as JSON.

#![allow(missing_docs)]

mod votes;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use dataflow::view::Parent;
use serde::Serialize;

const VOTERS: u64 = 50_000;
const TICK_MESSAGES: usize = 5_000;

fn json(answer: impl Serialize) -> Vec<u8> {
    serde_json::to_vec(&answer).expect("answers are JSON")
}

fn view(criterion: &mut Criterion) {
    let published = votes::published(&votes::election(VOTERS, 12, 650), TICK_MESSAGES);
    let last = published.last().expect("ticks are published");
    let snapshot = &last.snapshot;
    let contest = snapshot.contest_ids().remove(0);
    let mut group = criterion.benchmark_group("view");
    group.bench_function("results", |bencher| {
        bencher.iter(|| json(black_box(snapshot.results(&contest).ok())));
    });
    group.bench_function("650 locations", |bencher| {
        bencher.iter(|| json(black_box(snapshot.locations(&contest, Parent::Any).ok())));
    });
    group.bench_function("120 windows", |bencher| {
        bencher.iter(|| json(black_box(snapshot.windows(&contest, 120).ok())));
    });
    group.bench_function("series", |bencher| {
        bencher.iter(|| json(black_box(snapshot.series(&contest, None).ok())));
    });
    group.bench_function("status", |bencher| {
        bencher.iter(|| json(black_box(snapshot.totals())));
    });
}

criterion_group!(benches, view);
criterion_main!(benches);
