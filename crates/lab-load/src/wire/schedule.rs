//! The schedule of an open loop: the instant of every arrival, in closed form from one start.
//!
//! Pure. With Λ(t) for the number of arrivals due up to t (a broken line: the rate is constant in each stage), the
//! i-th uniform arrival is at Λ⁻¹(i), and the i-th Poisson arrival at Λ⁻¹(Sᵢ), where S is a Poisson process of rate one
//! (the time change of Çınlar, *Introduction to Stochastic Processes*, 1975, §4.7). No instant depends on when
//! an earlier arrival was served: a schedule never drifts and never waits for the stack.
//!
//! Several drivers share a schedule without changing it: the shares of a uniform one take turns, and each arrival of a
//! Poisson one belongs to a share that its seed draws. Such a thinned stream is a Poisson process again, independent of
//! the other shares (Kingman, *Poisson Processes*, 1993, §5.1), as the clients of separate hosts are; turns would make the
//! gaps of each share more regular than those of independent clients. Either way every arrival belongs to exactly one
//! share.

use std::num::NonZeroU32;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use super::share::Share;

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
    /// The rates in order, of all shares together.
    pub stages: Vec<Stage>,
    pub arrivals: ArrivalProcess,
    /// The part of the arrivals that belongs to this driver.
    #[serde(default, skip_serializing_if = "Share::is_whole")]
    pub share: Share,
}

/// Λ is kept in billionths of an arrival, so that every instant is exact to the nanosecond.
const PER_ARRIVAL: u128 = 1_000_000_000;

impl Schedule {
    #[must_use]
    pub fn length(&self) -> Duration {
        self.stages.iter().map(|stage| stage.lasts).sum()
    }

    /// The instants of this share in order, counted from the start.
    pub fn instants(&self) -> impl Iterator<Item = Duration> {
        let mut shares = ArrivalShares::new(self.arrivals, self.share.of());
        let own = self.share.index();
        self.undivided_instants().filter(move |_| shares.next() == own)
    }

    /// The instants of all shares in order.
    fn undivided_instants(&self) -> impl Iterator<Item = Duration> {
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

    /// The instants of this share that one of the driver's threads handles: the threads take turns.
    pub fn instants_of_thread(&self, thread: Share) -> impl Iterator<Item = Duration> {
        // OK because an index and a number of threads fit into memory's addresses
        self.instants().skip(thread.index() as usize).step_by(thread.of().get() as usize)
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

    /// The number of this share's arrivals in each second from `opens` until `closes`; the last second may be partial.
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

/// The index of the share that each arrival belongs to, in the order of the arrivals.
enum ArrivalShares {
    Whole,
    Interleaved { next: u32, of: u32 },
    Thinned { of: u32, random: Box<ChaCha8Rng> },
}

/// The stream of the generator that draws shares; another one draws the gaps.
const SHARES_STREAM: u64 = 1;

impl ArrivalShares {
    fn new(arrivals: ArrivalProcess, of: NonZeroU32) -> ArrivalShares {
        match (arrivals, of.get()) {
            (_, 1) => ArrivalShares::Whole,
            (ArrivalProcess::Uniform, of) => ArrivalShares::Interleaved { next: 0, of },
            (ArrivalProcess::Poisson { seed }, of) => {
                let mut random = Box::new(ChaCha8Rng::seed_from_u64(seed));
                random.set_stream(SHARES_STREAM);
                ArrivalShares::Thinned { of, random }
            }
        }
    }

    fn next(&mut self) -> u32 {
        match self {
            ArrivalShares::Whole => 0,
            ArrivalShares::Interleaved { next, of } => {
                let share = *next;
                *next = (share + 1) % *of;
                share
            }
            ArrivalShares::Thinned { of, random } => {
                // The upper half of a product of 64 bits is below `of`, and no share is likelier than another by more
                // than one part in 2³².
                let scaled = (u64::from(random.next_u32()) * u64::from(*of)) >> 32;
                u32::try_from(scaled).unwrap_or(0)
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
        Schedule { stages: stages.iter().map(stage).collect(), arrivals, share: Share::WHOLE }
    }

    fn shares(of: u32) -> impl Iterator<Item = Share> {
        Share::all(NonZeroU32::new(of).unwrap())
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
        let mut shared: Vec<_> = shares(3).flat_map(|thread| schedule.instants_of_thread(thread)).collect();
        shared.sort_unstable();
        assert_eq!(shared, schedule.instants().collect::<Vec<_>>());
    }

    #[test]
    fn shares_unite_to_the_undivided_schedule() {
        let stages = [(500, 3000), (90, 1000), (7, 1500)];
        for arrivals in [ArrivalProcess::Uniform, ArrivalProcess::Poisson { seed: 7 }] {
            let undivided = schedule(&stages, arrivals);
            for of in [1, 2, 3, 10, 1000] {
                let divided: Vec<Schedule> = shares(of).map(|share| Schedule { share, ..undivided.clone() }).collect();
                let mut united: Vec<_> = divided.iter().flat_map(Schedule::instants).collect();
                united.sort_unstable();
                assert_eq!(united, undivided.instants().collect::<Vec<_>>(), "{of} shares of {arrivals:?}");
                let mut threads: Vec<_> = divided
                    .iter()
                    .flat_map(|one| {
                        shares(2).flat_map(move |thread| one.instants_of_thread(thread).collect::<Vec<_>>())
                    })
                    .collect();
                threads.sort_unstable();
                assert_eq!(threads, united, "{of} drivers with two threads");
                let whole = (Duration::ZERO, undivided.length());
                let mut counts = vec![0; undivided.per_second(whole.0, whole.1).len()];
                for one in &divided {
                    counts.iter_mut().zip(one.per_second(whole.0, whole.1)).for_each(|(sum, count)| *sum += count);
                }
                assert_eq!(counts, undivided.per_second(whole.0, whole.1));
            }
        }
    }

    #[test]
    fn uniform_shares_take_turns() {
        let uniform = schedule(&[(10, 1000)], ArrivalProcess::Uniform);
        let instants = |share| Schedule { share, ..uniform.clone() }.instants().map(|at| at.as_millis()).collect();
        let divided: Vec<Vec<u128>> = shares(3).map(instants).collect();
        assert_eq!(divided, [vec![0, 300, 600, 900], vec![100, 400, 700], vec![200, 500, 800]]);
    }

    /// Turns would give each of two shares gaps whose mean square is 1.5 times the square of their mean.
    #[test]
    fn poisson_shares_are_poisson_and_independent() {
        let undivided = schedule(&[(2000, 200_000)], ArrivalProcess::Poisson { seed: 3 });
        let divided: Vec<Schedule> = shares(2).map(|share| Schedule { share, ..undivided.clone() }).collect();
        let mut counts = Vec::new();
        for one in &divided {
            let instants: Vec<f64> = one.instants().map(|at| at.as_secs_f64()).collect();
            let gaps: Vec<f64> = instants.windows(2).map(|pair| (pair[1] - pair[0]) * 1000.0).collect();
            let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
            let square = gaps.iter().map(|gap| gap.powi(2)).sum::<f64>() / gaps.len() as f64;
            assert!((mean - 1.0).abs() < 0.02, "{mean}");
            assert!((square / mean.powi(2) - 2.0).abs() < 0.05, "{square}");
            counts.push(one.per_second(Duration::ZERO, one.length()));
        }
        let deviations = counts.iter().map(|counts| counts.iter().map(|&count| count as f64 - 1000.0));
        let [one, other] = deviations.collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("two shares"));
        let covariance = one.zip(other).map(|(one, other)| one * other).sum::<f64>() / counts[0].len() as f64;
        // Each variance is 1000; the covariance of independent counts scatters by 1000/√200 around 0.
        assert!(covariance.abs() < 300.0, "{covariance}");
    }

    #[test]
    fn shares_are_the_same_on_every_machine() {
        let poisson = schedule(&[(1000, 1000)], ArrivalProcess::Poisson { seed: 2011 });
        let first = Schedule { share: shares(2).nth(1).unwrap(), ..poisson.clone() };
        let (own, all): (Vec<_>, Vec<_>) = (first.instants().collect(), poisson.instants().collect());
        let positions: Vec<_> = own.iter().take(6).map(|at| all.iter().position(|one| one == at).unwrap()).collect();
        assert_eq!(positions, [5, 11, 12, 13, 14, 15]);
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
