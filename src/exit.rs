//! The exit codes of `lab`, as documented in `lab --help`.

use std::process::ExitCode;

/// What a finished command means to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Everything was as expected.
    Ok = 0,
    /// The command line was wrong.
    Usage = 1,
    /// The scenario, or a configuration it names, is wrong; nothing was started.
    BadScenario = 2,
    /// A stack or a driver could not run.
    CouldNotRun = 3,
    /// A check or the gate failed.
    Failed = 4,
    /// Nothing failed, but something was inconclusive, and `--strict` was given.
    Inconclusive = 5,
    /// Ctrl-C or SIGTERM; by the shells' custom 128 + SIGINT.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
