//! The clock that all processes of a machine share: `CLOCK_MONOTONIC` (clock_gettime(2)), on which [`Instant`] is based.
//! An [`Instant`] has no number, so readings of this clock carry instants between processes.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The clock's present reading.
#[must_use]
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The clock's reading at an instant that is not past; that of the present for a past one.
#[must_use]
pub fn reading_at(instant: Instant) -> Duration {
    let reading = now();
    reading + instant.saturating_duration_since(Instant::now())
}

/// The instant of a reading that is not past; the present for a past one.
#[must_use]
pub fn instant_of(reading: Duration) -> Instant {
    Instant::now() + reading.saturating_sub(now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn future_instants_survive_the_conversion() {
        let instant = Instant::now() + Duration::from_secs(3600);
        let back = instant_of(reading_at(instant));
        let off = back.max(instant) - back.min(instant);
        assert!(off < Duration::from_secs(1), "{off:?}");
        assert!(reading_at(Instant::now()) >= now().saturating_sub(Duration::from_secs(1)));
    }
}
