//! Leads the drivers of several agents through one drive.
//!
//! ```text
//! prepare ──▶ read clocks ──▶ start ──▶ run, reading clocks ──▶ read clocks ──▶ merge
//! ```
//!
//! Pure: it reads no clock and knows no connection. Reports and instants are passed in, requests are taken out, and its
//! owner calls [`Coordination::on_time`] at the instant that [`Coordination::next_due`] names. A driver that fails, is late
//! or is lost ends the drive without an outcome: a part of a load is another load.

mod agent_clock;
mod conclusion;
mod driver;
mod error;
mod shared_drive;
mod watch;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use lab_load::accounting::OutcomeMerge;
use lab_load::wire::{DriverEvent, Start, WindowEnds};

use super::protocol::{AgentReport, AgentRequest};
use agent_clock::AgentClock;
use driver::Driver;
use watch::Watch;

pub use driver::DriverTask;
pub use error::CoordinationError;
pub use shared_drive::{AgentClockReport, DriverRates, SharedDrive};
pub use watch::WatchTask;

/// The least time between the start's announcement and the start.
const LEAST_LEAD: Duration = Duration::from_millis(250);
/// The same in round trips of the slowest agent.
const LEAD_TRIPS: u32 = 4;
/// How long drivers may take until they are prepared.
const PREPARATION_DEADLINE: Duration = Duration::from_secs(30);
/// How long a reading of a clock may take.
const READING_DEADLINE: Duration = Duration::from_secs(5);
/// How long drivers may take after their last request to report an outcome.
const OUTCOME_DEADLINE: Duration = Duration::from_secs(40);
/// The longest time between two batches of readings while drivers run. They also show that every agent is still there.
const READING_INTERVAL: Duration = Duration::from_secs(1);

/// A drive by several drivers.
#[derive(Debug)]
pub struct Coordination {
    /// The agents' names and clocks.
    agents: Vec<(String, AgentClock)>,
    drivers: Vec<Driver>,
    watches: Vec<Watch>,
    phase: Phase,
    /// When the phase must have ended.
    deadline: Duration,
    /// The common window on the coordinator's clock, once it is known.
    window: Option<WindowEnds>,
    /// When the next batch of readings begins while drivers run.
    next_batch: Option<Duration>,
    merge: OutcomeMerge,
    requests: VecDeque<(usize, AgentRequest)>,
    result: Option<Result<SharedDrive, CoordinationError>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Drivers that await a start get ready for it.
    Preparing,
    /// The clocks are read before the start.
    Reading,
    /// The drivers warm up, measure and report.
    Running,
    /// The clocks are read once more.
    Closing,
    Ended,
}

impl Coordination {
    /// Begins a drive by `tasks` at `now`. `agents` are the names of all agents, with which the tasks' positions agree. Watched
    /// containers need drivers that await a start: only then is the window known before it opens.
    ///
    /// # Errors
    /// There is no driver, or the window is not known in time.
    pub fn new(
        agents: Vec<String>,
        tasks: Vec<DriverTask>,
        watched: Vec<WatchTask>,
        now: Duration,
    ) -> Result<Coordination, CoordinationError> {
        let number = u32::try_from(tasks.len()).ok().and_then(NonZeroU32::new).ok_or(CoordinationError::NoDriver)?;
        let mut coordination = Coordination {
            agents: agents.into_iter().map(|name| (name, AgentClock::default())).collect(),
            drivers: tasks.into_iter().map(Driver::new).collect(),
            watches: watched.into_iter().map(Watch::new).collect(),
            phase: Phase::Preparing,
            deadline: now + PREPARATION_DEADLINE,
            window: None,
            next_batch: None,
            merge: OutcomeMerge::new(number),
            requests: VecDeque::new(),
            result: None,
        };
        match coordination.awaits_start() {
            true => coordination.prepare(),
            false if !coordination.watches.is_empty() => return Err(CoordinationError::UnknownWindow),
            false => coordination.read_clocks(now, Phase::Reading),
        }
        Ok(coordination)
    }

    /// The next message to send, and the position of its agent.
    pub fn next_request(&mut self) -> Option<(usize, AgentRequest)> {
        self.requests.pop_front()
    }

    /// When [`on_time`](Self::on_time) is to be called.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        if self.phase == Phase::Ended {
            return None;
        }
        let awaited = self.agents.iter().filter_map(|(_, clock)| clock.pending_since());
        let silent = awaited.min().map(|since| since + READING_DEADLINE);
        [Some(self.deadline), self.next_batch, silent].into_iter().flatten().min()
    }

    /// The result, once there is one.
    pub fn take_result(&mut self) -> Option<Result<SharedDrive, CoordinationError>> {
        self.result.take()
    }

    /// Acts on a message of an agent, received at `now`.
    pub fn on_report(&mut self, now: Duration, agent: usize, report: AgentReport) {
        if self.phase == Phase::Ended {
            return;
        }
        let outcome = match report {
            AgentReport::Clock { number, read_ns } => self.on_reading(now, agent, number, read_ns),
            AgentReport::Driver { driver, read_ns, event } => {
                self.on_event(agent, driver, Duration::from_nanos(read_ns), event)
            }
            AgentReport::DriverFailed { driver, message } => {
                Err(CoordinationError::DriverFailed { driver, node: self.name(agent), message })
            }
            AgentReport::Watched(used) => {
                let unexpected = self.unexpected(agent, "a use");
                let mut watches = self.watches.iter_mut().filter(|watch| watch.task.agent == agent);
                watches.find_map(|watch| watch.take(&used)).ok_or(unexpected)
            }
            AgentReport::WatchFailed { message } => {
                Err(CoordinationError::WatchFailed { node: self.name(agent), message })
            }
            AgentReport::Hello { .. } => Err(self.unexpected(agent, "hello")),
            AgentReport::Responding { .. } | AgentReport::PathMeasured { .. } | AgentReport::PathFailed { .. } => {
                Err(self.unexpected(agent, "a path"))
            }
        };
        match outcome.and_then(|()| self.advance(now)) {
            Ok(()) => {}
            Err(error) => self.fail(error),
        }
    }

    /// Acts on the loss of an agent's connection.
    pub fn on_lost(&mut self, agent: usize, reason: String) {
        if self.phase != Phase::Ended {
            self.fail(CoordinationError::Lost { node: self.name(agent), reason });
        }
    }

    /// Acts on the passing of time.
    pub fn on_time(&mut self, now: Duration) {
        let is_silent = |clock: &AgentClock| clock.pending_since().is_some_and(|since| now >= since + READING_DEADLINE);
        if self.phase == Phase::Ended {
            return;
        }
        if let Some((name, _)) = self.agents.iter().find(|(_, clock)| is_silent(clock)) {
            let error = CoordinationError::Silent { node: name.clone(), waited: READING_DEADLINE };
            return self.fail(error);
        }
        if now >= self.deadline {
            let error = self.overdue();
            return self.fail(error);
        }
        if self.next_batch.is_some_and(|due| now >= due) {
            self.begin_batches(now);
            self.next_batch = Some(now + self.interval());
        }
    }

    /// The time between two batches of readings, of which at least one begins within the window.
    fn interval(&self) -> Duration {
        READING_INTERVAL.min(self.drivers[0].task.plan.window / 2)
    }

    fn name(&self, agent: usize) -> String {
        self.agents.get(agent).map_or_else(String::new, |(name, _)| name.clone())
    }

    fn awaits_start(&self) -> bool {
        self.drivers.iter().any(|driver| driver.task.plan.awaits_start)
    }

    fn prepare(&mut self) {
        for (number, driver) in (0..).zip(&self.drivers) {
            let DriverTask { agent, cores, plan } = driver.task.clone();
            self.requests.push_back((agent, AgentRequest::Prepare { driver: number, cores, plan: Box::new(plan) }));
        }
    }

    fn read_clocks(&mut self, now: Duration, phase: Phase) {
        self.phase = phase;
        self.deadline = now + PREPARATION_DEADLINE;
        self.begin_batches(now);
    }

    fn begin_batches(&mut self, now: Duration) {
        for (agent, (_, clock)) in self.agents.iter_mut().enumerate() {
            let question = clock.begin(now);
            self.requests.extend(question.map(|number| (agent, AgentRequest::ReadClock { number })));
        }
    }

    fn on_reading(&mut self, now: Duration, agent: usize, number: u64, read_ns: u64) -> Result<(), CoordinationError> {
        let unexpected = CoordinationError::Unexpected { node: self.name(agent), what: "a clock" };
        let Some((_, clock)) = self.agents.get_mut(agent) else { return Err(unexpected) };
        let question = clock.on_reading(now, number, read_ns).map_err(|_| unexpected)?;
        self.requests.extend(question.map(|number| (agent, AgentRequest::ReadClock { number })));
        Ok(())
    }

    fn on_event(
        &mut self,
        agent: usize,
        number: u32,
        read: Duration,
        event: DriverEvent,
    ) -> Result<(), CoordinationError> {
        let node = self.name(agent);
        let driver = self.drivers.get_mut(number as usize).filter(|driver| driver.task.agent == agent);
        let Some(driver) = driver else { return Err(CoordinationError::Unexpected { node, what: "another driver" }) };
        let wrong = |source| CoordinationError::Protocol { driver: number, node, source };
        if let Some(outcome) = driver.on_event(read, event).map_err(wrong)? {
            self.merge.add(*outcome)?;
        }
        Ok(())
    }

    /// Begins the next phase if everything that it needs has been reported.
    fn advance(&mut self, now: Duration) -> Result<(), CoordinationError> {
        match self.phase {
            Phase::Preparing if self.drivers.iter().all(|driver| driver.is_prepared) => {
                self.read_clocks(now, Phase::Reading);
            }
            Phase::Reading if self.agents.iter().all(|(_, clock)| clock.is_idle() && clock.batches() > 0) => {
                self.run(now);
            }
            Phase::Running => {
                self.find_window();
                let is_watched = self.watches.iter().all(|watch| watch.used.is_some());
                if self.drivers.iter().all(|driver| driver.rates.is_some()) && is_watched {
                    self.next_batch = None;
                    self.read_clocks(now, Phase::Closing);
                }
            }
            Phase::Closing => {
                // A batch that was under way when the last driver reported may end before that driver's window.
                self.agents_to_read().into_iter().for_each(|agent| {
                    let question = self.agents[agent].1.begin(now);
                    self.requests.extend(question.map(|number| (agent, AgentRequest::ReadClock { number })));
                });
                if self.agents.iter().all(|(_, clock)| clock.is_idle()) {
                    self.phase = Phase::Ended;
                    self.result = Some(Ok(self.finish()?));
                }
            }
            Phase::Preparing | Phase::Reading | Phase::Ended => {}
        }
        Ok(())
    }

    /// Starts the drivers: all at one instant, or a single one at once.
    fn run(&mut self, now: Duration) {
        self.phase = Phase::Running;
        let plan = &self.drivers[0].task.plan;
        let drain = plan.timeout.saturating_mul(2) + OUTCOME_DEADLINE;
        let lasts = plan.warmup + plan.window;
        self.next_batch = Some(now + self.interval());
        if !self.awaits_start() {
            self.deadline = (now + PREPARATION_DEADLINE + lasts).saturating_add(drain);
            return self.prepare();
        }
        let slowest = self.agents.iter().map(|(_, clock)| clock.longest_trip()).max().unwrap_or_default();
        let start = now + LEAST_LEAD.max(slowest * LEAD_TRIPS);
        let opens = start + plan.warmup;
        let window = WindowEnds { opens, closes: opens + plan.window };
        self.deadline = (start + lasts).saturating_add(drain);
        self.window = Some(window);
        for (number, driver) in (0..).zip(&self.drivers) {
            let clock = self.agents[driver.task.agent].1.latest();
            // OK because every clock has been read
            let at = clock.expect("a reading").predict(start);
            self.requests.push_back((driver.task.agent, AgentRequest::Start { driver: number, start: Start { at } }));
        }
        for WatchTask { agent, containers } in self.watches.iter().map(|watch| &watch.task) {
            let clock = self.agents[*agent].1.latest();
            // OK because every clock has been read
            let clock = clock.expect("a reading");
            let window = WindowEnds { opens: clock.predict(window.opens), closes: clock.predict(window.closes) };
            self.requests.push_back((*agent, AgentRequest::Watch { containers: containers.clone(), window }));
        }
    }

    /// The window of a single driver that has begun by itself, as soon as its ends are known.
    fn find_window(&mut self) {
        let [driver] = self.drivers.as_slice() else { return };
        let clock = self.agents[driver.task.agent].1.latest();
        if let (None, Some(opens), Some(clock)) = (self.window, driver.opens, clock) {
            let opens = clock.estimate(opens);
            self.window = Some(WindowEnds { opens, closes: opens + driver.task.plan.window });
        }
    }

    /// The agents whose clocks have no reading yet after the windows of their drivers.
    fn agents_to_read(&self) -> Vec<usize> {
        let is_covered = |driver: &Driver| {
            let clock = self.agents[driver.task.agent].1.latest();
            driver.closes.zip(clock).is_some_and(|(closes, clock)| clock.is_after(closes))
        };
        let mut agents: Vec<usize> =
            self.drivers.iter().filter(|driver| !is_covered(driver)).map(|driver| driver.task.agent).collect();
        agents.dedup();
        agents.retain(|agent| self.agents[*agent].1.is_idle());
        agents
    }

    fn unexpected(&self, agent: usize, what: &'static str) -> CoordinationError {
        CoordinationError::Unexpected { node: self.name(agent), what }
    }

    /// Ends the drive without an outcome.
    fn fail(&mut self, error: CoordinationError) {
        self.phase = Phase::Ended;
        self.requests.clear();
        self.requests.extend((0..self.agents.len()).map(|agent| (agent, AgentRequest::Abort)));
        self.result = Some(Err(error));
    }
}
