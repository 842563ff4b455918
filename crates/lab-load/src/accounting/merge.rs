//! Merges the outcomes of the drivers that shared a load.
//!
//! Pure, and exact: counts are added, and so are the counts of the histograms' buckets. A percentile of the result is that
//! of all requests, never one of percentiles. Outcomes are added one at a time, so that only one of them is decoded.

use std::num::NonZeroU32;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::outcome::MAX_DETAILS;
use super::seconds::summary;
use crate::wire::histogram::{self, HistogramError, HistogramText};
use crate::wire::{CpuTime, DriveOutcome, Ledger, OpenLedger, SecondRow, StepOutcome};

/// Why outcomes cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    #[error("{reported} of {drivers} drivers have reported an outcome")]
    Incomplete { reported: u32, drivers: NonZeroU32 },
    #[error("more than {drivers} drivers have reported an outcome")]
    TooMany { drivers: NonZeroU32 },
    /// They are no outcomes of one load.
    #[error("the drivers' {what} differ")]
    Different { what: &'static str },
    #[error("the times of a second")]
    Histogram(#[from] HistogramError),
}

/// The outcomes of a number of drivers, as far as they have been added.
#[derive(Debug)]
pub struct OutcomeMerge {
    drivers: NonZeroU32,
    reported: u32,
    merged: Option<Merged>,
}

#[derive(Debug)]
struct Merged {
    outcome: DriveOutcome,
    /// The times of each row of its seconds.
    second_times: Vec<Histogram<u64>>,
    /// Requests that ended within the window, times the mean pause after each.
    paused: Duration,
}

impl OutcomeMerge {
    #[must_use]
    pub fn new(drivers: NonZeroU32) -> OutcomeMerge {
        OutcomeMerge { drivers, reported: 0, merged: None }
    }

    /// Adds the outcome of one more driver.
    ///
    /// # Errors
    /// It is not of the same load, or there are enough already.
    pub fn add(&mut self, outcome: DriveOutcome) -> Result<(), MergeError> {
        if self.reported == self.drivers.get() {
            return Err(MergeError::TooMany { drivers: self.drivers });
        }
        match &mut self.merged {
            None => self.merged = Some(Merged::new(outcome)?),
            Some(merged) => merged.add(outcome)?,
        }
        self.reported += 1;
        Ok(())
    }

    /// The outcome that one driver of the whole load would have had.
    ///
    /// # Errors
    /// The outcome of a driver is missing.
    pub fn finish(self) -> Result<DriveOutcome, MergeError> {
        let OutcomeMerge { drivers, reported, merged } = self;
        match merged {
            Some(merged) if reported == drivers.get() => Ok(merged.finish()),
            _ => Err(MergeError::Incomplete { reported, drivers }),
        }
    }
}

impl Merged {
    fn new(mut outcome: DriveOutcome) -> Result<Merged, MergeError> {
        let second_times = std::mem::take(&mut outcome.second_times_us);
        let second_times = second_times.iter().map(HistogramText::decode).collect::<Result<_, _>>()?;
        Ok(Merged { paused: paused(&outcome), outcome, second_times })
    }

    fn add(&mut self, other: DriveOutcome) -> Result<(), MergeError> {
        let outcome = &mut self.outcome;
        if let Some(what) = difference(outcome, &other) {
            return Err(MergeError::Different { what });
        }
        if other.second_times_us.len() != self.second_times.len() {
            return Err(MergeError::Different { what: "seconds" });
        }
        for (times, text) in self.second_times.iter_mut().zip(&other.second_times_us) {
            histogram::add(times, &text.decode()?);
        }
        self.paused += paused(&other);
        outcome.ledger.add(&other.ledger);
        outcome.ledger.seconds.iter_mut().zip(&other.ledger.seconds).for_each(|(row, other)| add_row(row, other));
        outcome.steps.iter_mut().zip(&other.steps).for_each(|(step, other)| add_step(step, other));
        outcome.connections_opened =
            outcome.connections_opened.zip(other.connections_opened).map(|(one, other)| one + other);
        let CpuTime { user, system } = other.driver_cpu;
        outcome.driver_cpu =
            CpuTime { user: outcome.driver_cpu.user + user, system: outcome.driver_cpu.system + system };
        outcome.driver_threads += other.driver_threads;
        outcome.unclassified.extend(other.unclassified);
        outcome.unclassified.truncate(MAX_DETAILS);
        Ok(())
    }

    fn finish(self) -> DriveOutcome {
        let Merged { mut outcome, second_times, paused } = self;
        for (row, times) in outcome.ledger.seconds.iter_mut().zip(&second_times) {
            row.times_us = summary(times);
        }
        outcome.mean_pause = paused.checked_div(ended(&outcome.ledger)).unwrap_or(Duration::ZERO);
        outcome
    }
}

/// The part of two outcomes that shows that they are not of one load.
fn difference(one: &DriveOutcome, other: &DriveOutcome) -> Option<&'static str> {
    let rates = |open: &OpenLedger| open.rates.iter().map(|rate| (rate.rate_per_s, rate.lasts)).collect::<Vec<_>>();
    let open = |outcome: &DriveOutcome| outcome.ledger.open.as_ref().map(rates);
    let steps = |outcome: &DriveOutcome| outcome.steps.iter().map(|step| step.name.clone()).collect::<Vec<_>>();
    let differs = [
        ("windows", one.ledger.window != other.ledger.window),
        ("seconds", one.ledger.seconds.len() != other.ledger.seconds.len()),
        ("rates", open(one) != open(other)),
        ("steps", steps(one) != steps(other)),
    ];
    differs.iter().find(|(_, differs)| *differs).map(|(what, _)| *what)
}

/// The requests of a closed loop after which its users have paused.
fn ended(ledger: &Ledger) -> u32 {
    u32::try_from(ledger.ok + ledger.failures()).unwrap_or(u32::MAX)
}

fn paused(outcome: &DriveOutcome) -> Duration {
    outcome.mean_pause.saturating_mul(ended(&outcome.ledger))
}

fn add_row(row: &mut SecondRow, other: &SecondRow) {
    row.offered = row.offered.zip(other.offered).map(|(one, other)| one + other);
    row.answered += other.answered;
    row.failed += other.failed;
}

fn add_step(step: &mut StepOutcome, other: &StepOutcome) {
    step.ok += other.ok;
    step.failed += other.failed;
    histogram::add(&mut step.service_time_us, &other.service_time_us);
}

#[cfg(test)]
mod tests;
