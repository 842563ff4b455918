//! Reports the driver's events to lab.

use std::io::Write;

use super::error::DriveError;
use crate::accounting::Window;
use crate::monotonic;
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
    WindowEnds { opens: monotonic::reading_at(window.opens), closes: monotonic::reading_at(window.closes) }
}
