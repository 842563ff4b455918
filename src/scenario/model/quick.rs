//! A scenario's short form.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Driver, External, Load, OpenLoop, Rate};

/// The short form of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quick {
    /// Blocks.
    pub blocks: NonZeroU32,
    /// The warm-up before each window.
    pub warmup: Duration,
    /// The loads that are driven; `None` is all.
    pub loads: Option<Vec<String>>,
    /// The most rates that are left of a ramp; 2 or more.
    pub rates: Option<usize>,
    /// How long each rate of a ramp lasts.
    pub hold: Option<Duration>,
    /// The window of loads that are no ramps.
    pub duration: Option<Duration>,
}

impl Quick {
    /// A load as it is left.
    pub(super) fn shorten(&self, load: &mut Load) {
        let rate = match &mut load.driver {
            Driver::Open(OpenLoop { rate, .. }) | Driver::External(External::Httperf { rate, .. }) => Some(rate),
            Driver::Goose { .. } | Driver::Closed { .. } | Driver::External(_) => None,
        };
        if let Some(Rate::Ramp { rates, hold }) = rate {
            if let Some(most) = self.rates.filter(|most| *most < rates.len()) {
                *rates = (0..most).map(|index| rates[index * (rates.len() - 1) / (most - 1)]).collect();
            }
            *hold = self.hold.unwrap_or(*hold);
            load.duration = *hold * u32::try_from(rates.len()).unwrap_or(u32::MAX);
        } else {
            load.duration = self.duration.unwrap_or(load.duration);
        }
    }
}
