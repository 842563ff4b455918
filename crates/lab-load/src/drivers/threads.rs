//! Runs lab's own loops: one thread for each core the process may use, each with its own runtime, connections and
//! counts.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Url;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::runtime::{Builder, LocalRuntime};

use super::barrier::Barrier;
use super::error::DriveError;
use super::events::{report, window_ends};
use super::{closed, cpu_usage, open};
use crate::accounting::{MAX_DETAILS, Recorder, SecondsTable, ThreadCounts, Window};
use crate::client::target::Target;
use crate::wire::{Arrival, DriveOutcome, DrivePlan, DriverEvent, Ledger, OpenPlan, Share};

/// Time from the readiness of the last thread to the first request.
const LEAD: Duration = Duration::from_millis(5);

/// The loop that the threads run.
#[derive(Debug, Clone, Copy)]
pub(super) enum LoopMode<'a> {
    /// A closed loop with this number of connections.
    Closed(NonZeroU32),
    Open(&'a OpenPlan),
}

/// Carries out a plan. The warm-up begins when `barrier` lets it, or else as soon as all threads are ready.
///
/// # Errors
/// The stack has no address, the system has no thread, runtime or timer left, the start is past, or lab has exited.
pub(super) fn drive(
    plan: &DrivePlan,
    url: &Url,
    work: LoopMode<'_>,
    barrier: Option<Barrier<'_>>,
    output: &mut impl Write,
) -> Result<DriveOutcome, DriveError> {
    let target = Arc::new(Target::new(plan, url)?);
    let cores = cores_allowed()?;
    let threads = cores.len().min(work.max_threads());
    // OK because there is a core and a connection
    let shares = Share::all(u32::try_from(threads).ok().and_then(NonZeroU32::new).expect("a thread"));
    let table = Arc::new(match barrier {
        None => SecondsTable::new(threads),
        Some(_) => SecondsTable::keeping_times(threads),
    });
    let (ready, readiness) = mpsc::channel();
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (share, core) in shares.zip(cores) {
            let (set_window, window) = mpsc::channel::<Window>();
            let (ready, target, table) = (ready.clone(), target.clone(), table.clone());
            let name = format!("load-{}", share.index());
            let handle = thread::Builder::new().name(name).spawn_scoped(scope, move || {
                let runtime = prepare(core);
                _ = ready.send(());
                let runtime = runtime?;
                match window.recv() {
                    Ok(window) => work.run(&runtime, target, share, window, table),
                    Err(_) => Err(io::Error::other("another thread of the driver could not start")),
                }
            })?;
            running.push((handle, set_window));
        }
        for _ in 0..threads {
            // OK because this thread holds a sender as well
            readiness.recv().expect("a sender");
        }
        let start = match barrier {
            None => Instant::now() + LEAD,
            Some(barrier) => {
                report(output, &DriverEvent::Prepared)?;
                barrier.await_start()?
            }
        };
        let opens = start + plan.warmup;
        let window = Window { opens, closes: opens + plan.window };
        for (_, set_window) in &running {
            // A thread that could not start no longer receives; joining it below returns its error.
            _ = set_window.send(window);
        }
        report(output, &DriverEvent::Ready { window: Some(window_ends(window)) })?;
        thread::sleep(window.opens.saturating_duration_since(Instant::now()));
        let cpu_before = cpu_usage::of_process()?;
        report(output, &DriverEvent::WindowOpened)?;
        thread::sleep(window.closes.saturating_duration_since(Instant::now()));
        let driver_cpu = cpu_usage::of_process()?.since(cpu_before);
        report(output, &DriverEvent::WindowClosed)?;

        let mut ledger = Ledger::empty(plan.window);
        let mut outcome = DriveOutcome {
            ledger: Ledger::empty(plan.window),
            second_times_us: Vec::new(),
            steps: Vec::new(),
            mean_pause: Duration::ZERO,
            connections_opened: None,
            driver_cpu,
            driver_threads: u32::try_from(threads).unwrap_or(u32::MAX),
            unclassified: Vec::new(),
        };
        for (handle, _) in running {
            let counts = handle.join().map_err(|_| io::Error::other("a thread of the driver panicked"))??;
            ledger.add(&counts.ledger);
            *outcome.connections_opened.get_or_insert(0) += counts.connections_opened;
            outcome.unclassified.extend(counts.details);
        }
        outcome.unclassified.truncate(MAX_DETAILS);
        let offered = match work {
            LoopMode::Open(open) => Some(open.schedule.per_second(plan.warmup, plan.warmup + plan.window)),
            LoopMode::Closed(_) => None,
        };
        ledger.seconds = table.rows(offered.as_deref());
        outcome.ledger = ledger;
        outcome.second_times_us = table.times().map_err(io::Error::other)?;
        Ok(outcome)
    })
}

impl LoopMode<'_> {
    /// A thread without a connection would be idle.
    fn max_threads(self) -> usize {
        let connections = match self {
            LoopMode::Closed(connections) => connections,
            LoopMode::Open(open) => match open.arrival {
                Arrival::Session { .. } => open.max_open,
                Arrival::Pooled { connections } => connections.min(open.max_open),
            },
        };
        connections.get() as usize
    }

    fn run(
        self,
        runtime: &LocalRuntime,
        target: Arc<Target>,
        share: Share,
        window: Window,
        table: Arc<SecondsTable>,
    ) -> io::Result<ThreadCounts> {
        match self {
            LoopMode::Closed(connections) => {
                let recorder = Rc::new(Recorder::new(table));
                let run = closed::run(target, share.part(connections.get()) as usize, window, recorder.clone());
                let connections_opened = runtime.block_on(run);
                // OK because the loop has set its window
                let (ledger, details) = recorder.ledger().expect("a window");
                Ok(ThreadCounts { ledger, connections_opened, details })
            }
            LoopMode::Open(plan) => runtime.block_on(open::run(plan, target, share, window, table)),
        }
    }
}

/// Binds the current thread to its core and creates its runtime.
fn prepare(core: usize) -> io::Result<LocalRuntime> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)?;
    Builder::new_current_thread().enable_all().build_local(Default::default())
}

/// The cores this process may use; lab has pinned it to some of them.
fn cores_allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}
