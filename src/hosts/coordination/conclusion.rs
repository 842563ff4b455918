//! How a drive ends: with the outcome of all drivers and what their clocks tell, or with the cause of its failure.

use std::num::NonZeroU32;
use std::time::Duration;

use super::agent_clock::AgentClock;
use super::driver::Driver;
use super::error::CoordinationError;
use super::shared_drive::{AgentClockReport, SharedDrive};
use super::{Coordination, Phase};
use lab_load::accounting::OutcomeMerge;
use lab_load::wire::{Mode, WindowEnds};
use lab_stats::clock::{ClockModel, check_window};

/// The protocols' documents carry whole microseconds.
const ROUNDING: Duration = Duration::from_micros(1);

impl Coordination {
    pub(super) fn finish(&mut self) -> Result<SharedDrive, CoordinationError> {
        let model = |(name, clock): &(String, AgentClock)| {
            clock.model().map_err(|source| CoordinationError::Clock { node: name.clone(), source })
        };
        let models = self.agents.iter().map(model).collect::<Result<Vec<_>, _>>()?;
        let uncertainty = self.uncertainty(&models)?;
        // In a closed loop, each driver counts from its own sends.
        let is_open = |driver: &Driver| matches!(driver.task.plan.mode, Mode::Open(_));
        let shares_schedule = self.drivers.len() > 1 && self.drivers.iter().all(is_open);
        let outcome = std::mem::replace(&mut self.merge, OutcomeMerge::new(NonZeroU32::MIN)).finish()?;
        let issue = check_window(outcome.ledger.window, uncertainty, shares_schedule).err();
        let clocks = models.iter().map(|model| AgentClockReport {
            drift: model.drift(),
            bound: model.bound(),
            unsteadiness: model.unsteadiness(),
        });
        Ok(SharedDrive {
            outcome,
            drivers: self.drivers.iter().filter_map(|driver| driver.rates).collect(),
            watched: self.watches.drain(..).filter_map(|watch| watch.used).collect(),
            clocks: clocks.collect(),
            uncertainty,
            issue,
        })
    }

    /// How far an end of a driver's window may be from the common one. That of a single driver is the common one.
    fn uncertainty(&self, models: &[ClockModel]) -> Result<Duration, CoordinationError> {
        let is_single = self.drivers.len() == 1;
        let mut largest = Duration::ZERO;
        for driver in &self.drivers {
            let agent = driver.task.agent;
            let not_covered = || CoordinationError::NotCovered { node: self.name(agent) };
            let WindowEnds { opens, closes } = self.window.ok_or_else(not_covered)?;
            for (read, common) in [(driver.opens, opens), (driver.closes, closes)] {
                let found = read.and_then(|read| models[agent].reference_instant(read)).ok_or_else(not_covered)?;
                let apart = if is_single { Duration::ZERO } else { found.at.abs_diff(common) };
                largest = largest.max(apart + found.bound + ROUNDING);
            }
        }
        Ok(largest)
    }

    /// What has held up the present phase.
    pub(super) fn overdue(&self) -> CoordinationError {
        let mut unread = self.agents.iter().filter(|(_, clock)| !clock.is_idle());
        if let (Phase::Reading | Phase::Closing, Some((name, _))) = (self.phase, unread.next()) {
            return CoordinationError::SlowReadings { node: name.clone() };
        }
        let has_reported = self.drivers.iter().all(|driver| driver.rates.is_some());
        let unwatched = self.watches.iter().find(|watch| watch.used.is_none());
        if let (Phase::Running, true, Some(watch)) = (self.phase, has_reported, unwatched) {
            return CoordinationError::NoUse { node: self.name(watch.task.agent) };
        }
        let is_late = |driver: &Driver| match self.phase {
            Phase::Preparing => !driver.is_prepared,
            _ => driver.rates.is_none(),
        };
        let late = (0..).zip(&self.drivers).filter(|(_, driver)| is_late(driver));
        let drivers = late.map(|(number, driver)| (number, self.name(driver.task.agent))).collect();
        CoordinationError::Stragglers { drivers, is_prepared: self.phase != Phase::Preparing }
    }
}
