//! What the app costs per request: routing, ProxyFix, and whole requests through the sample app.
//!
//! `cargo bench --bench app`; nothing here touches a socket.

#[path = "setup/app.rs"]
mod app_setup;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};
use std::time::Duration;

use app_setup::{request, respond, rules};
use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;
use lab_app::{Environ, ProxyFix, sample};
use tower_service::Service;

/// An app that only takes the environ.
#[derive(Clone)]
struct Sink;

impl<B> Service<http::Request<B>> for Sink {
    type Response = Option<Environ>;
    type Error = Infallible;
    type Future = Ready<Result<Option<Environ>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        ready(Ok(request.extensions_mut().remove()))
    }
}

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
    let mut all = ProxyFix::new(Sink).x_host(1).x_port(1).x_prefix(1);
    let mut request = request;
    for (name, value) in [("host", "shop.example:8443"), ("port", "8443"), ("prefix", "/shop")] {
        // OK because the benchmark's own header fields are valid
        let name = http::HeaderName::try_from(format!("x-forwarded-{name}")).expect("a valid name");
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
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
