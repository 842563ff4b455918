//! Follows a load driver from its first event to its outcome, and samples the stack within its measured window.

use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::MissedTickBehavior;

use super::backend::{DriveResult, Interference};
use super::error::DriverError;
use super::sampler::{self, ConnectionCounter, ResourceSampler, WindowSample};
use crate::measure::other_runs;
use crate::stack::guarded::Guarded;
use crate::stack::running::{RunningComponent, RunningStack};
use lab_load::monotonic;
use lab_load::wire::{DriverEvent, EventDecoder};

/// Follows a driver's events to its outcome, and samples the components at both ends of the window: at the instants that
/// the driver announces, or when it reports them.
///
/// A component that has ended by the window's end is an error of the round: without its use there is no measurement.
pub(super) async fn follow(
    driver: &mut Guarded,
    running: &mut RunningStack,
    mut counter: ConnectionCounter,
) -> Result<DriveResult, DriverError> {
    let stdout = driver.take_stdout().ok_or(DriverError::NoOutput)?;
    let mut lines = BufReader::new(stdout).lines();
    let mut decoder = EventDecoder::default();
    let mut window = Window::Ahead { opens: None, closes: None };
    let mut ticks = tokio::time::interval(sampler::INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let line = tokio::select! {
            // The announced end comes first: sampling must not wait for a driver's report in a full pipe.
            biased;
            () = window.end() => {
                window = window.advance(all_running(running)?, &mut counter)?;
                continue;
            }
            line = lines.next_line() => line.map_err(DriverError::Read)?,
            _ = ticks.tick() => {
                let components = all_running(running)?;
                counter.poll();
                window.sample(components);
                continue;
            }
        };
        let Some(line) = line else {
            decoder.finish()?;
            return Err(DriverError::NoOutcome);
        };
        window = match decoder.line(&line)? {
            DriverEvent::Ready { window: Some(ends) } => Window::Ahead {
                opens: Some(monotonic::instant_of(ends.opens)),
                closes: Some(monotonic::instant_of(ends.closes)),
            },
            DriverEvent::WindowOpened if window.is_ahead() => window.advance(all_running(running)?, &mut counter)?,
            DriverEvent::WindowClosed if window.is_open() => window.advance(all_running(running)?, &mut counter)?,
            DriverEvent::Prepared
            | DriverEvent::Ready { window: None }
            | DriverEvent::WindowOpened
            | DriverEvent::WindowClosed => window,
            DriverEvent::Outcome(outcome) => {
                let Window::Closed(WindowSample { components, machine, longest_gap }) = window else {
                    return Err(DriverError::WindowNotClosed);
                };
                let interference = Interference { longest_gap, other_runs: other_runs::others() };
                return Ok(DriveResult { outcome: *outcome, components, machine, interference, shared: None });
            }
        };
    }
}

/// The measured window, with the announced instants of its ends.
enum Window {
    Ahead { opens: Option<Instant>, closes: Option<Instant> },
    Open { sampler: ResourceSampler, closes: Option<Instant> },
    Closed(WindowSample),
}

impl Window {
    /// Waits for the next announced end, or forever if there is none.
    async fn end(&self) {
        match self {
            Window::Ahead { opens: Some(at), .. } | Window::Open { closes: Some(at), .. } => {
                tokio::time::sleep_until((*at).into()).await;
            }
            Window::Ahead { opens: None, .. } | Window::Open { closes: None, .. } | Window::Closed(_) => {
                std::future::pending::<()>().await;
            }
        }
    }

    fn is_ahead(&self) -> bool {
        matches!(self, Window::Ahead { .. })
    }

    fn is_open(&self) -> bool {
        matches!(self, Window::Open { .. })
    }

    fn sample(&mut self, components: &[RunningComponent]) {
        if let Window::Open { sampler, .. } = self {
            sampler.sample(components);
        }
    }

    /// Opens or closes the window.
    fn advance(self, components: &[RunningComponent], counter: &mut ConnectionCounter) -> Result<Window, DriverError> {
        Ok(match self {
            Window::Ahead { closes, .. } => Window::Open { sampler: ResourceSampler::open(components)?, closes },
            Window::Open { sampler, .. } => Window::Closed(sampler.close(components, counter)?),
            closed @ Window::Closed(_) => closed,
        })
    }
}

/// The components, if none has ended.
fn all_running(running: &mut RunningStack) -> Result<&[RunningComponent], DriverError> {
    match running.failure() {
        Some(failure) => Err(failure.into()),
        None => Ok(&running.components),
    }
}
