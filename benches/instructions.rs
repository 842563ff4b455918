//! Calls one of the hot paths a given number of times, so that callgrind counts its instructions: `cargo xtask bench-gate`.
//!
//! `instructions --list` prints the names, and `instructions NAME CALLS` calls one. Without arguments, each is called once.

#[path = "setup/app.rs"]
mod app_setup;
#[path = "setup/proxy.rs"]
mod proxy_setup;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use http::Method;
use lab_app::sample;
use lab_load::accounting::{Recorder, RequestOutcome, Window};
use lab_proxy::upstream::request_head;
use lab_proxy::variables::{DefinedVariables, Template};
use lab_stats::estimate;

struct HotPath {
    name: &'static str,
    /// Sets up what is needed, and makes this many calls.
    call: fn(u64),
}

const HOT_PATHS: [HotPath; 10] = [
    HotPath { name: "head/parse", call: parse },
    HotPath { name: "phases/one location that passes", call: pass },
    HotPath { name: "phases/a regular expression among many", call: match_expression },
    HotPath { name: "head/rewrite for the upstream", call: rewrite },
    HotPath { name: "variables/$proxy_add_x_forwarded_for", call: expand },
    HotPath { name: "routing/int", call: find_rule },
    HotPath { name: "request//pong", call: |calls| request("/pong", calls) },
    HotPath { name: "request//headers", call: |calls| request("/headers", calls) },
    HotPath { name: "record/request", call: record },
    HotPath { name: "stats/estimate/30", call: estimate },
];

fn main() -> ExitCode {
    // cargo adds options that are for its own harness.
    let is_own = |argument: &String| !matches!(argument.as_str(), "--bench" | "--test");
    let arguments: Vec<String> = std::env::args().skip(1).filter(is_own).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--list"] => HOT_PATHS.iter().for_each(|path| println!("{}", path.name)),
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

fn pass(calls: u64) {
    let settings = proxy_setup::corrected();
    proxy_setup::with_routing(&settings, "/headers?q=1", |route| (0..calls).for_each(|_| route()));
}

fn match_expression(calls: u64) {
    let settings = proxy_setup::grown();
    proxy_setup::with_routing(&settings, "/img/logo.png", |route| (0..calls).for_each(|_| route()));
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

fn expand(calls: u64) {
    // OK because the benchmark's own template is valid
    let template = Template::compile("$proxy_add_x_forwarded_for", &DefinedVariables::default()).expect("a template");
    proxy_setup::with_scope(|_, _, scope| {
        let mut out = Vec::with_capacity(1024);
        for _ in 0..calls {
            out.clear();
            template.write(scope, &mut out);
            black_box(out.len());
        }
    });
}

fn find_rule(calls: u64) {
    let map = app_setup::rules();
    for _ in 0..calls {
        black_box(map.find(black_box("/api/v1/things20/12345"), &Method::GET));
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

fn estimate(calls: u64) {
    let log_ratios: Vec<f64> = (0..30).map(|round| f64::from(round * 7 % 13) / 100.0).collect();
    for _ in 0..calls {
        black_box(estimate::estimate(black_box(&log_ratios), 0.95));
    }
}
