//! The cost of serving WSGI applications: `lab serve` beside other servers, in alternating rounds of one run.
//!
//!     cargo bench --bench servers                                        # everything, about half an hour
//!     cargo bench --bench servers -- --only pong,flask --against bjoern,granian --rounds 7
//!
//! Every server is restarted for each round, with one worker, on the first core; wrk is on the second. The figures are CPU
//! time of all of a server's processes per request, and its throughput; compare the ratios to lab's in the same round.
//! Kept connections are counted by the kernel. The servers are installed in the versions of `servers/requirements.txt`, in
//! an environment below the target folder; a server that cannot be installed is a row with the reason. With `--test`
//! everything runs once, briefly, and the figures mean nothing.

#[path = "servers/environment.rs"]
mod environment;
#[path = "setup/selection.rs"]
mod selection;
#[path = "servers/subject.rs"]
mod subject;
#[path = "servers/wrk.rs"]
mod wrk;

use std::path::Path;
use std::process::ExitCode;

use environment::Environment;
use selection::Selection;
use subject::{Running, Subject};

/// The application, and how it is driven.
struct Load {
    name: &'static str,
    /// The application, in `servers/`.
    app: &'static str,
    connections: usize,
    /// How many requests a worker handles at a time; 1 is the server's default.
    threads: usize,
    posts: bool,
}

const LOADS: [Load; 10] = [
    Load { name: "pong", app: "apps:pong", connections: 32, threads: 1, posts: false },
    Load { name: "flask", app: "hello:app", connections: 32, threads: 1, posts: false },
    Load { name: "10k", app: "apps:ten_kilobytes", connections: 32, threads: 1, posts: false },
    Load { name: "echo", app: "apps:echo", connections: 32, threads: 1, posts: true },
    Load { name: "sleep", app: "apps:sleep", connections: 64, threads: 64, posts: false },
    Load { name: "pong-1", app: "apps:pong", connections: 1, threads: 1, posts: false },
    Load { name: "flask-1", app: "hello:app", connections: 1, threads: 1, posts: false },
    Load { name: "article", app: "article:app", connections: 32, threads: 1, posts: false },
    Load { name: "article-8", app: "article:app", connections: 8, threads: 1, posts: false },
    Load { name: "article-1", app: "article:app", connections: 1, threads: 1, posts: false },
];

struct Options {
    rounds: usize,
    seconds: u64,
    only: Selection,
    against: Selection,
    is_test: bool,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("servers: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(program) = [wrk::WRK, "/usr/bin/taskset"].into_iter().find(|program| !Path::new(program).exists()) {
        eprintln!("SKIPPED: servers are not measured without {program}");
        return ExitCode::SUCCESS;
    }
    let Some(environment) = Environment::make(options.is_test) else {
        eprintln!("SKIPPED: servers are not measured without python3 and its venv module");
        return ExitCode::SUCCESS;
    };
    let subjects: Vec<Subject> = Subject::ALL
        .into_iter()
        .filter(|subject| *subject == Subject::Lab || options.against.contains(subject.name()))
        .collect();
    println!("{} rounds of {} s; {}", options.rounds, options.seconds, machine(&environment, &subjects));
    for load in LOADS.iter().filter(|load| options.only.contains(load.name)) {
        drive(load, &subjects, &options, &environment);
    }
    ExitCode::SUCCESS
}

fn options() -> Result<Options, String> {
    let everything = Selection::default;
    let mut options = Options { rounds: 5, seconds: 2, only: everything(), against: everything(), is_test: false };
    let mut arguments = std::env::args().skip(1);
    // cargo passes options that are meant for its own harness
    while let Some(argument) = arguments.next() {
        let mut number = |default: usize| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
        match argument.as_str() {
            "--test" => (options.is_test, options.rounds, options.seconds) = (true, 1, 1),
            "--rounds" => options.rounds = number(options.rounds),
            "--seconds" => options.seconds = number(2) as u64,
            "--only" => {
                let names = LOADS.map(|load| load.name);
                options.only = Selection::parse("--only", arguments.next().as_deref(), &names)?;
            }
            "--against" => {
                let names = Subject::ALL.map(Subject::name);
                options.against = Selection::parse("--against", arguments.next().as_deref(), &names)?;
            }
            _ => {}
        }
    }
    Ok(options)
}

/// One round of one server.
struct Figures {
    cpu_us_per_request: f64,
    requests_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    requests_per_connection: f64,
    memory_kib: (u64, u64),
}

fn drive(load: &Load, subjects: &[Subject], options: &Options, environment: &Environment) {
    let mut rows: Vec<Result<Vec<Figures>, String>> = subjects
        .iter()
        .map(|subject| subject.is_out(environment, load.threads).map_or_else(|| Ok(Vec::new()), Err))
        .collect();
    for round in 0..options.rounds {
        // each server runs first in its turn, so that a slow moment of the machine meets all of them
        for step in 0..subjects.len() {
            let index = (round + step) % subjects.len();
            let Ok(figures) = &mut rows[index] else { continue };
            match visit(load, subjects[index], options.seconds, environment) {
                Ok(visited) => figures.push(visited),
                Err(reason) => rows[index] = Err(reason),
            }
        }
    }
    println!("\n{} ({} connections)", load.name, load.connections);
    let lab = subjects.iter().position(|subject| *subject == Subject::Lab).and_then(|place| rows[place].as_ref().ok());
    let none = Vec::new();
    let lab = lab.unwrap_or(&none);
    for (subject, row) in subjects.iter().zip(&rows) {
        match row {
            Ok(figures) => println!("  {:16} {}", subject.name(), describe(figures, lab)),
            Err(reason) => println!("  {:16} not measured: {reason}", subject.name()),
        }
    }
}

/// Starts a server, warms it up and drives it.
fn visit(load: &Load, subject: Subject, seconds: u64, environment: &Environment) -> Result<Figures, String> {
    let running = Running::start(subject, environment, load.app, load.threads)?;
    wrk::run(running.address, load.connections, load.posts, 1)?;
    let before = running.cpu();
    let driven = wrk::run(running.address, load.connections, load.posts, seconds)?;
    let cpu = running.cpu() - before;
    Ok(Figures {
        cpu_us_per_request: cpu.as_secs_f64() * 1e6 / driven.requests as f64,
        requests_per_s: driven.requests_per_s,
        p50_us: driven.p50_us,
        p99_us: driven.p99_us,
        requests_per_connection: driven.requests as f64 / driven.connections.max(1) as f64,
        memory_kib: running.memory_kib(),
    })
}

/// Medians, and medians of the ratios to lab in the same round.
fn describe(figures: &[Figures], lab: &[Figures]) -> String {
    let of = |value: &dyn Fn(&Figures) -> f64| median(figures.iter().map(value));
    let to_lab = |value: &dyn Fn(&Figures) -> f64| -> (f64, f64, f64) {
        let mut ratios: Vec<f64> = figures.iter().zip(lab).map(|(own, lab)| value(own) / value(lab)).collect();
        ratios.sort_by(f64::total_cmp);
        let ends = (ratios.first().copied().unwrap_or_default(), ratios.last().copied().unwrap_or_default());
        (median(ratios.into_iter()), ends.0, ends.1)
    };
    let cpu = to_lab(&|figures| figures.cpu_us_per_request);
    let done = to_lab(&|figures| figures.requests_per_s);
    let kept = of(&|figures| figures.requests_per_connection);
    format!(
        "cpu {:7.1} us/request, {:.2} x lab's ({:.2}-{:.2})  {:7.0} requests/s, {:.2} x ({:.2}-{:.2})  p50 {:6.0} us, \
         p99 {:6.0} us  PSS {:5.1} MB, worker {:5.1}  {}",
        of(&|figures| figures.cpu_us_per_request),
        cpu.0,
        cpu.1,
        cpu.2,
        of(&|figures| figures.requests_per_s),
        done.0,
        done.1,
        done.2,
        of(&|figures| figures.p50_us),
        of(&|figures| figures.p99_us),
        of(&|figures| figures.memory_kib.0 as f64 / 1024.0),
        of(&|figures| figures.memory_kib.1 as f64 / 1024.0),
        if kept > 5.0 { String::new() } else { format!("{kept:.1} requests a connection") },
    )
}

/// Remarks on the figures.
fn machine(environment: &Environment, subjects: &[Subject]) -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let mut packages = vec!["flask"];
    packages.extend(subjects.iter().flat_map(|subject| &subject.packages()[..1]));
    packages.extend(subjects.contains(&Subject::Gevent).then_some("gevent"));
    packages.dedup();
    let version = |package: &&str| Some(format!("{package} {}", environment.version(package)?));
    let versions: Vec<String> = packages.iter().filter_map(version).collect();
    format!("{cores} cores, load {}; {}", load.split(' ').next().unwrap_or("?"), versions.join(", "))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    lab_stats::sample::median(&values.collect::<Vec<_>>()).unwrap_or(0.0)
}
