//! Scales from values to pixels.

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    from: [f64; 2],
    to: [f64; 2],
    is_log: bool,
    /// The values with a grid line and a label.
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    /// From 0 to `most`, with at most eight round ticks. `to` is the range in pixels.
    pub(super) fn linear(most: f64, to: [f64; 2]) -> Scale {
        let most = if most > 0.0 { most } else { 1.0 };
        let magnitude = 10f64.powf((most / 7.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
        let step = steps.into_iter().find(|step| most / step <= 7.0).unwrap_or(steps[3]);
        let ticks = (0..).map(|tick| f64::from(tick) * step).take_while(|tick| *tick <= most * 1.0001).collect();
        Scale { from: [0.0, most], to, is_log: false, ticks }
    }

    /// Logarithmic, with a tick at each power of ten. The ends are `least` and `most`, rounded outwards to 1, 2 or 5
    /// times a power of ten.
    pub(super) fn logarithmic(least: f64, most: f64, to: [f64; 2]) -> Scale {
        let rounds = |exponent: i32| [1.0, 2.0, 5.0].map(|digit: f64| digit * 10f64.powi(exponent));
        let all: Vec<f64> = (-3..10).flat_map(rounds).collect();
        let low = all.iter().copied().rfind(|round| *round <= least).unwrap_or(all[0]);
        let high = all.iter().copied().find(|round| *round >= most).unwrap_or(most);
        let ticks = (-3..10).map(|exponent| 10f64.powi(exponent)).filter(|tick| (low..=high).contains(tick)).collect();
        Scale { from: [low, high.max(low * 2.0)], to, is_log: true, ticks }
    }

    /// The position of a value, clamped to the scale.
    pub(super) fn at(&self, value: f64) -> f64 {
        let [low, high] = self.from;
        let share = match self.is_log {
            true => (value / low).ln() / (high / low).ln(),
            false => (value - low) / (high - low),
        };
        self.to[0] + share.clamp(0.0, 1.0) * (self.to[1] - self.to[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            Scale::linear(64_000.0, [0.0, 1.0]).ticks,
            [0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0, 50_000.0, 60_000.0]
        );
        assert_eq!(Scale::linear(9.0, [0.0, 1.0]).ticks, [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Scale::linear(0.0, [0.0, 1.0]).ticks.len(), 6);
        assert_eq!(Scale::logarithmic(8.0, 1_200.0, [0.0, 1.0]).ticks, [10.0, 100.0, 1_000.0]);
    }

    #[test]
    fn values_map_to_pixels() {
        let linear = Scale::linear(100.0, [10.0, 20.0]);
        assert_eq!([0.0, 50.0, 100.0, 200.0].map(|value| linear.at(value)), [10.0, 15.0, 20.0, 20.0]);
        let logarithmic = Scale::logarithmic(1.0, 100.0, [0.0, 2.0]);
        assert!((logarithmic.at(10.0) - 1.0).abs() < 1e-9);
    }
}
