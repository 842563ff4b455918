//! A server that stops for a second: a closed loop cannot see it, an open loop must.

use std::time::Duration;

use lab_load::wire::{Arrival, DrivePlan, DriverEvent, Mode};
use rustix::process::{Pid, Signal, kill_process};
use rustix::time::{ClockId, clock_gettime};

use super::driver::{drive_and_watch, number, open, plan};
use crate::serve::server::Server;
use crate::support::wait_until;

const SECOND: Duration = Duration::from_secs(1);

/// The clock of the announced window.
fn monotonic_now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Coordinated omission: with the worker stopped for 1 s under 1,000/s, about 1,000 arrivals have to wait, up to 1 s,
/// though only those in flight took long to be served.
#[test]
fn freeze_is_measured_from_the_schedule() {
    let server = Server::start(1);
    let worker = Pid::from_raw(i32::try_from(server.workers[0]).unwrap()).unwrap();
    let connections = 4;
    let mode = Mode::Open(open(1000, 4 * SECOND, Arrival::Pooled { connections: number(connections) }));
    let address = server.address.parse().unwrap();
    let plan = DrivePlan { warmup: SECOND, window: 3 * SECOND, ..plan(address, mode) };
    let mut opens = None;
    let outcome = drive_and_watch(&plan, |event| match event {
        DriverEvent::Ready { window } => opens = window.map(|window| window.opens),
        DriverEvent::WindowOpened => {
            kill_process(worker, Signal::STOP).unwrap();
            let thaws = opens.expect("lab's driver announces its window") + SECOND;
            wait_until("the first second is over", || monotonic_now() >= thaws);
            kill_process(worker, Signal::CONT).unwrap();
        }
        DriverEvent::Prepared | DriverEvent::WindowClosed | DriverEvent::Outcome(_) => {}
    });
    let ledger = &outcome.ledger;
    let open = ledger.open.as_ref().unwrap();
    assert_eq!((ledger.ok, open.scheduled), (3000, 3000));
    let max = open.response_time_us.max();
    assert!((950_000..1_500_000).contains(&max), "response time up to {max} us");
    let affected = open.response_time_us.count_between(50_000, u64::MAX);
    // Those that arrive while the backlog drains wait as well; a debug build on a busy machine drains it slowly.
    assert!((850..=2_000).contains(&affected), "{affected} were affected");
    let slow = ledger.service_time_us.count_between(500_000, u64::MAX);
    assert!(slow <= connections.into(), "{slow} were served slowly, but {connections} in flight");
    // The seconds show it where it happened.
    let answered: Vec<u64> = ledger.seconds.iter().map(|second| second.answered).collect();
    assert!(answered[0] < 200 && answered[1] > 1_500, "{answered:?}");
}
