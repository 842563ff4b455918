use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

use super::*;

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

/// A machine whose clock runs too fast by `ppm` and was `origin` when the reference clock was 0. The way to it takes
/// `base` and up to `jitter` more, and so does the way back; the two ways are independent.
struct Machine {
    origin: Duration,
    ppm: i64,
    base: Duration,
    jitter: Duration,
    random: ChaCha8Rng,
}

impl Machine {
    fn new(seed: u64) -> Machine {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Machine {
            origin: us(random.next_u64() % 10_u64.pow(12)),
            ppm: (random.next_u32() % 1001).cast_signed().into(),
            base: us(20 + u64::from(random.next_u32() % 200)),
            jitter: us(1 + u64::from(random.next_u32() % 2000)),
            random,
        }
    }

    /// The reading of its clock at an instant of the reference clock.
    fn read(&self, at: Duration) -> Duration {
        let ns = nanos(at) + nanos(self.origin) + nanos(at) * i128::from(self.ppm - 500) / 1_000_000;
        duration(ns)
    }

    fn way(&mut self) -> Duration {
        self.base + self.jitter.mul_f64(f64::from(self.random.next_u32()) / f64::from(u32::MAX))
    }

    /// The shortest of 16 round trips from `at` on.
    fn reading(&mut self, at: Duration) -> OffsetReading {
        let mut sent = at;
        let mut trips = Vec::new();
        for _ in 0..16 {
            let arrived = sent + self.way();
            let received = arrived + self.way();
            trips.push(RoundTrip { sent, received, read: self.read(arrived) });
            sent = received + us(50);
        }
        OffsetReading::from_round_trips(&trips).unwrap()
    }

    fn model(&mut self, seconds: u64) -> ClockModel {
        ClockModel::new((0..=seconds).map(|second| self.reading(Duration::from_secs(second))).collect()).unwrap()
    }
}

fn apart(one: Duration, other: Duration) -> Duration {
    one.max(other) - one.min(other)
}

#[test]
fn errors_stay_within_their_bounds() {
    for seed in 0..200 {
        let mut machine = Machine::new(seed);
        let model = machine.model(12);
        for ms in (100..12_000).step_by(37) {
            let at = Duration::from_millis(ms);
            let found = model.reference_instant(machine.read(at)).unwrap();
            let error = apart(found.at, at);
            // Two nanoseconds are the rounding of this machine's clock and of the interpolation.
            assert!(error <= found.bound + Duration::from_nanos(2), "{seed}: {error:?} at {at:?}, {:?}", found.bound);
        }
        let drift = model.drift();
        let true_ppm = machine.ppm as f64 - 500.0;
        assert!((drift.ppm - true_ppm).abs() <= drift.bound_ppm + 0.01, "{seed}: {drift:?} of {true_ppm}");
        assert_eq!(model.unsteadiness(), Duration::ZERO, "a clock that drifts evenly is steady");
    }
}

#[test]
fn shortest_round_trip_counts() {
    let trip = |sent, received, read| RoundTrip { sent: us(sent), received: us(received), read: us(read) };
    let reading =
        OffsetReading::from_round_trips(&[trip(0, 900, 5000), trip(1000, 1100, 6050), trip(2000, 2400, 7000)]);
    let reading = reading.unwrap();
    assert_eq!(reading.bound(), Duration::from_nanos(50_050), "half a round trip, and the drift in it");
    assert_eq!(reading.predict(us(10_000)), us(15_000));
    assert_eq!(OffsetReading::from_round_trips(&[]), None);
    assert_eq!(OffsetReading::from_round_trips(&[trip(5, 4, 9)]), None, "an end before the beginning");
}

#[test]
fn stepped_clock_is_uncertain() {
    let mut machine = Machine { jitter: us(1), ..Machine::new(1) };
    let mut readings: Vec<_> = (0..6).map(|second| machine.reading(Duration::from_secs(second))).collect();
    assert_eq!(ClockModel::new(readings.clone()).unwrap().unsteadiness(), Duration::ZERO);
    // What NTP does when it steps the clock by 20 ms; a monotonic clock is slewed, which takes longer.
    readings[3..].iter_mut().for_each(|reading| reading.offset_ns += 20_000_000);
    let model = ClockModel::new(readings).unwrap();
    assert!(model.unsteadiness() > Duration::from_millis(9), "{:?}", model.unsteadiness());
    let at = model.reference_instant(machine.read(Duration::from_millis(2500))).unwrap();
    assert!(at.bound > Duration::from_millis(9));
    assert!(check_window(Duration::from_secs(10), at.bound, true).is_err());
}

#[test]
fn nothing_is_extrapolated() {
    let mut machine = Machine::new(3);
    let model = machine.model(3);
    let origin = machine.read(Duration::ZERO);
    assert_eq!(model.reference_instant(origin.saturating_sub(us(1))), None);
    assert_eq!(model.reference_instant(machine.read(Duration::from_secs(4))), None);
    assert!(model.reference_instant(machine.read(Duration::from_secs(1))).is_some());
}

#[test]
fn clock_needs_readings_that_go_forward() {
    let mut machine = Machine::new(4);
    let readings: Vec<_> = (0..3).map(|second| machine.reading(Duration::from_secs(second))).collect();
    assert_eq!(ClockModel::new(readings[..2].to_vec()), Err(ClockError::TooFewReadings(2)));
    let mut restarted = readings;
    restarted[2].offset_ns -= nanos(Duration::from_secs(3));
    assert_eq!(ClockModel::new(restarted), Err(ClockError::WentBack));
}

#[test]
fn window_counts_within_both_limits() {
    let window = Duration::from_secs(1);
    assert_eq!(check_window(window, us(10_000), false), Ok(()));
    let too_short = check_window(window, us(10_001), false).unwrap_err();
    assert_eq!(too_short.to_string(), "its ends are uncertain by 10.001 ms, more than a hundredth of its 1000 ms");
    assert_eq!(check_window(window, us(500), true), Ok(()));
    let apart = check_window(window, us(501), true).unwrap_err();
    assert_eq!(
        apart.to_string(),
        "its drivers were up to 0.501 ms apart, more than the 0.5 ms that their latencies may be affected by"
    );
}
