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

/// The short form of a scenario that defines none.
impl Default for Quick {
    fn default() -> Quick {
        let second = Duration::from_secs(1);
        Quick {
            blocks: NonZeroU32::MIN,
            warmup: second,
            loads: None,
            rates: Some(3),
            hold: Some(second),
            duration: Some(2 * second),
        }
    }
}

impl Quick {
    /// Shortens a load; one that is shorter already stays.
    pub(super) fn shorten(&self, load: &mut Load) {
        let rate = match &mut load.driver {
            Driver::Open(OpenLoop { rate, .. }) | Driver::External(External::Httperf { rate, .. }) => Some(rate),
            Driver::Goose { .. } | Driver::Closed { .. } | Driver::External(_) => None,
        };
        if let Some(Rate::Ramp { rates, hold }) = rate {
            if let Some(most) = self.rates.filter(|most| *most < rates.len()) {
                *rates = (0..most).map(|index| rates[index * (rates.len() - 1) / (most - 1)]).collect();
            }
            *hold = self.hold.map_or(*hold, |most| most.min(*hold));
            load.duration = *hold * u32::try_from(rates.len()).unwrap_or(u32::MAX);
        } else {
            load.duration = self.duration.map_or(load.duration, |most| most.min(load.duration));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Http, OnErrors};
    use super::*;

    fn load(driver: Driver, duration: Duration) -> Load {
        Load {
            name: "load".to_owned(),
            driver,
            path: "/".to_owned(),
            tls: None,
            http: Http::OneOne,
            duration,
            timeout: Duration::from_secs(1),
            errors: OnErrors::Fail,
            validates: None,
            stacks: None,
            blocks: None,
        }
    }

    #[test]
    fn long_windows_get_shorter_and_short_ones_stay() {
        for (before, after) in [(10_000, 2000), (500, 500)] {
            let driver = Driver::Closed { connections: NonZeroU32::MIN };
            let mut load = load(driver, Duration::from_millis(before));
            Quick::default().shorten(&mut load);
            assert_eq!(load.duration, Duration::from_millis(after));
        }
    }
}
