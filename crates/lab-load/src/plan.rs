//! The schedule of an open loop: the instant of every arrival, in closed form from one start.
//!
//! Pure. With Λ(t) for the number of arrivals due up to t (a broken line: the rate is constant in each stretch), the
//! i-th uniform arrival is at Λ⁻¹(i), and the i-th Poisson arrival at Λ⁻¹(Sᵢ), where S is a Poisson process of rate one
//! (the time change of Çınlar, *Introduction to Stochastic Processes*, 1975, §4.7). Nothing depends on when an earlier
//! arrival was served, so a schedule can be late but never drifts, and never waits for the stack.

use std::num::NonZeroU32;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

/// A stretch of time with one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Arrivals per second.
    pub rate_per_s: NonZeroU32,
    /// How long it lasts.
    #[serde(rename = "lasts_us", with = "crate::protocol::as_micros")]
    pub lasts: Duration,
}

/// How arrivals lie within the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// One every 1/rate.
    Uniform,
    /// As independent clients arrive: exponentially distributed gaps.
    Poisson {
        /// The same seed gives the same instants on every machine.
        seed: u64,
    },
}

/// When requests arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The rates, one after the other.
    pub stretches: Vec<Stretch>,
    /// How arrivals lie within them.
    pub arrivals: Arrivals,
}

/// Λ is kept in billionths of an arrival, so that every instant is exact to the nanosecond.
const PER_ARRIVAL: u128 = 1_000_000_000;

impl Schedule {
    /// How long it lasts.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.stretches.iter().map(|stretch| stretch.lasts).sum()
    }

    /// The instants, counted from the start, in order.
    pub fn instants(&self) -> impl Iterator<Item = Duration> {
        let mut due = Due::new(self.arrivals);
        let mut stretches = self.stretches.iter();
        let mut present = stretches.next();
        // Where the present stretch begins: in time, and in arrivals due.
        let (mut began, mut due_before) = (Duration::ZERO, 0_u128);
        std::iter::from_fn(move || {
            let number = due.next();
            loop {
                let stretch = present?;
                let rate = u128::from(stretch.rate_per_s.get());
                let due_within = stretch.lasts.as_nanos() * rate;
                if number < due_before + due_within {
                    let since = (number - due_before) / rate;
                    return Some(began + Duration::from_nanos(u64::try_from(since).unwrap_or(u64::MAX)));
                }
                began += stretch.lasts;
                due_before += due_within;
                present = stretches.next();
            }
        })
    }

    /// The instants that the `thread`-th of `threads` threads sees to: every `threads`-th.
    pub fn share(&self, thread: usize, threads: usize) -> impl Iterator<Item = Duration> {
        self.instants().skip(thread).step_by(threads.max(1))
    }

    /// The stretches from `opens` until `closes`, each with the instant it begins; the first and the last may be parts.
    #[must_use]
    pub fn within(&self, opens: Duration, closes: Duration) -> Vec<(Duration, Stretch)> {
        let mut begins = Duration::ZERO;
        let mut found = Vec::new();
        for stretch in &self.stretches {
            let (from, to) = (begins.max(opens), (begins + stretch.lasts).min(closes));
            if from < to {
                found.push((from, Stretch { lasts: to - from, ..*stretch }));
            }
            begins += stretch.lasts;
        }
        found
    }

    /// How many arrivals there are in each second from `opens` until `closes`; the last may be a part of one.
    #[must_use]
    pub fn per_second(&self, opens: Duration, closes: Duration) -> Vec<u64> {
        let mut counts = vec![0; crate::seconds::number_of_seconds(closes.saturating_sub(opens))];
        for instant in self.instants().skip_while(|at| *at < opens).take_while(|at| *at < closes) {
            counts[usize::try_from((instant - opens).as_secs()).unwrap_or(usize::MAX)] += 1;
        }
        counts
    }
}

/// The numbers of arrivals due at each arrival: i, or Sᵢ.
enum Due {
    Uniform { next: u128 },
    Poisson { sum: f64, random: Box<ChaCha8Rng> },
}

impl Due {
    fn new(arrivals: Arrivals) -> Due {
        match arrivals {
            Arrivals::Uniform => Due::Uniform { next: 0 },
            Arrivals::Poisson { seed } => Due::Poisson { sum: 0.0, random: Box::new(ChaCha8Rng::seed_from_u64(seed)) },
        }
    }

    fn next(&mut self) -> u128 {
        match self {
            Due::Uniform { next } => {
                let number = *next;
                *next += PER_ARRIVAL;
                number
            }
            Due::Poisson { sum, random } => {
                // As many random bits as a float's mantissa has, in [0, 1); 1 - u lies in (0, 1], so the logarithm is finite.
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

    fn schedule(stretches: &[(u32, u64)], arrivals: Arrivals) -> Schedule {
        let stretch = |&(rate, ms): &(u32, u64)| Stretch {
            rate_per_s: NonZeroU32::new(rate).unwrap(),
            lasts: Duration::from_millis(ms),
        };
        Schedule { stretches: stretches.iter().map(stretch).collect(), arrivals }
    }

    #[test]
    fn a_constant_rate_is_exact_to_the_nanosecond() {
        let schedule = schedule(&[(3, 2000)], Arrivals::Uniform);
        let instants: Vec<_> = schedule.instants().map(|at| at.as_nanos()).collect();
        assert_eq!(instants, [0, 333_333_333, 666_666_666, 1_000_000_000, 1_333_333_333, 1_666_666_666]);
        let day = self::schedule(&[(1_000, 86_400_000)], Arrivals::Uniform);
        assert_eq!(day.instants().nth(86_399_999), Some(Duration::from_millis(86_399_999)), "no drift in a day");
        assert_eq!(day.length(), Duration::from_secs(86_400));
    }

    #[test]
    fn a_ramp_passes_from_rate_to_rate_without_losing_the_part_of_an_arrival() {
        // 1.5 arrivals in the first stretch: the third is due when the second stretch has given the other half.
        let ascending = schedule(&[(1, 1500), (2, 1000)], Arrivals::Uniform);
        let instants: Vec<_> = ascending.instants().map(|at| at.as_millis()).collect();
        assert_eq!(instants, [0, 1000, 1750, 2250]);
        let descending = schedule(&[(2, 1000), (1, 2000)], Arrivals::Uniform);
        let instants: Vec<_> = descending.instants().map(|at| at.as_millis()).collect();
        assert_eq!(instants, [0, 500, 1000, 2000]);
    }

    #[test]
    fn threads_share_every_arrival_once() {
        let schedule = schedule(&[(500, 3000), (100, 1000)], Arrivals::Poisson { seed: 7 });
        let mut shared: Vec<_> = (0..3).flat_map(|thread| schedule.share(thread, 3)).collect();
        shared.sort_unstable();
        assert_eq!(shared, schedule.instants().collect::<Vec<_>>());
    }

    #[test]
    fn poisson_arrivals_are_seeded_and_stable() {
        let instants = |seed| {
            let schedule = schedule(&[(1000, 1000)], Arrivals::Poisson { seed });
            schedule.instants().take(4).map(|at| at.as_micros()).collect::<Vec<_>>()
        };
        assert_eq!(instants(2011), instants(2011));
        assert_ne!(instants(2011), instants(2012));
        assert_eq!(instants(2011), [290, 376, 2623, 6018]);
    }

    /// For a Poisson process the counts of equal intervals have their mean for variance, and the gaps the square of
    /// their mean.
    #[test]
    fn poisson_arrivals_are_distributed_as_they_should_be() {
        let schedule = schedule(&[(1000, 400_000)], Arrivals::Poisson { seed: 1 });
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
    fn a_window_has_the_stretches_that_lie_in_it_or_their_parts() {
        let schedule = schedule(&[(10, 2000), (20, 1500), (30, 500)], Arrivals::Uniform);
        let within = |opens, closes| {
            let found = schedule.within(Duration::from_millis(opens), Duration::from_millis(closes));
            let told = |(begins, stretch): &(Duration, Stretch)| {
                (begins.as_millis(), stretch.rate_per_s.get(), stretch.lasts.as_millis())
            };
            found.iter().map(told).collect::<Vec<_>>()
        };
        assert_eq!(within(1000, 3000), [(1000, 10, 1000), (2000, 20, 1000)]);
        assert_eq!(within(2000, 4000), [(2000, 20, 1500), (3500, 30, 500)]);
    }

    #[test]
    fn arrivals_are_counted_by_second() {
        let schedule = schedule(&[(10, 2000), (20, 1500)], Arrivals::Uniform);
        let counts = schedule.per_second(Duration::from_secs(1), Duration::from_millis(3500));
        assert_eq!(counts, [10, 20, 10]);
    }
}
