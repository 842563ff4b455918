//! `lab drive`, run to its end.

use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab_load::wire::{
    Arrival, ArrivalProcess, DriveOutcome, DrivePlan, DriverEvent, EventDecoder, Http, Mode, OpenPlan, Schedule, Share,
    Stage, TimerKind,
};

pub(crate) fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

/// A second of `mode` without warm-up.
pub(crate) fn plan(address: SocketAddr, mode: Mode) -> DrivePlan {
    DrivePlan {
        url: format!("http://{address}/pong"),
        tls: None,
        http: Http::OneOne,
        mode,
        warmup: Duration::ZERO,
        window: Duration::from_secs(1),
        timeout: Duration::from_secs(5),
        awaits_start: false,
    }
}

/// An open loop at a constant rate.
pub(crate) fn open(rate: u32, lasts: Duration, arrival: Arrival) -> OpenPlan {
    OpenPlan {
        schedule: Schedule {
            stages: vec![Stage { rate_per_s: number(rate), lasts }],
            arrivals: ArrivalProcess::Uniform,
            share: Share::WHOLE,
        },
        arrival,
        max_open: number(4096),
        timer: TimerKind::Timerfd,
    }
}

/// Runs `lab drive` to its end. It must write only events. A proxy in the environment is ignored.
pub(crate) fn drive(plan: &DrivePlan) -> DriveOutcome {
    drive_and_watch(plan, |_| {})
}

/// The same, with each event shown to `watch` as it is reported.
pub(crate) fn drive_and_watch(plan: &DrivePlan, mut watch: impl FnMut(&DriverEvent)) -> DriveOutcome {
    // A file, because a full pipe would stop a driver with many errors.
    let mut complaints = tempfile::tempfile().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_lab"))
        .arg("drive")
        .env("http_proxy", "http://127.0.0.1:1/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(complaints.try_clone().unwrap())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(plan.to_json().unwrap().as_bytes()).unwrap();
    let mut decoder = EventDecoder::default();
    let mut outcome = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let event = decoder.line(&line.unwrap()).unwrap();
        watch(&event);
        if let DriverEvent::Outcome(last) = event {
            outcome = Some(*last);
        }
    }
    let status = child.wait().unwrap();
    let mut complained = String::new();
    complaints.rewind().unwrap();
    complaints.read_to_string(&mut complained).unwrap();
    assert_eq!(complained, "", "the driver is silent");
    decoder.finish().unwrap();
    assert!(status.success());
    let outcome = outcome.unwrap();
    assert!(outcome.ledger.adds_up(), "{:?}", outcome.ledger);
    outcome
}
