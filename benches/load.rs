//! The cost of measuring: recording a request, and turning rounds into an estimate.

#[path = "setup/load.rs"]
mod load_setup;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use lab_load::accounting::{Recorder, RequestOutcome, Window};
use lab_load::wire::{ArrivalProcess, histogram};
use lab_stats::estimate;
use lab_stats::signed_rank;

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    group.bench_function("histogram", |bencher| {
        let mut histogram = histogram::empty();
        let mut us = 0;
        bencher.iter(|| {
            us = (us + 37) % 100_000;
            histogram.saturating_record(black_box(us));
        });
    });
    group.bench_function("request", |bencher| {
        let recorder = Recorder::default();
        let opens = Instant::now();
        recorder.set_window(Window { opens, closes: opens + Duration::from_secs(3600) });
        bencher.iter(|| {
            let started = Instant::now();
            recorder.started(started);
            recorder.ended(started, Instant::now(), black_box(RequestOutcome::Ok { body_bytes: 5 }));
        });
    });
    group.bench_function("encode", |bencher| {
        let histogram = load_setup::histogram();
        bencher.iter(|| histogram::encode(black_box(&histogram)));
    });
    group.finish();
}

fn statistics(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stats");
    for rounds in [10, 30, 100] {
        let log_ratios = load_setup::log_ratios(rounds);
        group.bench_function(format!("estimate/{rounds}"), |bencher| {
            bencher.iter(|| estimate::estimate(black_box(&log_ratios), 0.95));
        });
    }
    group.bench_function("signed-rank distribution/100", |bencher| {
        bencher.iter(|| signed_rank::distribution(black_box(100)));
    });
    group.finish();
}

fn schedules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule");
    for (name, arrivals) in [("uniform", ArrivalProcess::Uniform), ("poisson", load_setup::POISSON)] {
        let schedule = load_setup::schedule(arrivals);
        group.bench_function(format!("{name}/30000"), |bencher| {
            bencher.iter(|| black_box(&schedule).instants().map(|at| at.as_nanos()).max());
        });
    }
    group.finish();
}

criterion_group!(benches, recording, schedules, statistics);
criterion_main!(benches);
