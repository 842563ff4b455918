//! Reports the driver's events to lab.

use std::io::Write;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::error::DriveError;
use crate::accounting::Window;
use crate::wire::{DriverEvent, WindowEnds};

pub(super) fn report(output: &mut impl Write, event: &DriverEvent) -> Result<(), DriveError> {
    let mut line = event.to_line()?;
    line.push('\n');
    output.write_all(line.as_bytes())?;
    output.flush()?;
    Ok(())
}

/// A future window, on the clock shared with lab.
pub(super) fn window_ends(window: Window) -> WindowEnds {
    let time = clock_gettime(ClockId::Monotonic);
    let shared = Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    let now = Instant::now();
    let on_shared_clock = |at: Instant| shared + at.saturating_duration_since(now);
    WindowEnds { opens: on_shared_clock(window.opens), closes: on_shared_clock(window.closes) }
}
