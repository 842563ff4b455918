//! One of the drivers of a drive, as far as it has reported.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use lab_load::wire::{DriveOutcome, DrivePlan, DriverEvent, EventDecoder, ProtocolError};

use super::shared_drive::DriverRates;

/// A driver and its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DriverTask {
    /// The position of its agent.
    pub agent: usize,
    /// Its cores there; empty for all.
    pub cores: Vec<u16>,
    pub plan: DrivePlan,
}

/// A driver, as far as it has reported.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) task: DriverTask,
    decoder: EventDecoder,
    pub(super) is_prepared: bool,
    /// The ends of its window on its agent's clock, as far as they are known.
    pub(super) opens: Option<Duration>,
    pub(super) closes: Option<Duration>,
    /// Once it has reported its outcome.
    pub(super) rates: Option<DriverRates>,
}

impl Driver {
    pub(super) fn new(task: DriverTask) -> Driver {
        let decoder = EventDecoder::new(&task.plan);
        Driver { task, decoder, is_prepared: false, opens: None, closes: None, rates: None }
    }

    /// Takes its next event, which arrived when its agent's clock read `read`. Returns its outcome, if that is the event.
    pub(super) fn on_event(
        &mut self,
        read: Duration,
        event: DriverEvent,
    ) -> Result<Option<Box<DriveOutcome>>, ProtocolError> {
        self.decoder.check(&event)?;
        match event {
            DriverEvent::Prepared => self.is_prepared = true,
            DriverEvent::Ready { window } => {
                (self.opens, self.closes) = (window.map(|ends| ends.opens), window.map(|ends| ends.closes));
            }
            // An external program announces neither end of its window.
            DriverEvent::WindowOpened => _ = self.opens.get_or_insert(read),
            DriverEvent::WindowClosed => _ = self.closes.get_or_insert(read),
            DriverEvent::Outcome(outcome) => {
                self.rates = Some(DriverRates::new(self.task.agent, &outcome));
                return Ok(Some(outcome));
            }
        }
        Ok(None)
    }
}
