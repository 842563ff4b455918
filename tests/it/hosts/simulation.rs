//! A world of agents in virtual time: clocks that drift from origins of their own, connections that delay and lose, and
//! drivers that are late or fail. A seed determines all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use lab::hosts::coordination::{Coordination, CoordinationError, DriverTask, SharedDrive};
use lab::hosts::protocol::{AgentReport, AgentRequest};
use lab_load::wire::histogram::HistogramText;
use lab_load::wire::{
    CpuTime, DriveOutcome, DrivePlan, DriverEvent, Ledger, Mode, OpenLedger, SecondRow, SecondTimes, WindowEnds,
    histogram,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// The properties of a world.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) nodes: usize,
    pub(super) seed: u64,
    /// The largest drift of a clock, in millionths.
    pub(super) drift_ppm: i64,
    /// One way of a message, at least and at most.
    pub(super) way: (Duration, Duration),
    /// How many of a thousand messages are lost and sent again after 200 ms.
    pub(super) lost_per_mille: u32,
    /// What happens to which agent or driver.
    pub(super) fault: Option<Fault>,
}

/// A fault of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection to an agent breaks at an instant.
    LostAgent(usize, Duration),
    /// An agent receives nothing from an instant on, as behind a partition.
    SilentAgent(usize, Duration),
    /// A driver never gets ready.
    UnpreparedDriver(u32),
    /// A driver never reports an outcome.
    LostOutcome(u32),
    /// A driver fails when it starts.
    FailedDriver(u32),
}

/// What has become of a drive.
pub(super) struct Drive {
    pub(super) result: Result<SharedDrive, CoordinationError>,
    /// The windows of the drivers on the coordinator's clock, as they really were.
    pub(super) windows: Vec<WindowEnds>,
    /// How long it took, on that clock.
    pub(super) took: Duration,
    /// The number of agents that had to stop their drivers.
    pub(super) aborted: usize,
    pub(super) messages: usize,
}

struct Agent {
    /// Its clock's reading when the coordinator's was 0, in nanoseconds.
    origin_ns: i128,
    drift_ppm: i128,
    /// When the last message arrived in either direction: a connection keeps their order.
    arrived: [Duration; 2],
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Request(usize),
    Report(usize),
    /// An event of a driver, which its agent reports.
    Event(usize),
    Fault,
    Due,
}

/// A message of an agent. An outcome is made only when it arrives: a thousand of them would take a gigabyte.
enum Report {
    Made(AgentReport),
    Outcome { driver: u32, read_ns: u64 },
}

/// A simulation under way.
struct Simulation<'a> {
    world: &'a World,
    random: ChaCha8Rng,
    now: Duration,
    agents: Vec<Agent>,
    plans: Vec<Option<DrivePlan>>,
    windows: Vec<WindowEnds>,
    queue: BinaryHeap<Reverse<(Duration, usize, Kind)>>,
    /// The messages and events that the queue refers to, by their numbers.
    requests: Vec<Option<AgentRequest>>,
    reports: Vec<Option<Report>>,
    sent: usize,
    aborted: usize,
}

impl World {
    /// A network of one data centre.
    pub(super) fn near(nodes: usize, seed: u64) -> World {
        let way = (Duration::from_micros(40), Duration::from_micros(400));
        World { nodes, seed, drift_ppm: 20, way, lost_per_mille: 0, fault: None }
    }

    /// Drives `plans`, whose drivers the nodes take in turns.
    pub(super) fn drive(&self, plans: Vec<DrivePlan>) -> Drive {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let start = Duration::from_secs(1000);
        let agent = |random: &mut ChaCha8Rng| {
            let drift = i64::from(random.next_u32()) % (2 * self.drift_ppm + 1) - self.drift_ppm;
            let origin = i128::from(random.next_u64() % 1_000_000_000_000_000);
            Agent { origin_ns: origin, drift_ppm: drift.into(), arrived: [Duration::ZERO; 2] }
        };
        let agents: Vec<Agent> = (0..self.nodes).map(|_| agent(&mut random)).collect();
        let tasks = plans.into_iter().enumerate();
        let tasks: Vec<_> =
            tasks.map(|(number, plan)| DriverTask { agent: number % self.nodes, cores: Vec::new(), plan }).collect();
        let names = (0..self.nodes).map(|number| format!("node-{number}")).collect();
        let nothing = WindowEnds { opens: Duration::ZERO, closes: Duration::ZERO };
        let simulation = Simulation {
            world: self,
            random,
            now: start,
            agents,
            plans: vec![None; tasks.len()],
            windows: vec![nothing; tasks.len()],
            queue: BinaryHeap::new(),
            requests: Vec::new(),
            reports: Vec::new(),
            sent: 0,
            aborted: 0,
        };
        simulation.run(Coordination::new(names, tasks, Vec::new(), start).unwrap(), start)
    }
}

impl Agent {
    fn read_ns(&self, at: Duration) -> i128 {
        let at = at.as_nanos() as i128;
        self.origin_ns + at + at * self.drift_ppm / 1_000_000
    }

    /// When its clock reads `read`.
    fn when(&self, read: Duration) -> Duration {
        let since = (read.as_nanos() as i128 - self.origin_ns) * 1_000_000 / (1_000_000 + self.drift_ppm);
        Duration::from_nanos(u64::try_from(since).unwrap())
    }
}

impl Simulation<'_> {
    fn run(mut self, mut coordination: Coordination, start: Duration) -> Drive {
        if let Some(Fault::LostAgent(_, after) | Fault::SilentAgent(_, after)) = self.world.fault {
            self.schedule(start + after, 0, Kind::Fault);
        }
        let result = loop {
            while let Some((agent, request)) = coordination.next_request() {
                self.send_request(agent, request);
            }
            if let Some(result) = coordination.take_result() {
                break result;
            }
            // A due instant that has changed meanwhile is harmless.
            let due = coordination.next_due().expect("a drive that goes on");
            self.schedule(due, 0, Kind::Due);
            let Reverse((at, number, kind)) = self.queue.pop().expect("an event");
            self.now = self.now.max(at);
            match kind {
                Kind::Request(agent) => self.on_request(agent, number),
                Kind::Event(agent) => self.send_report(agent, number),
                Kind::Report(agent) => {
                    let report = self.take_report(number);
                    coordination.on_report(self.now, agent, report);
                }
                Kind::Fault => {
                    if let Some(Fault::LostAgent(agent, _)) = self.world.fault {
                        coordination.on_lost(agent, "connection reset by peer".to_owned());
                    }
                }
                Kind::Due => coordination.on_time(self.now),
            }
        };
        let (windows, took) = (self.windows, self.now - start);
        Drive { result, windows, took, aborted: self.aborted, messages: self.sent }
    }

    fn schedule(&mut self, at: Duration, number: usize, kind: Kind) {
        self.queue.push(Reverse((at, number, kind)));
    }

    /// When a message that is sent at `at` arrives; `direction` is 0 to the agent and 1 back.
    fn arrival(&mut self, at: Duration, agent: usize, direction: usize) -> Duration {
        let (least, most) = self.world.way;
        let part = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
        let mut way = least + (most - least).mul_f64(part * part);
        if self.random.next_u32() % 1000 < self.world.lost_per_mille {
            way += Duration::from_millis(200);
        }
        let arrived = &mut self.agents[agent].arrived[direction];
        *arrived = (at + way).max(*arrived);
        self.sent += 1;
        *arrived
    }

    fn send_request(&mut self, agent: usize, request: AgentRequest) {
        if request == AgentRequest::Abort {
            self.aborted += 1;
            return;
        }
        if let Some(Fault::SilentAgent(silent, after)) = self.world.fault
            && silent == agent
            && self.now >= Duration::from_secs(1000) + after
        {
            return;
        }
        let at = self.arrival(self.now, agent, 0);
        self.requests.push(Some(request));
        self.schedule(at, self.requests.len() - 1, Kind::Request(agent));
    }

    fn on_request(&mut self, agent: usize, number: usize) {
        match self.requests[number].take().expect("a request") {
            AgentRequest::ReadClock { number } => {
                let read_ns = u64::try_from(self.agents[agent].read_ns(self.now)).unwrap();
                self.report_at(self.now, agent, Report::Made(AgentReport::Clock { number, read_ns }));
            }
            AgentRequest::Prepare { driver, plan, .. } => {
                let awaits_start = plan.awaits_start;
                self.plans[driver as usize] = Some(*plan);
                let ready = self.now + Duration::from_millis(u64::from(5 + self.random.next_u32() % 100));
                if self.world.fault == Some(Fault::UnpreparedDriver(driver)) {
                    return;
                }
                match awaits_start {
                    true => self.event_at(ready, agent, driver, DriverEvent::Prepared),
                    false => self.start(agent, driver, ready),
                }
            }
            AgentRequest::Start { driver, start } => {
                let at = self.agents[agent].when(start.at);
                if self.world.fault == Some(Fault::FailedDriver(driver)) || at < self.now {
                    let message = "the start was 1.0 ms ago when it arrived".to_owned();
                    self.report_at(self.now, agent, Report::Made(AgentReport::DriverFailed { driver, message }));
                    return;
                }
                self.start(agent, driver, at);
            }
            // The simulated load has no components, and no drive measures paths.
            AgentRequest::Hello { .. }
            | AgentRequest::Watch { .. }
            | AgentRequest::RespondToProber
            | AgentRequest::MeasurePath { .. }
            | AgentRequest::Abort
            | AgentRequest::KeepAlive => {}
        }
    }

    /// The life of a driver from its start at `at` on.
    fn start(&mut self, agent: usize, driver: u32, at: Duration) {
        let plan = self.plans[driver as usize].clone().expect("a plan");
        let read = |at: Duration| Duration::from_nanos(u64::try_from(self.agents[agent].read_ns(at)).unwrap());
        let micros = |at: Duration| Duration::from_micros(u64::try_from(at.as_micros()).unwrap());
        let opens = read(at) + plan.warmup;
        let closes = opens + plan.window;
        let window = WindowEnds { opens: self.agents[agent].when(opens), closes: self.agents[agent].when(closes) };
        self.windows[driver as usize] = window;
        let announced = WindowEnds { opens: micros(opens), closes: micros(closes) };
        self.event_at(self.now, agent, driver, DriverEvent::Ready { window: Some(announced) });
        self.event_at(window.opens, agent, driver, DriverEvent::WindowOpened);
        self.event_at(window.closes, agent, driver, DriverEvent::WindowClosed);
        if self.world.fault != Some(Fault::LostOutcome(driver)) {
            let reported = window.closes + Duration::from_millis(u64::from(20 + self.random.next_u32() % 80));
            let read_ns = u64::try_from(self.agents[agent].read_ns(reported)).unwrap();
            self.report_at(reported, agent, Report::Outcome { driver, read_ns });
        }
    }

    fn event_at(&mut self, at: Duration, agent: usize, driver: u32, event: DriverEvent) {
        let read_ns = u64::try_from(self.agents[agent].read_ns(at)).unwrap();
        self.report_at(at, agent, Report::Made(AgentReport::Driver { driver, read_ns, event }));
    }

    fn take_report(&mut self, number: usize) -> AgentReport {
        match self.reports[number].take().expect("a report") {
            Report::Made(report) => report,
            Report::Outcome { driver, read_ns } => {
                let plan = self.plans[driver as usize].as_ref().expect("a plan");
                AgentReport::Driver { driver, read_ns, event: DriverEvent::Outcome(Box::new(outcome(plan))) }
            }
        }
    }

    fn report_at(&mut self, at: Duration, agent: usize, report: Report) {
        self.reports.push(Some(report));
        self.schedule(at, self.reports.len() - 1, Kind::Event(agent));
    }

    fn send_report(&mut self, agent: usize, number: usize) {
        if let Some(Fault::SilentAgent(silent, after)) = self.world.fault
            && silent == agent
            && self.now >= Duration::from_secs(1000) + after
        {
            return;
        }
        let at = self.arrival(self.now, agent, 1);
        self.schedule(at, number, Kind::Report(agent));
    }
}

/// The outcome of a driver whose arrivals each get the response time that their instant determines.
pub(super) fn outcome(plan: &DrivePlan) -> DriveOutcome {
    let Mode::Open(open) = &plan.mode else { panic!("an open loop") };
    let (opens, closes) = (plan.warmup, plan.warmup + plan.window);
    let offered = open.schedule.per_second(opens, closes);
    let mut ledger = Ledger { body_bytes: Some(0), ..Ledger::empty(plan.window) };
    let mut counts = OpenLedger::empty();
    let mut seconds: Vec<_> = offered.iter().map(|_| (0, histogram::empty())).collect();
    for at in open.schedule.instants().skip_while(|at| *at < opens).take_while(|at| *at < closes) {
        let us = 100 + (at.as_nanos() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 5000;
        counts.scheduled += 1;
        ledger.ok += 1;
        ledger.answered += 1;
        counts.response_time_us.record(us).unwrap();
        counts.lag_us.record(us / 50).unwrap();
        ledger.service_time_us.record(us).unwrap();
        let (answered, times) = &mut seconds[usize::try_from((at - opens).as_secs()).unwrap()];
        *answered += 1;
        times.record(us).unwrap();
    }
    let row = |(offered, (answered, times)): (&u64, &(u64, _))| {
        let times: &hdrhistogram::Histogram<u64> = times;
        let at = |quantile| times.value_at_quantile(quantile);
        let summary = SecondTimes { p50: at(0.5), p99: at(0.99), max: times.max() };
        SecondRow {
            offered: Some(*offered),
            answered: *answered,
            failed: 0,
            times_us: (*answered > 0).then_some(summary),
        }
    };
    ledger.seconds = offered.iter().zip(&seconds).map(row).collect();
    ledger.open = Some(counts);
    DriveOutcome {
        ledger,
        second_times_us: seconds.iter().map(|(_, times)| HistogramText::new(times).unwrap()).collect(),
        steps: Vec::new(),
        mean_pause: Duration::ZERO,
        connections_opened: Some(1),
        driver_cpu: CpuTime { user: plan.window / 10, system: Duration::ZERO },
        driver_threads: 1,
        unclassified: Vec::new(),
    }
}
