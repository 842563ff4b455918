//! The width of the terminal that reports are printed on.

/// The columns of standard output; without limit if it is no terminal.
pub(super) fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(usize::MAX)
}
