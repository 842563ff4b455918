//! What a run tells the world while it runs; progress bar, log and tests are its listeners.

use crate::check::evaluate::CheckFinding;
use crate::record::RoundRecord;

/// Something that has just happened.
#[derive(Debug)]
pub enum Event<'a> {
    /// A stack is being started, for its checks or for a round.
    Starting {
        /// The stack.
        stack: &'a str,
    },
    /// A stack is not to be had on this machine.
    Unavailable {
        /// The stack.
        stack: &'a str,
        /// What is missing.
        missing: &'a str,
    },
    /// A check was asked and judged, or could not be asked.
    Checked {
        /// The stack.
        stack: &'a str,
        /// The check.
        check: &'a str,
        /// Expected and observed, field by field; or why the check could not be asked.
        outcome: Result<&'a [CheckFinding], &'a str>,
    },
    /// Rounds begin.
    RoundsPlanned {
        /// How many visits there will be before the first look, replacements of invalid rounds apart.
        visits: usize,
        /// How many of them an interrupted run has made already.
        made: usize,
    },
    /// A look has left something undecided: there will be more rounds.
    MoreRoundsPlanned {
        /// How many looks have been made.
        look: usize,
        /// How many more visits there will be before the next one.
        visits: usize,
    },
    /// A round has begun: its stack is being started.
    RoundStarted {
        /// The block, from 0.
        block: u32,
        /// The load.
        load: &'a str,
        /// The stack.
        stack: &'a str,
    },
    /// A round has ended.
    RoundEnded {
        /// What it came to.
        round: &'a RoundRecord,
    },
    /// A stack could not be started, or its driver could not run.
    Failed {
        /// The stack.
        stack: &'a str,
        /// Why.
        error: &'a str,
    },
}

/// Whoever wants to know.
pub trait Listener {
    /// Is told of everything, in order.
    fn hear(&mut self, event: &Event<'_>);
}

/// Nobody.
impl Listener for () {
    fn hear(&mut self, _event: &Event<'_>) {}
}
