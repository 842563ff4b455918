//! The throughput and cost of lab's drivers beside wrk and goose: `cargo bench --bench drivers`.
//!
//! Rounds of both alternate, the server on one core and the driver on another. Compare the ratios, and CPU time per
//! request rather than requests per second: it says what a driver could reach with a faster server. Without wrk there is
//! no peer. With `--test` every part runs once, briefly, and the figures mean nothing.
//! `LAB_MEMORY_SECONDS=120` makes the last part long enough for ten million requests.

use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab_load::wire::{
    Arrival, ArrivalProcess, DriveOutcome, DrivePlan, DriverEvent, EventDecoder, Http, Mode, OpenPlan, Program,
    Schedule, Share, Stage, TimerKind,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn main() {
    let brief = std::env::args().any(|argument| argument == "--test");
    let seconds_of_memory = std::env::var("LAB_MEMORY_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let (rounds, window) = if brief { (1, Duration::from_secs(1)) } else { (6, Duration::from_secs(3)) };
    let allowed = sched_getaffinity(None).unwrap();
    let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
    let (server_core, driver_core) = (cores[0], cores[cores.len() - 1]);
    println!("server on core {server_core}, driver on core {driver_core}; load average {}", load_average());
    let url = null_server(server_core);
    pin(driver_core);
    // The drivers inherit it, so that other work of the machine does not delay them.
    match rustix::process::nice(-20) {
        Ok(_) => println!("drivers go before other programs"),
        Err(error) => println!("drivers go before nobody: {error}"),
    }

    capacity(&url, rounds, window);
    for timer in [TimerKind::Timerfd, TimerKind::Spin] {
        lag(&url, timer, if brief { 2_000 } else { 20_000 }, window);
    }
    memory(&url, seconds_of_memory.unwrap_or(if brief { 1 } else { 20 }));
}

/// Closed loops of 32 connections.
fn capacity(url: &str, rounds: usize, window: Duration) {
    let connections = number(32);
    let wrk = Program::Wrk { connections };
    let mut modes = vec![
        ("closed", Mode::Closed { connections }),
        ("goose", Mode::Goose { users: connections, steps: Vec::new() }),
    ];
    if lab_load::drivers::external::find(&wrk).is_ok() {
        modes.insert(1, ("wrk", Mode::External { program: wrk }));
    }
    let mut seen: Vec<Vec<(f64, f64)>> = vec![Vec::new(); modes.len()];
    for _ in 0..rounds {
        for (at, (_, mode)) in modes.iter().enumerate() {
            let (outcome, _) = drive(&plan(url, mode.clone(), window));
            let ok = outcome.ledger.ok as f64;
            seen[at].push((outcome.ledger.throughput_per_s(), outcome.driver_cpu.total().as_secs_f64() * 1e6 / ok));
        }
    }
    println!(
        "\n{:<8} {:>10} {:>12} {:>14} {:>16}",
        "driver", "req/s", "CPU us/req", "req/s / first", "per CPU / first"
    );
    for ((name, _), figures) in modes.iter().zip(&seen) {
        let of_first = |value: fn(&(f64, f64)) -> f64| {
            median(figures.iter().zip(&seen[0]).map(|(own, first)| value(own) / value(first)).collect())
        };
        println!(
            "{name:<8} {:>10.0} {:>12.2} {:>14.2} {:>16.2}",
            median(figures.iter().map(|(per_s, _)| *per_s).collect()),
            median(figures.iter().map(|(_, us)| *us).collect()),
            of_first(|(per_s, _)| *per_s),
            1.0 / of_first(|(_, us)| *us),
        );
    }
}

/// How late an open loop starts its scheduled requests.
fn lag(url: &str, timer: TimerKind, rate: u32, window: Duration) {
    let schedule = Schedule {
        stages: vec![Stage { rate_per_s: number(rate), lasts: window + WARMUP }],
        arrivals: ArrivalProcess::Uniform,
        share: Share::WHOLE,
    };
    let arrival = Arrival::Pooled { connections: number(16) };
    let open = OpenPlan { schedule, arrival, max_open: number(4096), timer };
    let (outcome, _) = drive(&plan(url, Mode::Open(open), window));
    let ledger = &outcome.ledger;
    let open = ledger.open.as_ref().expect("an open ledger");
    println!(
        "\nopen at {rate}/s, {timer:?}: {} of {} ok, lag p50 {} us, p99 {} us, max {} us; busy {:.0} %",
        ledger.ok,
        open.scheduled,
        open.lag_us.value_at_quantile(0.5),
        open.lag_us.value_at_quantile(0.99),
        open.lag_us.max(),
        outcome.driver_cpu.total().as_secs_f64() / window.as_secs_f64() * 100.0,
    );
}

/// Whether a driver's memory grows with its requests.
fn memory(url: &str, seconds: u64) {
    let mode = Mode::Closed { connections: number(32) };
    let (outcome, rss_kib) = drive(&plan(url, mode, Duration::from_secs(seconds)));
    println!(
        "\nmemory of the closed driver: {rss_kib:?} KiB at the window's ends, {} requests apart",
        outcome.ledger.ok
    );
}

const WARMUP: Duration = Duration::from_secs(1);

fn plan(url: &str, mode: Mode, window: Duration) -> DrivePlan {
    DrivePlan {
        url: url.to_owned(),
        tls: None,
        http: Http::OneOne,
        mode,
        warmup: WARMUP,
        window,
        timeout: Duration::from_secs(5),
        awaits_start: false,
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// Runs a driver. Returns its outcome, and its resident memory when the window opened and closed.
fn drive(plan: &DrivePlan) -> (DriveOutcome, Vec<u64>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    let mut child = command.arg("drive").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(plan.to_json().unwrap().as_bytes()).unwrap();
    let (mut decoder, mut rss) = (EventDecoder::default(), Vec::new());
    let mut outcome = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        match decoder.line(&line.unwrap()).unwrap() {
            DriverEvent::WindowOpened | DriverEvent::WindowClosed => rss.extend(rss_kib(child.id())),
            DriverEvent::Outcome(last) => outcome = Some(*last),
            DriverEvent::Prepared | DriverEvent::Ready { .. } => {}
        }
    }
    assert!(child.wait().unwrap().success());
    (outcome.unwrap(), rss)
}

/// `None` if the process has ended meanwhile.
fn rss_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Starts a server that looks only for the end of a request and sends the same response to each, so that the driver is
/// the bottleneck. It runs until this process ends. Returns its URL.
fn null_server(core: usize) -> String {
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        pin(core);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().build_local(Default::default()).unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::task::spawn_local(answer_all(stream));
            }
        });
    });
    format!("http://{}/pong", address.recv().unwrap())
}

async fn answer_all(mut stream: TcpStream) -> std::io::Result<()> {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nPong!";
    stream.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    let mut end = 0;
    loop {
        let read = stream.read(&mut buffer[end..]).await?;
        if read == 0 {
            return Ok(());
        }
        end += read;
        if buffer[..end].ends_with(b"\r\n\r\n") {
            end = 0;
            stream.write_all(ANSWER).await?;
        }
    }
}

/// Binds this thread, and the processes that it starts from now on.
fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).unwrap();
}

fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap().split(' ').take(1).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
