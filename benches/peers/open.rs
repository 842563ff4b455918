//! lab's open driver, on the second core: requests arrive by the clock, however slow the proxy is.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab_load::wire::{
    Arrival, ArrivalProcess, DriveOutcome, DrivePlan, DriverEvent, EventDecoder, Http, Mode, OpenPlan, Schedule, Share,
    Stage, TimerKind,
};

pub(super) struct Result {
    pub(super) requests: u64,
    pub(super) requests_per_s: f64,
    /// From the instants at which requests were due.
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Arrivals of the window without a good response.
    pub(super) lost: u64,
}

/// Poisson arrivals at `rate` per second over kept-alive connections; none of them is warm-up.
pub(super) fn run(address: SocketAddr, path: &str, connections: usize, rate: u32, seconds: u64) -> Result {
    let number = |number: u32| NonZeroU32::new(number).expect("more than none");
    let window = Duration::from_secs(seconds);
    let schedule = Schedule {
        stages: vec![Stage { rate_per_s: number(rate), lasts: window }],
        arrivals: ArrivalProcess::Poisson { seed: 2011 },
        share: Share::WHOLE,
    };
    let arrival = Arrival::Pooled { connections: number(u32::try_from(connections).expect("a small number")) };
    let open = OpenPlan { schedule, arrival, max_open: number(4096), timer: TimerKind::Timerfd };
    let plan = DrivePlan {
        url: format!("http://{address}{path}"),
        tls: None,
        http: Http::OneOne,
        mode: Mode::Open(open),
        warmup: Duration::ZERO,
        window,
        timeout: Duration::from_secs(5),
        awaits_start: false,
    };
    let outcome = drive(&plan);
    let ledger = outcome.ledger;
    let open = ledger.open.as_ref().expect("an open ledger");
    let at = |quantile| Duration::from_micros(open.response_time_us.value_at_quantile(quantile));
    Result {
        requests: ledger.ok,
        requests_per_s: ledger.ok as f64 / window.as_secs_f64(),
        p50: at(0.5),
        p99: at(0.99),
        lost: open.scheduled - ledger.ok,
    }
}

fn drive(plan: &DrivePlan) -> DriveOutcome {
    let mut command = Command::new("taskset");
    command.args(["-c", "1", env!("CARGO_BIN_EXE_lab"), "drive"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the driver starts");
    let document = plan.to_json().expect("a plan");
    child.stdin.take().expect("its input").write_all(document.as_bytes()).expect("a driver that reads");
    let mut decoder = EventDecoder::default();
    let mut outcome = None;
    for line in BufReader::new(child.stdout.take().expect("its output")).lines() {
        if let DriverEvent::Outcome(last) = decoder.line(&line.expect("a line")).expect("an event") {
            outcome = Some(*last);
        }
    }
    child.wait().expect("the driver ends");
    outcome.expect("the driver has an outcome")
}
