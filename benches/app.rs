//! What the app costs per request: routing, ProxyFix, and whole requests through the sample app.
//!
//! `cargo bench --bench app`; nothing here touches a socket.

#[path = "setup/app.rs"]
mod app_setup;

use std::hint::black_box;
use std::time::Duration;

use app_setup::{Sink, forwarded_request, proxy_fix_of_all_fields, request, respond, rules};
use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use lab_app::{ProxyFix, sample};
use tower_service::Service as _;

fn routing(criterion: &mut Criterion) {
    let map = rules();
    let mut group = criterion.benchmark_group("routing");
    for (name, path) in [
        ("static", "/about"),
        ("static, deep", "/api/v1/things20/"),
        ("int", "/api/v1/things20/12345"),
        ("string", "/user/someone"),
        ("path, after backtracking", "/api/v1/things20/not/here"),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| map.find(black_box(path), &Method::GET)));
    }
    group.finish();
}

fn proxy_fix(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("proxy_fix");
    let request = request("/");
    group.bench_function("baseline: no ProxyFix", |bencher| {
        bencher.iter_batched(|| request.clone(), |request| Sink.call(request), criterion::BatchSize::SmallInput);
    });
    let mut article = ProxyFix::new(Sink);
    group.bench_function("x_for, x_proto", |bencher| {
        bencher.iter_batched(|| request.clone(), |request| article.call(request), criterion::BatchSize::SmallInput);
    });
    let (mut all, request) = (proxy_fix_of_all_fields(), forwarded_request());
    group.bench_function("all five", |bencher| {
        bencher.iter_batched(|| request.clone(), |request| all.call(request), criterion::BatchSize::SmallInput);
    });
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    // OK because a test keeps the sample app valid
    let app = sample::app().expect("the sample app");
    for path in ["/pong", "/", "/headers", "/nowhere"] {
        let (mut app, request) = (app.clone(), request(path));
        group.bench_function(path, |bencher| {
            bencher.iter_batched(
                || request.clone(),
                |request| respond(&mut app, request),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = routing, proxy_fix, requests
}
criterion_main!(benches);
