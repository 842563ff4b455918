//! The exit codes of `lab`, as documented in `lab --help`.

use std::process::ExitCode;

/// What a finished command means to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    Ok = 0,
    Usage = 1,
    BadScenario = 2,
    CouldNotRun = 3,
    Failed = 4,
    Inconclusive = 5,
    /// By the shells' custom 128 + SIGINT.
    Interrupted = 130,
}

impl Exit {
    /// In the order of their codes.
    pub const ALL: [Exit; 7] = [
        Exit::Ok,
        Exit::Usage,
        Exit::BadScenario,
        Exit::CouldNotRun,
        Exit::Failed,
        Exit::Inconclusive,
        Exit::Interrupted,
    ];

    /// What the code says, for the help and the documentation.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Exit::Ok => "everything was as expected",
            Exit::Usage => "the command line was wrong",
            Exit::BadScenario => "the scenario, or a configuration it names, is wrong; nothing was started",
            Exit::CouldNotRun => "a stack or a driver could not run",
            Exit::Failed => "a check or the gate failed",
            Exit::Inconclusive => "nothing failed, but something was inconclusive, and --strict was given",
            Exit::Interrupted => "interrupted: Ctrl-C or SIGTERM; everything that was started is stopped",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
