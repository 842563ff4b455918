//! Several drivers that share a load: they begin at one instant, and count together what one would have counted.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use lab_load::accounting::OutcomeMerge;
use lab_load::monotonic;
use lab_load::wire::{
    Arrival, ArrivalProcess, DriveOutcome, DrivePlan, DriverEvent, EventDecoder, Mode, OpenPlan, Schedule, Start,
    WindowEnds,
};

use super::driver::{number, open, plan};
use super::servers::{PONG, runtime, send, serve};

const SECOND: Duration = Duration::from_secs(1);

/// A driver that waits for its start.
struct SharedDriver {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    decoder: EventDecoder,
}

impl SharedDriver {
    /// Starts a driver, and waits until it is prepared.
    fn prepare(plan: &DrivePlan) -> SharedDriver {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
        let mut child = command.arg("drive").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{}", plan.to_json().unwrap()).unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut driver = SharedDriver { child, input, output, decoder: EventDecoder::new(plan) };
        assert_eq!(driver.event(), DriverEvent::Prepared);
        driver
    }

    fn event(&mut self) -> DriverEvent {
        self.decoder.line(&self.output.next().expect("an event").unwrap()).unwrap()
    }

    fn start(&mut self, start: Start) {
        writeln!(self.input, "{}", start.to_json().unwrap()).unwrap();
    }

    /// The window that it announces, and its outcome.
    fn finish(mut self) -> (WindowEnds, DriveOutcome) {
        let DriverEvent::Ready { window: Some(window) } = self.event() else { panic!("no window") };
        assert_eq!((self.event(), self.event()), (DriverEvent::WindowOpened, DriverEvent::WindowClosed));
        let DriverEvent::Outcome(outcome) = self.event() else { panic!("no outcome") };
        assert!(self.child.wait().unwrap().success());
        (window, *outcome)
    }
}

/// The common start, the windows of the drivers, and their merged outcome.
fn drive_together(whole: &DrivePlan, drivers: u32) -> (Start, Vec<WindowEnds>, DriveOutcome) {
    let plans = whole.divided(number(drivers)).unwrap();
    let mut prepared: Vec<SharedDriver> = plans.iter().map(SharedDriver::prepare).collect();
    let start = Start { at: monotonic::now() + SECOND / 2 };
    prepared.iter_mut().for_each(|driver| driver.start(start));
    let mut merge = OutcomeMerge::new(number(drivers));
    let mut windows = Vec::new();
    for driver in prepared {
        let (window, outcome) = driver.finish();
        windows.push(window);
        merge.add(outcome).unwrap();
    }
    (start, windows, merge.finish().unwrap())
}

#[test]
fn drivers_share_one_schedule() {
    let runtime = runtime();
    let (address, counts) = serve(&runtime, |_, _| send(PONG));
    let stage = open(400, 3 * SECOND, Arrival::Pooled { connections: number(5) });
    let schedule = Schedule { arrivals: ArrivalProcess::Poisson { seed: 7 }, ..stage.schedule.clone() };
    let expected = schedule.per_second(SECOND, 3 * SECOND);
    let all = schedule.instants().count();
    let mode = Mode::Open(OpenPlan { schedule, ..stage });
    let whole = DrivePlan { warmup: SECOND, window: 2 * SECOND, ..plan(address, mode) };
    let (start, windows, outcome) = drive_together(&whole, 3);
    // A driver that began by itself would be half a second early.
    for window in windows {
        let (opens, closes) = (start.at + SECOND, start.at + 3 * SECOND);
        assert!(
            window.opens.abs_diff(opens) < SECOND / 20 && window.closes.abs_diff(closes) < SECOND / 20,
            "{window:?}"
        );
    }
    let ledger = &outcome.ledger;
    assert!(ledger.adds_up());
    let offered: Vec<u64> = ledger.seconds.iter().filter_map(|second| second.offered).collect();
    assert_eq!(offered, expected);
    assert_eq!(ledger.ok, expected.iter().sum::<u64>());
    assert_eq!(counts.served(), all as u64);
    assert!(counts.accepted() <= 5, "{} connections", counts.accepted());
    assert!(outcome.second_times_us.is_empty(), "merged times are in the rows");
    assert!(ledger.seconds.iter().all(|second| second.times_us.is_some()));
}

#[test]
fn connections_of_a_closed_loop_are_shared() {
    let runtime = runtime();
    let (address, counts) = serve(&runtime, |_, _| send(PONG));
    let whole = plan(address, Mode::Closed { connections: number(5) });
    let (_, _, outcome) = drive_together(&whole, 2);
    assert_eq!((counts.accepted(), outcome.connections_opened), (5, Some(5)));
    assert!(outcome.ledger.ok > 0 && outcome.ledger.failures() == 0);
    let answered: u64 = outcome.ledger.seconds.iter().map(|second| second.answered).sum();
    assert_eq!(answered, outcome.ledger.answered);
}
