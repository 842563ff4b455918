//! Calls one of the hot paths a given number of times, so that callgrind counts its instructions: `cargo xtask bench-gate`.
//!
//! The paths have the names of the benchmarks that measure their time. `instructions --list` prints each name and, after a tab,
//! the calls that are enough; `instructions NAME CALLS` calls one. Without arguments, each is called once.

#[path = "setup/app.rs"]
mod app_setup;
#[path = "setup/load.rs"]
mod load_setup;
#[path = "setup/proxy.rs"]
mod proxy_setup;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use http::Method;
use lab_app::{ProxyFix, sample};
use lab_load::accounting::{Recorder, RequestOutcome, Window};
use lab_load::wire::{ArrivalProcess, histogram};
use lab_proxy::config::Config;
use lab_proxy::upstream::request_head;
use lab_proxy::variables::{DefinedVariables, Template};
use lab_stats::{estimate, signed_rank};
use proxy_setup::{corrected, grown};
use tower_service::Service as _;

struct HotPath {
    name: &'static str,
    /// Sets up what is needed, and makes this many calls.
    call: fn(u64),
    /// How many calls are enough for a count: few of a path that is long.
    calls: u64,
}

impl HotPath {
    const fn short(name: &'static str, call: fn(u64)) -> HotPath {
        HotPath { name, call, calls: 1000 }
    }

    /// A path of a million instructions.
    const fn long(name: &'static str, call: fn(u64)) -> HotPath {
        HotPath { name, call, calls: 10 }
    }
}

const HOT_PATHS: [HotPath; 30] = [
    HotPath::short("head/parse", parse),
    HotPath::short("head/rewrite for the upstream", rewrite),
    HotPath::short("phases/one location that passes", |calls| route(&corrected(), "/headers?q=1", calls)),
    HotPath::short("phases/a prefix among many", |calls| route(&grown(), "/api/v2/things", calls)),
    HotPath::short("phases/a regular expression among many", |calls| route(&grown(), "/img/logo.png", calls)),
    HotPath::short("phases/a rewrite to another location", |calls| route(&grown(), "/old/2011/post", calls)),
    HotPath::short("variables/$proxy_add_x_forwarded_for", |calls| expand("$proxy_add_x_forwarded_for", calls)),
    HotPath::short("variables/$scheme://$host$request_uri", |calls| expand("$scheme://$host$request_uri", calls)),
    HotPath::short("variables/$http_user_agent", |calls| expand("$http_user_agent", calls)),
    HotPath::short("routing/static", |calls| find_rule("/about", calls)),
    HotPath::short("routing/static, deep", |calls| find_rule("/api/v1/things20/", calls)),
    HotPath::short("routing/int", |calls| find_rule("/api/v1/things20/12345", calls)),
    HotPath::short("routing/string", |calls| find_rule("/user/someone", calls)),
    HotPath::short("routing/path, after backtracking", |calls| find_rule("/api/v1/things20/not/here", calls)),
    HotPath::short("proxy_fix/baseline: no ProxyFix", without_proxy_fix),
    HotPath::short("proxy_fix/x_for, x_proto", |calls| proxy_fix(ProxyFix::new(app_setup::Sink), calls)),
    HotPath::short("proxy_fix/all five", |calls| proxy_fix(app_setup::proxy_fix_of_all_fields(), calls)),
    HotPath::short("request//pong", |calls| request("/pong", calls)),
    HotPath::short("request//", |calls| request("/", calls)),
    HotPath::short("request//headers", |calls| request("/headers", calls)),
    HotPath::short("request//nowhere", |calls| request("/nowhere", calls)),
    HotPath::short("record/histogram", record_in_histogram),
    HotPath::short("record/request", record),
    HotPath::long("record/encode", encode),
    HotPath::long("schedule/uniform/30000", |calls| plan(ArrivalProcess::Uniform, calls)),
    HotPath::long("schedule/poisson/30000", |calls| plan(load_setup::POISSON, calls)),
    HotPath::long("stats/estimate/10", |calls| estimate(10, calls)),
    HotPath::long("stats/estimate/30", |calls| estimate(30, calls)),
    HotPath::long("stats/estimate/100", |calls| estimate(100, calls)),
    HotPath::long("stats/signed-rank distribution/100", signed_rank_distribution),
];

fn main() -> ExitCode {
    // cargo adds options that are for its own harness.
    let is_own = |argument: &String| !matches!(argument.as_str(), "--bench" | "--test");
    let arguments: Vec<String> = std::env::args().skip(1).filter(is_own).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => HOT_PATHS.iter().for_each(|path| println!("{}\t{}", path.name, path.calls)),
        [] => HOT_PATHS.iter().for_each(|path| (path.call)(1)),
        [name, calls] => {
            let path = HOT_PATHS.iter().find(|path| path.name == name);
            let (Some(path), Ok(calls)) = (path, calls.parse()) else {
                eprintln!("usage: instructions --list | NAME CALLS");
                return ExitCode::FAILURE;
            };
            (path.call)(calls);
        }
        _ => {
            eprintln!("usage: instructions --list | NAME CALLS");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn parse(calls: u64) {
    for _ in 0..calls {
        black_box(proxy_setup::head());
    }
}

fn rewrite(calls: u64) {
    proxy_setup::with_scope(|request, pass, scope| {
        let mut out = Vec::with_capacity(1024);
        for _ in 0..calls {
            out.clear();
            request_head::write(request, pass, scope, request.body, &mut out);
            black_box(out.len());
        }
    });
}

fn route(config: &Config, target: &str, calls: u64) {
    proxy_setup::with_routing(config, target, |route| (0..calls).for_each(|_| route()));
}

fn expand(template: &str, calls: u64) {
    // OK because the benchmark's own templates are valid
    let template = Template::compile(template, &DefinedVariables::default()).expect("a valid template");
    proxy_setup::with_scope(|_, _, scope| {
        let mut out = Vec::with_capacity(1024);
        for _ in 0..calls {
            out.clear();
            template.write(scope, &mut out);
            black_box(out.len());
        }
    });
}

fn find_rule(path: &str, calls: u64) {
    let map = app_setup::rules();
    for _ in 0..calls {
        black_box(map.find(black_box(path), &Method::GET));
    }
}

fn without_proxy_fix(calls: u64) {
    let request = app_setup::request("/");
    for _ in 0..calls {
        drop(black_box(app_setup::Sink.call(request.clone())));
    }
}

fn proxy_fix(mut fixed: ProxyFix<app_setup::Sink>, calls: u64) {
    let request = app_setup::forwarded_request();
    for _ in 0..calls {
        drop(black_box(fixed.call(request.clone())));
    }
}

fn request(path: &str, calls: u64) {
    // OK because a test keeps the sample app valid
    let mut app = sample::app().expect("the sample app");
    let request = app_setup::request(path);
    for _ in 0..calls {
        black_box(app_setup::respond(&mut app, request.clone()));
    }
}

fn record_in_histogram(calls: u64) {
    let mut histogram = histogram::empty();
    for call in 0..calls {
        histogram.saturating_record(black_box(call * 37 % 100_000));
    }
}

fn record(calls: u64) {
    let recorder = Recorder::default();
    let opens = Instant::now();
    recorder.set_window(Window { opens, closes: opens + Duration::from_secs(3600) });
    for _ in 0..calls {
        let started = Instant::now();
        recorder.started(started);
        recorder.ended(started, Instant::now(), black_box(RequestOutcome::Ok { body_bytes: 5 }));
    }
}

fn encode(calls: u64) {
    let histogram = load_setup::histogram();
    for _ in 0..calls {
        let _ = black_box(histogram::encode(black_box(&histogram)));
    }
}

fn plan(arrivals: ArrivalProcess, calls: u64) {
    let schedule = load_setup::schedule(arrivals);
    for _ in 0..calls {
        black_box(black_box(&schedule).instants().map(|at| at.as_nanos()).max());
    }
}

fn estimate(rounds: u32, calls: u64) {
    let log_ratios = load_setup::log_ratios(rounds);
    for _ in 0..calls {
        black_box(estimate::estimate(black_box(&log_ratios), 0.95));
    }
}

fn signed_rank_distribution(calls: u64) {
    for _ in 0..calls {
        black_box(signed_rank::distribution(black_box(100)));
    }
}
