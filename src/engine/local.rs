//! The backend that is real: stacks as subprocesses of lab, requests over loopback sockets, a load driver in a process
//! of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::MissedTickBehavior;

use super::backend::{Asked, Backend, Description, Driven};
use super::plan::{drive_plan, program};
use crate::check::probe;
use crate::check::redact::Redaction;
use crate::load::protocol::{Decoder, DrivePlan, Event};
use crate::measure::procfs;
use crate::measure::resources::{PeakRss, Sample};
use crate::record::{ComponentRecord, ComponentUse};
use crate::scenario::model::{CheckRequest, Driver, Load, Stack};
use crate::stack::guarded::{Guarded, Output, Program};
use crate::stack::process::{Component, Launcher, Running};
use crate::stack::ready::last_lines;

/// Time between two looks at the components: are they alive, and how much memory do they hold?
const WATCH_INTERVAL: Duration = Duration::from_millis(100);

/// How long a driver may take beyond its warm-up and window: starting its users, and writing its outcome.
const DRIVER_EXTRA: Duration = Duration::from_secs(40);

/// Stacks as subprocesses.
#[derive(Debug)]
pub struct Local {
    /// Starts the stacks.
    pub launcher: Launcher,
    /// Cores of the load driver; empty leaves it unpinned.
    pub load_cores: Vec<u16>,
}

impl Backend for Local {
    type Running = Running;

    async fn start(&mut self, stack: &Stack, visit: &str) -> Result<Running, String> {
        self.launcher.start(stack, visit).await.map_err(in_full)
    }

    fn describe(&self, running: &Running) -> Description {
        let components = running.components.iter();
        let names = std::iter::once("{host}:{port}".to_owned())
            .chain(running.components.iter().skip(1).map(|inner| format!("{{{}}}", inner.role)));
        Description {
            components: components
                .clone()
                .map(|part| ComponentRecord { role: part.role, version: part.version.clone() })
                .collect(),
            redaction: Redaction {
                addresses: components.map(|part| part.address).zip(names).collect(),
                versions: vec![(format!("lab/{}", env!("CARGO_PKG_VERSION")), "lab/{version}".to_owned())],
            },
        }
    }

    async fn ask(&mut self, running: &Running, request: &CheckRequest) -> Result<Asked, String> {
        let (observed, values) = probe::ask(running.entry(), request).await.map_err(in_full)?;
        Ok(Asked { observed, values })
    }

    fn unavailable(&self, load: &Load) -> Option<String> {
        match load.driver {
            Driver::External(external) => program(external).find().err(),
            Driver::Goose { .. } | Driver::Closed { .. } | Driver::Open(_) => None,
        }
    }

    async fn drive(
        &mut self,
        running: &mut Running,
        load: &Load,
        warmup: Duration,
        visit: &str,
    ) -> Result<Driven, String> {
        let plan = drive_plan(load, warmup, running.entry());
        let folder = self.launcher.folder.join(visit);
        let mut driver = self.start_driver(&plan, &folder).map_err(|error| format!("start the driver: {error}"))?;
        // An open loop waits for the last of what was scheduled: to begin, and to be answered.
        let deadline = warmup + load.duration + 2 * load.timeout + DRIVER_EXTRA;
        let window = match tokio::time::timeout(deadline, follow(&mut driver, running)).await {
            Ok(window) => window,
            Err(_) => Err(format!("the driver was not done within {} s", deadline.as_secs())),
        };
        let log = driver.log().to_owned();
        let stopped = driver.stop().await;
        let window = window.map_err(|error| match running.ended() {
            Some(how) => how,
            None => format!("{error}{}", said(&log)),
        })?;
        stopped.map_err(|error| format!("stop the driver: {error}"))?;
        Ok(window)
    }

    async fn stop(&mut self, running: Running) -> Result<(), String> {
        running.stop().await.map_err(|error| format!("stop the stack: {error}"))
    }
}

impl Local {
    fn start_driver(&self, plan: &DrivePlan, folder: &Path) -> std::io::Result<Guarded> {
        let input: PathBuf = folder.join("driver.plan.json");
        std::fs::write(&input, plan.to_json().map_err(std::io::Error::other)?)?;
        let program = Program {
            command: vec![self.launcher.lab.display().to_string(), "drive".to_owned()],
            environment: Vec::new(),
            cores: self.load_cores.clone(),
            // A driver has nothing to put in order.
            grace: Duration::from_millis(200),
            sockets: Vec::new(),
            input: Some(input),
            output: Output::Piped(folder.join("driver.log")),
        };
        Guarded::start(&self.launcher.lab, program)
    }
}

/// Follows a driver's events to its outcome, and reads what the components use between the window's two ends.
///
/// A component that has ended by the window's end is an error of the round: what it did not use is no measurement.
async fn follow(driver: &mut Guarded, running: &mut Running) -> Result<Driven, String> {
    let stdout = driver.take_stdout().ok_or("the driver's output was taken before")?;
    let mut lines = BufReader::new(stdout).lines();
    let mut decoder = Decoder::default();
    let mut at_opening: Option<Vec<Sample>> = None;
    let mut used: Option<Vec<ComponentUse>> = None;
    let mut peaks: Vec<PeakRss> = vec![PeakRss::default(); running.components.len()];
    let mut ticks = tokio::time::interval(WATCH_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line.map_err(|error| format!("read the driver's events: {error}"))?,
            _ = ticks.tick() => {
                if let Some(how) = running.ended() {
                    return Err(how);
                }
                if at_opening.is_some() && used.is_none() {
                    observe_memory(&running.components, &mut peaks);
                }
                continue;
            }
        };
        let Some(line) = line else {
            decoder.finish().map_err(in_full)?;
            return Err("the driver ended without an outcome".to_owned());
        };
        match decoder.line(&line).map_err(in_full)? {
            Event::Ready => {}
            Event::WindowOpened => at_opening = Some(samples(running)?),
            Event::WindowClosed => {
                let opened = at_opening.as_deref().unwrap_or_default();
                used = Some(uses(running, opened, &peaks)?);
            }
            Event::Outcome(outcome) => {
                let components = used.unwrap_or_default();
                return Ok(Driven { outcome: *outcome, components });
            }
        }
    }
}

fn samples(running: &mut Running) -> Result<Vec<Sample>, String> {
    match running.ended() {
        Some(how) => Err(how),
        None => running.components.iter().map(sample).collect(),
    }
}

fn sample(component: &Component) -> Result<Sample, String> {
    let guard = component.process.pid().ok_or_else(|| format!("the {} has ended", component.role))?;
    procfs::read_descendants(guard).map_err(|error| format!("the {}: {error}", component.role))
}

fn observe_memory(components: &[Component], peaks: &mut [PeakRss]) {
    for (component, peak) in components.iter().zip(peaks) {
        // A reading that fails is one of many; the window's ends are where a failure counts.
        if let Some(Ok(rss_bytes)) = component.process.pid().map(procfs::rss_of_descendants) {
            peak.observe(rss_bytes);
        }
    }
}

fn uses(running: &mut Running, opened: &[Sample], peaks: &[PeakRss]) -> Result<Vec<ComponentUse>, String> {
    let closed = samples(running)?;
    let parts = running.components.iter().zip(opened.iter().zip(&closed)).zip(peaks);
    Ok(parts
        .map(|((component, (opened, closed)), peak)| {
            let mut used = closed.since(opened);
            used.peak_rss_bytes = used.peak_rss_bytes.max(peak.bytes());
            ComponentUse { role: component.role, used }
        })
        .collect())
}

/// An error with its sources.
fn in_full(error: impl std::error::Error + Send + Sync + 'static) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

/// The end of a driver's log, as it stands under an error.
fn said(log: &Path) -> String {
    let lines = last_lines(log, 5);
    if lines.is_empty() { String::new() } else { format!("\n  | {}", lines.replace('\n', "\n  | ")) }
}
