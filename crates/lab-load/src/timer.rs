//! A timer for the instants of arrivals.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::wire::TimerKind;

/// The time before an instant at which spinning begins: longer than a wake-up on an idle machine.
const SPIN: Duration = Duration::from_micros(60);

/// Waits for instants with a finer resolution than tokio's millisecond.
#[derive(Debug)]
pub(super) struct Timer {
    fd: AsyncFd<OwnedFd>,
    kind: TimerKind,
}

impl Timer {
    /// Registers with the current runtime.
    pub(super) fn new(kind: TimerKind) -> io::Result<Timer> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(deprecated, reason = "the way that replaces it is unsafe; an OwnedFd keeps what `new` trusts in")]
        let fd = AsyncFd::new(fd)?;
        Ok(Timer { fd, kind })
    }

    /// Waits until `at` and returns the time that has passed since. Returns at once if `at` has passed.
    pub(super) async fn until(&self, at: Instant) -> io::Result<Duration> {
        let early = match self.kind {
            TimerKind::Timerfd => Duration::ZERO,
            TimerKind::Spin => SPIN,
        };
        loop {
            let now = Instant::now();
            if let Some(late) = now.checked_duration_since(at) {
                return Ok(late);
            }
            match (at - now).checked_sub(early).filter(|left| !left.is_zero()) {
                Some(left) => self.sleep(left).await?,
                // Requests under way continue while this task polls the clock.
                None => tokio::task::yield_now().await,
            }
        }
    }

    async fn sleep(&self, time: Duration) -> io::Result<()> {
        let value = Timespec {
            // OK because no schedule is longer than a few days
            tv_sec: i64::try_from(time.as_secs()).expect("a short time"),
            tv_nsec: i64::from(time.subsec_nanos()),
        };
        let no_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let setting = Itimerspec { it_interval: no_interval, it_value: value };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &setting)?;
        // Setting the timer again discards the expiry, so it is not read.
        self.fd.readable().await?.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn timer_is_never_early() {
        for kind in [TimerKind::Timerfd, TimerKind::Spin] {
            let timer = Timer::new(kind).unwrap();
            let start = Instant::now();
            for us in [0, 50, 700, 1400, 1401, 3000] {
                let at = start + Duration::from_micros(us);
                let late = timer.until(at).await.unwrap();
                assert!(Instant::now() >= at + late);
            }
            assert!(timer.until(start).await.unwrap() >= Duration::from_micros(3000));
        }
    }
}
