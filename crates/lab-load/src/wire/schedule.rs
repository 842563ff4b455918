//! The schedule of an open loop: the instant of every arrival, in closed form from one start.
//!
//! Pure. With Λ(t) for the number of arrivals due up to t (a broken line: the rate is constant in each stage), the
//! i-th uniform arrival is at Λ⁻¹(i), and the i-th Poisson arrival at Λ⁻¹(Sᵢ), where S is a Poisson process of rate one
//! (the time change of Çınlar, *Introduction to Stochastic Processes*, 1975, §4.7). No instant depends on when
//! an earlier arrival was served: a schedule never drifts and never waits for the stack.

use std::num::NonZeroU32;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

/// A period with one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Arrivals per second.
    pub rate_per_s: NonZeroU32,
    #[serde(rename = "lasts_us", with = "super::micros")]
    pub lasts: Duration,
}

/// How arrivals are distributed in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalProcess {
    /// One every 1/rate.
    Uniform,
    /// Independent clients: exponentially distributed gaps.
    Poisson {
        /// The same seed gives the same instants on every machine and on every stack; each block derives its own seed.
        seed: u64,
    },
}

/// When requests arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The rates in order.
    pub stages: Vec<Stage>,
    pub arrivals: ArrivalProcess,
}

/// Λ is kept in billionths of an arrival, so that every instant is exact to the nanosecond.
const PER_ARRIVAL: u128 = 1_000_000_000;

impl Schedule {
    #[must_use]
    pub fn length(&self) -> Duration {
        self.stages.iter().map(|stage| stage.lasts).sum()
    }

    /// The instants in order, counted from the start.
    pub fn instants(&self) -> impl Iterator<Item = Duration> {
        let mut due = CumulativeArrivals::new(self.arrivals);
        let mut stages = self.stages.iter();
        let mut current = stages.next();
        // The start of the current stage: in time, and in arrivals due.
        let (mut began, mut due_before) = (Duration::ZERO, 0_u128);
        std::iter::from_fn(move || {
            let number = due.next();
            loop {
                let stage = current?;
                let rate = u128::from(stage.rate_per_s.get());
                let due_within = stage.lasts.as_nanos() * rate;
                if number < due_before + due_within {
                    let since = (number - due_before) / rate;
                    return Some(began + Duration::from_nanos(u64::try_from(since).unwrap_or(u64::MAX)));
                }
                began += stage.lasts;
                due_before += due_within;
                current = stages.next();
            }
        })
    }

    /// The instants that the `thread`-th of `threads` threads handles: every `threads`-th.
    pub fn share(&self, thread: usize, threads: usize) -> impl Iterator<Item = Duration> {
        self.instants().skip(thread).step_by(threads.max(1))
    }

    /// The stages from `opens` until `closes`, each with the instant it begins; the first and the last may be partial.
    #[must_use]
    pub fn within(&self, opens: Duration, closes: Duration) -> Vec<(Duration, Stage)> {
        let mut begins = Duration::ZERO;
        let mut found = Vec::new();
        for stage in &self.stages {
            let (from, to) = (begins.max(opens), (begins + stage.lasts).min(closes));
            if from < to {
                found.push((from, Stage { lasts: to - from, ..*stage }));
            }
            begins += stage.lasts;
        }
        found
    }

    /// The number of arrivals in each second from `opens` until `closes`; the last second may be partial.
    #[must_use]
    pub fn per_second(&self, opens: Duration, closes: Duration) -> Vec<u64> {
        let mut counts = vec![0; super::seconds::number_of_seconds(closes.saturating_sub(opens))];
        for instant in self.instants().skip_while(|at| *at < opens).take_while(|at| *at < closes) {
            counts[usize::try_from((instant - opens).as_secs()).unwrap_or(usize::MAX)] += 1;
        }
        counts
    }
}

/// The value of Λ at each arrival: i, or Sᵢ.
enum CumulativeArrivals {
    Uniform { next: u128 },
    Poisson { sum: f64, random: Box<ChaCha8Rng> },
}

impl CumulativeArrivals {
    fn new(arrivals: ArrivalProcess) -> CumulativeArrivals {
        match arrivals {
            ArrivalProcess::Uniform => CumulativeArrivals::Uniform { next: 0 },
            ArrivalProcess::Poisson { seed } => {
                CumulativeArrivals::Poisson { sum: 0.0, random: Box::new(ChaCha8Rng::seed_from_u64(seed)) }
            }
        }
    }

    fn next(&mut self) -> u128 {
        match self {
            CumulativeArrivals::Uniform { next } => {
                let number = *next;
                *next += PER_ARRIVAL;
                number
            }
            CumulativeArrivals::Poisson { sum, random } => {
                // As many random bits as a float's mantissa has, in [0, 1); 1 - u lies in (0, 1], so the logarithm is
                // finite.
                let uniform = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                *sum -= (1.0 - uniform).ln();
                (*sum * PER_ARRIVAL as f64) as u128
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(stages: &[(u32, u64)], arrivals: ArrivalProcess) -> Schedule {
        let stage = |&(rate, ms): &(u32, u64)| Stage {
            rate_per_s: NonZeroU32::new(rate).unwrap(),
            lasts: Duration::from_millis(ms),
        };
        Schedule { stages: stages.iter().map(stage).collect(), arrivals }
    }

    #[test]
    fn constant_rate_is_exact_to_the_nanosecond() {
        let schedule = schedule(&[(3, 2000)], ArrivalProcess::Uniform);
        let instants: Vec<_> = schedule.instants().map(|at| at.as_nanos()).collect();
        assert_eq!(instants, [0, 333_333_333, 666_666_666, 1_000_000_000, 1_333_333_333, 1_666_666_666]);
        let day = self::schedule(&[(1_000, 86_400_000)], ArrivalProcess::Uniform);
        assert_eq!(day.instants().nth(86_399_999), Some(Duration::from_millis(86_399_999)), "no drift in a day");
        assert_eq!(day.length(), Duration::from_secs(86_400));
    }

    #[test]
    fn ramp_carries_fractional_arrivals_across_stages() {
        // 1.5 arrivals in the first stage: the third is due when the second stage has completed it.
        let ascending = schedule(&[(1, 1500), (2, 1000)], ArrivalProcess::Uniform);
        let instants: Vec<_> = ascending.instants().map(|at| at.as_millis()).collect();
        assert_eq!(instants, [0, 1000, 1750, 2250]);
        let descending = schedule(&[(2, 1000), (1, 2000)], ArrivalProcess::Uniform);
        let instants: Vec<_> = descending.instants().map(|at| at.as_millis()).collect();
        assert_eq!(instants, [0, 500, 1000, 2000]);
    }

    #[test]
    fn threads_share_every_arrival_once() {
        let schedule = schedule(&[(500, 3000), (100, 1000)], ArrivalProcess::Poisson { seed: 7 });
        let mut shared: Vec<_> = (0..3).flat_map(|thread| schedule.share(thread, 3)).collect();
        shared.sort_unstable();
        assert_eq!(shared, schedule.instants().collect::<Vec<_>>());
    }

    #[test]
    fn poisson_arrivals_are_seeded_and_stable() {
        let instants = |seed| {
            let schedule = schedule(&[(1000, 1000)], ArrivalProcess::Poisson { seed });
            schedule.instants().take(4).map(|at| at.as_micros()).collect::<Vec<_>>()
        };
        assert_eq!(instants(2011), instants(2011));
        assert_ne!(instants(2011), instants(2012));
        assert_eq!(instants(2011), [290, 376, 2623, 6018]);
    }

    /// For a Poisson process the counts of equal intervals have their mean for variance, and the gaps the square of
    /// their mean.
    #[test]
    fn poisson_arrivals_have_poisson_variance_and_gaps() {
        let schedule = schedule(&[(1000, 400_000)], ArrivalProcess::Poisson { seed: 1 });
        let counts = schedule.per_second(Duration::ZERO, schedule.length());
        assert_eq!(counts.len(), 400);
        let mean = counts.iter().sum::<u64>() as f64 / 400.0;
        let variance = counts.iter().map(|&count| (count as f64 - mean).powi(2)).sum::<f64>() / 399.0;
        assert!((mean - 1000.0).abs() < 5.0, "{mean}");
        assert!((variance / mean - 1.0).abs() < 0.25, "{variance} of {mean}");
        let instants: Vec<f64> = schedule.instants().map(|at| at.as_secs_f64()).collect();
        let gaps: Vec<f64> = instants.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let square = gaps.iter().map(|gap| (gap * 1000.0).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((square - 2.0).abs() < 0.05, "{square}");
    }

    #[test]
    fn window_clips_stages_to_its_ends() {
        let schedule = schedule(&[(10, 2000), (20, 1500), (30, 500)], ArrivalProcess::Uniform);
        let within = |opens, closes| {
            let found = schedule.within(Duration::from_millis(opens), Duration::from_millis(closes));
            let row = |(begins, stage): &(Duration, Stage)| {
                (begins.as_millis(), stage.rate_per_s.get(), stage.lasts.as_millis())
            };
            found.iter().map(row).collect::<Vec<_>>()
        };
        assert_eq!(within(1000, 3000), [(1000, 10, 1000), (2000, 20, 1000)]);
        assert_eq!(within(2000, 4000), [(2000, 20, 1500), (3500, 30, 500)]);
    }

    #[test]
    fn arrivals_are_counted_by_second() {
        let schedule = schedule(&[(10, 2000), (20, 1500)], ArrivalProcess::Uniform);
        let counts = schedule.per_second(Duration::from_secs(1), Duration::from_millis(3500));
        assert_eq!(counts, [10, 20, 10]);
    }
}
