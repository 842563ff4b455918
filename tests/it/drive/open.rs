//! lab's own open and closed loops: every request is counted exactly once, whatever the server does.

use std::collections::BTreeMap;
use std::time::Duration;

use lab_load::wire::{Arrival, ArrivalProcess, DrivePlan, ErrorClass, Http, Mode, OpenPlan, Schedule, Share, Stage};

use lab::measure::accept_counter::AcceptCounter;

use super::driver::{drive, number, open, plan};
use super::servers::{Behaviour, PONG, runtime, send, serve};
use crate::support::{DeadAddress, wait_until};

const SECOND: Duration = Duration::from_secs(1);

fn sessions(calls: u32) -> Arrival {
    Arrival::Session { calls: number(calls) }
}

fn pool(connections: u32) -> Arrival {
    Arrival::Pooled { connections: number(connections) }
}

#[test]
fn open_loop_keeps_its_schedule() {
    let runtime = runtime();
    let (address, counts) = serve(&runtime, |_, _| send(PONG));
    let mode = Mode::Open(open(200, 3 * SECOND, sessions(3)));
    let outcome = drive(&DrivePlan { warmup: SECOND, window: 2 * SECOND, ..plan(address, mode) });
    let ledger = &outcome.ledger;
    let open = ledger.open.as_ref().unwrap();
    assert_eq!((open.scheduled, ledger.ok, ledger.body_bytes), (1200, 1200, Some(6000)));
    assert_eq!((counts.served(), counts.accepted(), outcome.connections_opened), (1800, 600, Some(600)));
    assert_eq!((open.response_time_us.len(), ledger.service_time_us.len(), open.lag_us.len()), (400, 400, 400));
    assert_eq!((open.later_calls_us.len(), open.connect_time_us.len()), (800, 400));
    assert_eq!(ledger.seconds.iter().map(|second| second.offered).collect::<Vec<_>>(), [Some(200); 2]);
    let answered: u64 = ledger.seconds.iter().map(|second| second.answered).sum();
    assert_eq!(answered, ledger.answered);
}

#[test]
fn ramp_may_go_down() {
    let runtime = runtime();
    let (address, counts) = serve(&runtime, |_, _| send(PONG));
    let stages = [300, 200, 100].map(|rate| Stage { rate_per_s: number(rate), lasts: SECOND });
    let schedule =
        Schedule { stages: stages.to_vec(), arrivals: ArrivalProcess::Poisson { seed: 7 }, share: Share::WHOLE };
    let expected = schedule.per_second(Duration::ZERO, 3 * SECOND);
    let mode = Mode::Open(OpenPlan { schedule, ..open(1, SECOND, pool(4)) });
    let outcome = drive(&DrivePlan { window: 3 * SECOND, ..plan(address, mode) });
    let offered: Vec<u64> = outcome.ledger.seconds.iter().filter_map(|second| second.offered).collect();
    assert_eq!(offered, expected);
    assert_eq!((outcome.ledger.ok, counts.served()), (expected.iter().sum(), outcome.ledger.ok));
    assert!(counts.accepted() <= 4);
}

/// As many connections as were intended: one for a session, and one more where the server has closed the last.
#[test]
fn accepted_connections_match_the_plan() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nPon\r\n2\r\ng!\r\n0\r\n\r\n";
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nPong!";
    let until_close = "HTTP/1.1 200 OK\r\n\r\nPong!";
    for (behaviour, per_session) in [
        (send(PONG), 1),
        (send(chunked), 1),
        (Behaviour::SendAndClose(close.into()), 4),
        (Behaviour::SendAndClose(until_close.into()), 4),
    ] {
        let runtime = runtime();
        let served = behaviour.clone();
        let mut by_kernel = AcceptCounter::start().expect("socket diagnostics");
        let (address, counts) = serve(&runtime, move |_, _| served.clone());
        let outcome = drive(&plan(address, Mode::Open(open(50, SECOND, sessions(4)))));
        assert_eq!((outcome.ledger.ok, outcome.ledger.body_bytes), (200, Some(1000)), "{behaviour:?}");
        assert_eq!(counts.accepted(), 50 * per_session, "{behaviour:?}");
        assert_eq!(outcome.connections_opened, Some(50 * per_session), "{behaviour:?}");

        // A pool opens connections on demand, a closed loop one per user, and both reopen closed ones.
        let before = counts.accepted();
        let outcome = drive(&plan(address, Mode::Open(open(50, SECOND, pool(3)))));
        let opened = counts.accepted() - before;
        assert_eq!(outcome.connections_opened, Some(opened), "{behaviour:?}");
        assert!(opened == if per_session == 1 { opened.min(3) } else { 50 }, "{opened} for {behaviour:?}");
        if per_session == 1 {
            let before = counts.accepted();
            let outcome = drive(&plan(address, Mode::Closed { connections: number(3) }));
            assert_eq!((counts.accepted() - before, outcome.connections_opened), (3, Some(3)), "{behaviour:?}");
            assert_eq!(outcome.ledger.failures(), 0);
        }
        // The kernel's count, for servers without their own, agrees a little later.
        wait_until("the kernel's count is the server's", || {
            let counted = by_kernel.counts().unwrap().expect("nothing lost");
            counted.get(&address.port()) == Some(&counts.accepted())
        });
    }
}

/// A connection for each request, even if the server would keep it, and HTTP/1.0 on the wire.
#[test]
fn http_1_0_opens_a_connection_per_request() {
    for mode in [Mode::Open(open(50, SECOND, sessions(1))), Mode::Open(open(50, SECOND, pool(3)))] {
        let runtime = runtime();
        let (address, counts) = serve(&runtime, |_, head| match head.contains(" HTTP/1.0\r\n") {
            true => send(PONG),
            false => Behaviour::Reset,
        });
        let outcome = drive(&DrivePlan { http: Http::OneZero, ..plan(address, mode.clone()) });
        assert_eq!((outcome.ledger.ok, outcome.ledger.failures()), (50, 0), "{mode:?}");
        assert_eq!((counts.accepted(), outcome.connections_opened), (50, Some(50)), "{mode:?}");
    }
}

#[test]
fn failures_are_classified_and_the_ledger_balances() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    for (behaviour, class) in [
        (Behaviour::Reset, ErrorClass::ResetBeforeFirstByte),
        (Behaviour::SendAndClose("".into()), ErrorClass::PrematureEof),
        (Behaviour::SendAndClose(cut.into()), ErrorClass::PrematureEof),
        (send("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"), ErrorClass::Protocol),
        (send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), ErrorClass::Status4xx),
        (send("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), ErrorClass::Status5xx),
        (Behaviour::Hold, ErrorClass::TimeoutFirstByte),
        (send(cut), ErrorClass::TimeoutBody),
        (Behaviour::SendLate(Duration::from_secs(30), PONG.into()), ErrorClass::TimeoutFirstByte),
    ] {
        let runtime = runtime();
        let served = behaviour.clone();
        let (address, _) = serve(&runtime, move |_, _| served.clone());
        // A response with any status continues the session. Anything else ends it.
        let (failed, unsent) = match class {
            ErrorClass::Status4xx | ErrorClass::Status5xx => (60, 0),
            _ => (20, 40),
        };
        let timeout = Duration::from_millis(200);
        let mode = Mode::Open(open(20, SECOND, sessions(3)));
        let ledger = drive(&DrivePlan { timeout, ..plan(address, mode) }).ledger;
        let open = ledger.open.as_ref().unwrap();
        assert_eq!((open.scheduled, ledger.ok, open.unsent), (60, 0, unsent), "{behaviour:?}");
        assert_eq!(ledger.failed, BTreeMap::from([(class, failed)]), "{behaviour:?}");
        if matches!(class, ErrorClass::TimeoutFirstByte | ErrorClass::TimeoutBody) {
            let shortest = open.response_time_us.min();
            assert!(shortest >= 199_000, "a timeout counts as long as it was waited for: {shortest} us");
        }

        let mode = Mode::Open(self::open(20, SECOND, pool(30)));
        let ledger = drive(&DrivePlan { timeout, ..plan(address, mode) }).ledger;
        assert_eq!(ledger.failed, BTreeMap::from([(class, 20)]), "{behaviour:?}");
    }
}

#[test]
fn refused_connections_are_counted() {
    let dead = DeadAddress::new();
    let outcome = drive(&plan(dead.address, Mode::Open(open(100, SECOND, sessions(2)))));
    assert_eq!(outcome.ledger.failed, BTreeMap::from([(ErrorClass::ConnectRefused, 100)]));
    let open = outcome.ledger.open.unwrap();
    assert_eq!((open.unsent, open.response_time_us.len(), outcome.ledger.service_time_us.len()), (100, 100, 0));
    assert_eq!(outcome.connections_opened, Some(0));
    let outcome = drive(&plan(dead.address, Mode::Closed { connections: number(2) }));
    assert_eq!(outcome.ledger.failed.keys().collect::<Vec<_>>(), [&ErrorClass::ConnectRefused]);
}

#[test]
fn mixed_outcomes_account_for_every_request() {
    let runtime = runtime();
    let (address, _) = serve(&runtime, |number, _| match number % 7 {
        0 => Behaviour::Reset,
        1 => send("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno"),
        2 => Behaviour::SendAndClose("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc".into()),
        3 => Behaviour::SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".into()),
        4 => Behaviour::Hold,
        5 => Behaviour::SendLate(Duration::from_millis(30), PONG.into()),
        _ => send(PONG),
    });
    for arrival in [sessions(1), sessions(5), pool(2), pool(50)] {
        let mode = Mode::Open(OpenPlan { max_open: number(40), ..open(300, 2 * SECOND, arrival) });
        let timeout = Duration::from_millis(100);
        let outcome = drive(&DrivePlan { warmup: SECOND, timeout, ..plan(address, mode) });
        let calls = if arrival == sessions(5) { 5 } else { 1 };
        assert_eq!(outcome.ledger.open.as_ref().unwrap().scheduled, 300 * calls, "{arrival:?}");
        assert!(outcome.ledger.ok > 0 && outcome.ledger.failures() > 0, "{arrival:?}");
        assert_eq!(outcome.unclassified, Vec::<String>::new());
    }
}

#[test]
fn overload_is_shed_or_abandoned_and_counted() {
    let runtime = runtime();
    let (address, counts) = serve(&runtime, |_, _| Behaviour::Hold);
    let bounded = OpenPlan { max_open: number(3), ..open(100, SECOND, sessions(1)) };
    let ledger = drive(&DrivePlan { timeout: Duration::from_millis(1500), ..plan(address, Mode::Open(bounded)) });
    let ledger = Places(ledger.ledger);
    assert_eq!(ledger.places(), (100, 0, 3, 97, 0), "timed out after the window, and shed");
    assert_eq!(counts.accepted(), 3);

    // One connection without a response: the others wait for it up to the timeout, and give up.
    let (address, _) = serve(&runtime, |_, _| Behaviour::Hold);
    let timeout = Duration::from_millis(300);
    let one = Mode::Open(open(100, SECOND, pool(1)));
    let ledger = Places(drive(&DrivePlan { timeout, ..plan(address, one) }).ledger);
    let (scheduled, ok, failed, shed, unsent) = ledger.places();
    assert_eq!((scheduled, ok, shed, failed + unsent), (100, 0, 0, 100));
    assert!((3..=6).contains(&failed), "one after the other, {failed} were sent");
    assert_eq!(ledger.0.open.as_ref().unwrap().response_time_us.len(), 100);
    assert!(ledger.0.open.as_ref().unwrap().response_time_us.min() >= 299_000);
}

struct Places(lab_load::wire::Ledger);

impl Places {
    /// Scheduled, ok, failed, shed, unsent.
    fn places(&self) -> (u64, u64, u64, u64, u64) {
        let open = self.0.open.as_ref().unwrap();
        (open.scheduled, self.0.ok, self.0.failures(), open.shed, open.unsent)
    }
}
