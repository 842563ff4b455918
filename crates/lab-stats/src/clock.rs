//! The offset and the drift of another machine's clock, from round trips, and what they mean for a window.
//!
//! The other clock was read between the sending of a question and the receipt of its response, so half a round trip bounds
//! the error of assuming the middle (Cristian, *Probabilistic clock synchronization*, Distributed Computing 3, 1989). The
//! bound needs no assumption about the two ways, and the shortest of many round trips has the smallest. Between two
//! readings the offset is interpolated; how far the readings between others are off the straight line bounds what a clock
//! that is slewed or stepped meanwhile adds. Nothing is extrapolated.
//!
//! All instants are readings of monotonic clocks, which have no common origin.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One question for the other clock's reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundTrip {
    /// On the reference clock, before the question was sent.
    pub sent: Duration,
    /// On the reference clock, after the response was received.
    pub received: Duration,
    /// The other clock, in between.
    pub read: Duration,
}

/// The offset of a clock at one instant, with a bound of its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetReading {
    /// The instant on the reference clock, in nanoseconds.
    at_ns: i128,
    /// What the other clock read more than the reference clock, in nanoseconds.
    offset_ns: i128,
    /// The largest error of the offset, in nanoseconds.
    bound_ns: i128,
}

/// The offset of a clock over a time, from readings before, within and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockModel {
    /// In the order of their instants, at least two.
    readings: Vec<OffsetReading>,
    /// How far the readings between others are off the straight line, beyond their bounds.
    unsteadiness_ns: i128,
}

/// An instant of the reference clock, with a bound of its error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundedInstant {
    pub at: Duration,
    pub bound: Duration,
}

/// How much faster than the reference clock a clock runs, in parts per million, with a bound of the error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    pub ppm: f64,
    pub bound_ppm: f64,
}

/// Why a clock cannot be described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    #[error("its clock was read {0} times; before, within and after a window are 3")]
    TooFewReadings(usize),
    /// The other machine was restarted, or is another one.
    #[error("its clock went back")]
    WentBack,
}

/// The part of a round trip by which two clocks drift apart in it at most. Linux slews a clock by 500 millionths
/// (adjtimex(2)), and crystals are off by less than that.
const DRIFT_PARTS: i128 = 1000;

impl OffsetReading {
    /// The reading of the shortest round trip; `None` without any that ends after it began.
    #[must_use]
    pub fn from_round_trips(trips: &[RoundTrip]) -> Option<OffsetReading> {
        let lasted = |trip: &RoundTrip| trip.received.checked_sub(trip.sent);
        let shortest = trips.iter().filter(|trip| lasted(trip).is_some()).min_by_key(|trip| lasted(trip))?;
        let (sent, received) = (nanos(shortest.sent), nanos(shortest.received));
        let at_ns = (sent + received) / 2;
        // The longer half, where the middle is no whole nanosecond.
        let half = received - at_ns;
        Some(OffsetReading { at_ns, offset_ns: nanos(shortest.read) - at_ns, bound_ns: half + half / DRIFT_PARTS })
    }

    /// The largest error.
    #[must_use]
    pub fn bound(&self) -> Duration {
        duration(self.bound_ns)
    }

    /// The reading of the other clock.
    fn read_ns(&self) -> i128 {
        self.at_ns + self.offset_ns
    }

    /// The other clock's reading at an instant of the reference clock, as if it ran neither faster nor slower since. For
    /// announcing an instant that is near; a [`ClockModel`] tells afterwards which instant that was.
    #[must_use]
    pub fn predict(&self, at: Duration) -> Duration {
        duration(nanos(at) + self.offset_ns)
    }

    /// The inverse of [`predict`](Self::predict): about when the other clock reads `read`.
    #[must_use]
    pub fn estimate(&self, read: Duration) -> Duration {
        duration(nanos(read) - self.offset_ns)
    }

    /// Whether the other clock had passed `read` by then.
    #[must_use]
    pub fn is_after(&self, read: Duration) -> bool {
        self.read_ns() >= nanos(read)
    }
}

impl ClockModel {
    /// # Errors
    /// There are fewer than three readings, or the clock went back between two of them.
    pub fn new(mut readings: Vec<OffsetReading>) -> Result<ClockModel, ClockError> {
        if readings.len() < 3 {
            return Err(ClockError::TooFewReadings(readings.len()));
        }
        readings.sort_by_key(|reading| reading.at_ns);
        if !readings.windows(2).all(|pair| pair[0].at_ns < pair[1].at_ns && pair[0].read_ns() < pair[1].read_ns()) {
            return Err(ClockError::WentBack);
        }
        let off = readings.windows(3).map(|three| off_the_line(three[0], three[1], three[2]));
        let unsteadiness_ns = off.max().unwrap_or(0);
        Ok(ClockModel { readings, unsteadiness_ns })
    }

    /// The instant of the reference clock at which the other clock read `read`. `None` before the first reading and after
    /// the last one.
    #[must_use]
    pub fn reference_instant(&self, read: Duration) -> Option<BoundedInstant> {
        let read = nanos(read);
        let after = self.readings.iter().position(|reading| reading.read_ns() >= read)?;
        let [earlier, later] = match after {
            0 if self.readings[0].read_ns() == read => [self.readings[0], self.readings[1]],
            0 => return None,
            after => [self.readings[after - 1], self.readings[after]],
        };
        let at = interpolate(read, (earlier.read_ns(), earlier.at_ns), (later.read_ns(), later.at_ns));
        // On a straight line between two instants no error is larger than both of theirs.
        let bound = earlier.bound_ns.max(later.bound_ns) + self.unsteadiness_ns;
        Some(BoundedInstant { at: duration(at), bound: duration(bound) })
    }

    /// How much faster than the reference clock it ran from the first reading to the last.
    #[must_use]
    pub fn drift(&self) -> Drift {
        let (first, last) = (self.readings[0], self.readings[self.readings.len() - 1]);
        let over = (last.at_ns - first.at_ns) as f64;
        let ppm = |ns: i128| ns as f64 / over * 1e6;
        Drift { ppm: ppm(last.offset_ns - first.offset_ns), bound_ppm: ppm(first.bound_ns + last.bound_ns) }
    }

    /// The largest bound of its readings.
    #[must_use]
    pub fn bound(&self) -> Duration {
        duration(self.readings.iter().map(|reading| reading.bound_ns).max().unwrap_or(0))
    }

    /// How far the clock was from running evenly between its readings, beyond their bounds.
    #[must_use]
    pub fn unsteadiness(&self) -> Duration {
        duration(self.unsteadiness_ns)
    }
}

/// How far the middle reading is off the line through the others, beyond what the bounds of all three explain.
fn off_the_line(first: OffsetReading, middle: OffsetReading, last: OffsetReading) -> i128 {
    let expected = interpolate(middle.at_ns, (first.at_ns, first.offset_ns), (last.at_ns, last.offset_ns));
    let explained = middle.bound_ns + first.bound_ns.max(last.bound_ns);
    ((middle.offset_ns - expected).abs() - explained).max(0)
}

/// The value at `x` on the line through two points, whose abscissae differ.
fn interpolate(x: i128, (x0, y0): (i128, i128), (x1, y1): (i128, i128)) -> i128 {
    y0 + (x - x0) * (y1 - y0) / (x1 - x0)
}

fn nanos(instant: Duration) -> i128 {
    // OK because a duration is less than 2⁹⁴ nanoseconds
    instant.as_nanos() as i128
}

fn duration(ns: i128) -> Duration {
    let ns = u128::try_from(ns).unwrap_or(0);
    let seconds = u64::try_from(ns / 1_000_000_000).unwrap_or(u64::MAX);
    // OK because the remainder is below a billion
    Duration::new(seconds, (ns % 1_000_000_000) as u32)
}

/// The largest part of its length by which a window may be uncertain: one hundredth.
const WINDOW_PARTS: u32 = 100;

/// The largest uncertainty of instants that latency figures depend on.
pub const LATENCY_LIMIT: Duration = Duration::from_micros(500);

/// Why the instants of a window are too uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum UncertainWindow {
    #[error(
        "its ends are uncertain by {:.3} ms, more than a hundredth of its {} ms",
        .uncertainty.as_secs_f64() * 1000.0,
        .window.as_millis()
    )]
    Length { uncertainty: Duration, window: Duration },
    #[error(
        "its drivers were up to {:.3} ms apart, more than the {} ms that their latencies may be affected by",
        .uncertainty.as_secs_f64() * 1000.0,
        LATENCY_LIMIT.as_secs_f64() * 1000.0
    )]
    Latency { uncertainty: Duration },
}

/// Whether a window of this length counts, although its ends are uncertain by `uncertainty`. `shares_schedule` says
/// whether several drivers have offered one schedule: each measures its latencies on its own clock, but the load that
/// they offer together is the schedule only as far as their clocks agree.
///
/// # Errors
/// It does not count.
pub fn check_window(window: Duration, uncertainty: Duration, shares_schedule: bool) -> Result<(), UncertainWindow> {
    if uncertainty > window / WINDOW_PARTS {
        return Err(UncertainWindow::Length { uncertainty, window });
    }
    if shares_schedule && uncertainty > LATENCY_LIMIT {
        return Err(UncertainWindow::Latency { uncertainty });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
