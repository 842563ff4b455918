//! lab's own drivers: one thread for each core the process may use, each with its own runtime, connections and counts.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Url;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::runtime::{Builder, LocalRuntime};

use crate::closed;
use crate::cpu_time::CpuTime;
use crate::driver::{DriveError, ends, report};
use crate::ledger::Ledger;
use crate::open::{self, Share};
use crate::protocol::{Arrival, DriveOutcome, DrivePlan, Event, OpenPlan};
use crate::recorder::{DETAILS_KEPT, Recorder, Window};
use crate::seconds::Board;
use crate::tally::Counted;
use crate::target::Target;

/// Time between the last thread's being ready and the first request.
const LEAD: Duration = Duration::from_millis(5);

/// What the threads do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Work<'a> {
    /// A closed loop of so many connections.
    Closed(NonZeroU32),
    /// An open loop.
    Open(&'a OpenPlan),
}

/// Carries out a plan.
///
/// # Errors
/// The stack's address is none, or the system has no thread, runtime or timer left; or lab has gone.
pub(super) fn drive(
    plan: &DrivePlan,
    url: &Url,
    work: Work<'_>,
    output: &mut impl Write,
) -> Result<DriveOutcome, DriveError> {
    let target = Arc::new(Target::of(plan, url)?);
    let cores = cores_allowed()?;
    let threads = cores.len().min(work.most_threads());
    let board = Arc::new(Board::new(threads));
    let (ready, readiness) = mpsc::channel();
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (number, core) in cores.into_iter().take(threads).enumerate() {
            let (set_window, window) = mpsc::channel::<Window>();
            let (ready, target, board) = (ready.clone(), target.clone(), board.clone());
            let share = Share { thread: number, threads };
            let handle = thread::Builder::new().name(format!("load-{number}")).spawn_scoped(scope, move || {
                let runtime = prepare(core);
                _ = ready.send(());
                let runtime = runtime?;
                match window.recv() {
                    Ok(window) => work.run(&runtime, target, share, window, board),
                    Err(_) => Err(io::Error::other("another thread of the driver could not start")),
                }
            })?;
            running.push((handle, set_window));
        }
        for _ in 0..threads {
            // OK because this thread holds a sender as well
            readiness.recv().expect("a sender");
        }
        let opens = Instant::now() + LEAD + plan.warmup;
        let window = Window { opens, closes: opens + plan.window };
        for (_, set_window) in &running {
            // A thread that could not start is no longer listening; it is asked why below.
            _ = set_window.send(window);
        }
        report(output, &Event::Ready { window: Some(ends(window)) })?;
        thread::sleep(window.opens.saturating_duration_since(Instant::now()));
        let cpu_before = CpuTime::of_process()?;
        report(output, &Event::WindowOpened)?;
        thread::sleep(window.closes.saturating_duration_since(Instant::now()));
        let driver_cpu = CpuTime::of_process()?.since(cpu_before);
        report(output, &Event::WindowClosed)?;

        let mut ledger = Ledger::empty(plan.window);
        let mut outcome = DriveOutcome {
            ledger: Ledger::empty(plan.window),
            steps: Vec::new(),
            mean_pause: Duration::ZERO,
            connections_opened: None,
            driver_cpu,
            driver_threads: u32::try_from(threads).unwrap_or(u32::MAX),
            unclassified: Vec::new(),
        };
        for (handle, _) in running {
            let counted = handle.join().map_err(|_| io::Error::other("a thread of the driver panicked"))??;
            ledger.add(&counted.ledger);
            *outcome.connections_opened.get_or_insert(0) += counted.connections_opened;
            outcome.unclassified.extend(counted.details);
        }
        outcome.unclassified.truncate(DETAILS_KEPT);
        let offered = match work {
            Work::Open(open) => Some(open.schedule.per_second(plan.warmup, plan.warmup + plan.window)),
            Work::Closed(_) => None,
        };
        ledger.seconds = board.rows(offered.as_deref());
        outcome.ledger = ledger;
        Ok(outcome)
    })
}

impl Work<'_> {
    /// No thread should be without a connection to use.
    fn most_threads(self) -> usize {
        let connections = match self {
            Work::Closed(connections) => connections,
            Work::Open(open) => match open.arrival {
                Arrival::Session { .. } => open.most_open,
                Arrival::Pooled { connections } => connections.min(open.most_open),
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
        board: Arc<Board>,
    ) -> io::Result<Counted> {
        match self {
            Work::Closed(connections) => {
                let recorder = Rc::new(Recorder::new(board));
                let run = closed::run(target, share.of(connections.get()), window, recorder.clone());
                let connections_opened = runtime.block_on(run);
                // OK because the loop has set its window
                let (ledger, details) = recorder.ledger().expect("a window");
                Ok(Counted { ledger, connections_opened, details })
            }
            Work::Open(plan) => runtime.block_on(open::run(plan, target, share, window, board)),
        }
    }
}

/// Binds the present thread to its core and gives it a runtime.
fn prepare(core: usize) -> io::Result<LocalRuntime> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)?;
    Builder::new_current_thread().enable_all().build_local(Default::default())
}

/// The cores this process may use, lab's placement included.
fn cores_allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}
