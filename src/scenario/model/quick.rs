//! A scenario's short form.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Driver, External, Load, OpenLoop, Rate};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quick {
    pub blocks: NonZeroU32,
    pub warmup: Duration,
    /// The loads to run; `None` is all.
    pub loads: Option<Vec<String>>,
    /// The maximum number of rates of a ramp; 2 or more.
    pub rates: Option<usize>,
    /// How long each rate of a ramp lasts.
    pub hold: Option<Duration>,
    /// The window of loads without a ramp.
    pub duration: Option<Duration>,
}

impl Quick {
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
