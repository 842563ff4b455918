//! What proxying costs: `lab proxy` beside nginx and haproxy, in alternating rounds of one run.
//!
//!     cargo bench --bench peers                             # everything, about five minutes
//!     cargo bench --bench peers -- --rounds 9 --only 1k     # one load, more rounds
//!
//! Each subject is started afresh for each round, with one worker, on the first core; wrk and the upstream (an nginx that
//! serves files) are on the second. The figure is the CPU time of the subject's processes per request; what counts is its
//! ratio to nginx's in the same round. lab and nginx read the same nginx.conf. One load is open: requests arrive at a
//! fixed rate, and what counts is how long after they were due their answers were there.

#[path = "peers/open.rs"]
mod open;
#[path = "peers/subject.rs"]
mod subject;
#[path = "peers/wrk.rs"]
mod wrk;

use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use subject::{Running, Subject, Upstream};

/// How the proxies are driven.
struct Load {
    name: &'static str,
    path: &'static str,
    connections: usize,
    arrivals: Arrivals,
}

/// When the next request comes.
#[derive(Clone, Copy)]
enum Arrivals {
    /// When the one before it is answered, on the same connection.
    Closed,
    /// The same, on a new connection.
    OneRequestEach,
    /// So many times a second.
    Open(u32),
}

const LOADS: [Load; 5] = [
    Load { name: "1k", path: "/1k", connections: 64, arrivals: Arrivals::Closed },
    Load { name: "16k", path: "/16k", connections: 64, arrivals: Arrivals::Closed },
    Load { name: "1m", path: "/1m", connections: 16, arrivals: Arrivals::Closed },
    Load { name: "connections", path: "/1k", connections: 64, arrivals: Arrivals::OneRequestEach },
    Load { name: "open", path: "/1k", connections: 64, arrivals: Arrivals::Open(5_000) },
];

/// So many connections are held idle for the memory they take.
const IDLE: usize = 10_000;

struct Options {
    rounds: usize,
    seconds: u64,
    only: Option<String>,
    is_test: bool,
}

fn main() -> ExitCode {
    let options = options();
    let missing: Vec<&str> = subject::NEEDED.into_iter().filter(|program| !Path::new(program).exists()).collect();
    if !missing.is_empty() {
        eprintln!("SKIPPED: the peers are not measured without {}", missing.join(", "));
        return ExitCode::SUCCESS;
    }
    let upstream = Upstream::start();
    if options.is_test {
        for subject in Subject::ALL {
            let running = Running::start(subject, &upstream);
            assert_eq!(subject::get(running.address, "/1k").len(), 1000, "{subject:?}");
        }
        return ExitCode::SUCCESS;
    }
    println!("{} rounds of {} s; {}", options.rounds, options.seconds, subject::machine());
    for load in LOADS.iter().filter(|load| options.only.as_deref().is_none_or(|only| only == load.name)) {
        drive(load, &options, &upstream);
    }
    if options.only.as_deref().is_none_or(|only| only == "idle") {
        hold(&upstream);
    }
    ExitCode::SUCCESS
}

fn options() -> Options {
    let mut options = Options { rounds: 5, seconds: 3, only: None, is_test: false };
    let mut arguments = std::env::args().skip(1);
    // cargo and criterion have options of their own, which mean nothing here
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--test" => options.is_test = true,
            "--rounds" => {
                options.rounds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(options.rounds);
            }
            "--seconds" => {
                options.seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(options.seconds);
            }
            "--only" => options.only = arguments.next(),
            _ => {}
        }
    }
    options
}

/// One round of one subject.
struct Figures {
    cpu_us_per_request: f64,
    requests_per_s: f64,
    p50: Duration,
    p99: Duration,
}

/// Drives a subject for so long; how many requests it answered, and the rest of its figures.
fn run(load: &Load, running: &Running, seconds: u64) -> (u64, Figures) {
    let (requests, requests_per_s, p50, p99) = match load.arrivals {
        Arrivals::Open(rate) => {
            let result = open::run(running.address, load.path, load.connections, rate, seconds);
            assert_eq!(result.lost, 0, "requests without an answer");
            (result.requests, result.requests_per_s, result.p50, result.p99)
        }
        Arrivals::Closed | Arrivals::OneRequestEach => {
            let keeps_alive = matches!(load.arrivals, Arrivals::Closed);
            let result = wrk::run(running.address, load.path, load.connections, keeps_alive, seconds);
            assert_eq!(result.errors, "", "wrk saw errors");
            (result.requests, result.requests_per_s, result.p50, result.p99)
        }
    };
    (requests, Figures { cpu_us_per_request: 0.0, requests_per_s, p50, p99 })
}

fn drive(load: &Load, options: &Options, upstream: &Upstream) {
    let mut rows: Vec<Vec<Figures>> = Subject::ALL.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        // whatever a moment does to the machine, it does to each in turn
        for step in 0..Subject::ALL.len() {
            let index = (round + step) % Subject::ALL.len();
            let running = Running::start(Subject::ALL[index], upstream);
            run(load, &running, 1);
            let before = running.cpu();
            let (requests, figures) = run(load, &running, options.seconds);
            let cpu_us_per_request = (running.cpu() - before).as_secs_f64() * 1e6 / requests as f64;
            rows[index].push(Figures { cpu_us_per_request, ..figures });
        }
    }
    println!(
        "\n{} ({} connections{})",
        load.name,
        load.connections,
        match load.arrivals {
            Arrivals::Closed => String::new(),
            Arrivals::OneRequestEach => ", one request each".to_owned(),
            Arrivals::Open(rate) => format!(", {rate} requests/s"),
        }
    );
    let reference = Subject::ALL.iter().position(|subject| *subject == Subject::Nginx).expect("nginx is one of them");
    for (subject, figures) in Subject::ALL.iter().zip(&rows) {
        let ratios =
            figures.iter().zip(&rows[reference]).map(|(own, nginx)| own.cpu_us_per_request / nginx.cpu_us_per_request);
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "  {:8} cpu {:8.2} us/request  {:.3} x nginx ({:.3} to {:.3})  {:9.0} requests/s  \
             p50 {:.2} ms  p99 {:.2} ms",
            format!("{subject:?}").to_lowercase(),
            median(figures.iter().map(|figures| figures.cpu_us_per_request)),
            median(ratios.iter().copied()),
            ratios.first().copied().unwrap_or_default(),
            ratios.last().copied().unwrap_or_default(),
            median(figures.iter().map(|figures| figures.requests_per_s)),
            median(figures.iter().map(|figures| figures.p50.as_secs_f64() * 1e3)),
            median(figures.iter().map(|figures| figures.p99.as_secs_f64() * 1e3)),
        );
    }
}

/// Memory with many connections that each had one request and wait for the next.
fn hold(upstream: &Upstream) {
    subject::allow_descriptors(IDLE + 1000);
    println!("\nidle (connections after a request each)");
    for subject in Subject::ALL {
        let running = Running::start(subject, upstream);
        let before = running.memory_kib();
        let held: Vec<TcpStream> =
            (0..IDLE.min(subject.most_connections())).map(|_| subject::ask_and_stay(running.address)).collect();
        let after = running.memory_kib();
        let each = (after as f64 - before as f64) * 1024.0 / held.len() as f64;
        println!(
            "  {:8} {:6} connections {after:7} KiB, {each:.0} bytes each",
            format!("{subject:?}").to_lowercase(),
            held.len()
        );
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    lab_stats::sample::median(&values.collect::<Vec<_>>()).unwrap_or(0.0)
}
