//! Bytes to an event, beside what serde_json takes for the same fields.

#![allow(missing_docs)]

mod votes;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dataflow::wire::Format;
use producer::Shares;
use serde::Deserialize;

/// The same fields, without the rules.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Plain<'a> {
    vote_id: &'a str,
    voter_id: &'a str,
    candidate_id: &'a str,
    location: Option<&'a str>,
}

fn decode(criterion: &mut Criterion) {
    let messages = votes::messages(&votes::election(10_000, 12, 650), Shares::default());
    let format = Format::default();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(messages.len() as u64));
    group.bench_function("wire", |bencher| {
        bencher.iter(|| {
            for (.., bytes) in &messages {
                let _ = black_box(format.decode(black_box(bytes), None));
            }
        });
    });
    group.bench_function("serde_json, four fields", |bencher| {
        bencher.iter(|| {
            for (.., bytes) in &messages {
                let _ = black_box(serde_json::from_slice::<Plain<'_>>(black_box(bytes)));
            }
        });
    });
}

criterion_group!(benches, decode);
criterion_main!(benches);
