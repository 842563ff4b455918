//! The events of a run, and the trait of those that observe them: the progress bar, the checkpoint, the log of events, the
//! live page, the tests.

pub mod line;

use std::path::Path;

use crate::check::evaluate::CheckFinding;
use crate::record::{Cell, Record, RoundRecord, StackRecord};

/// Something that has just happened in a run.
#[derive(Debug)]
pub enum RunEvent<'a> {
    /// The run has its folder.
    Opened {
        scenario: &'a str,
        run: &'a str,
        folder: &'a Path,
    },
    /// An image is being pulled or built, or the container engine or lab serve has a warning.
    Preparing {
        message: &'a str,
    },
    /// A stack is being started for its checks.
    Starting {
        stack: &'a str,
    },
    /// A stack cannot run on this machine.
    Unavailable {
        stack: &'a str,
        missing: &'a str,
    },
    /// A check has run.
    Checked {
        stack: &'a str,
        check: &'a str,
        /// Its method and target.
        request: &'a str,
        /// The status of the response, if there was one.
        status: Option<u16>,
        /// Expected and observed, field by field; or why there was no response.
        outcome: Result<&'a [CheckFinding], &'a str>,
    },
    /// All checks of a stack have run. A stack that is visited for its checks a second time has this event again.
    StackChecked {
        stack: &'a StackRecord,
    },
    /// The checks are done and the rounds begin.
    RoundsPlanned {
        /// The visits before the first look, without replacements of invalid rounds.
        visits: usize,
        /// How many of them an interrupted run has made already.
        made: usize,
    },
    /// Something failed the gate, and is measured once more. [`RoundsPlanned`](RunEvent::RoundsPlanned) follows.
    Confirming {
        cells: &'a [Cell],
    },
    /// A look left a metric undecided, so there will be more rounds.
    MoreRoundsPlanned {
        /// How many looks have been made.
        look: usize,
        /// The additional visits before the next look.
        visits: usize,
    },
    /// A stack is being started for a round.
    RoundStarted {
        /// Counted from 0.
        block: u32,
        load: &'a str,
        stack: &'a str,
    },
    RoundEnded {
        round: &'a RoundRecord,
    },
    /// A stack could not be started or stopped, or its driver could not run.
    Failed {
        stack: &'a str,
        error: &'a str,
    },
}

/// Observes the events of a run.
pub trait RunObserver {
    /// Receives every event, in order.
    fn on_event(&mut self, event: &RunEvent<'_>);

    /// Whether it receives interim records, which take time to make.
    fn wants_interim_records(&self) -> bool {
        false
    }

    /// Receives what the run has established so far, before the event that adds to it.
    fn on_interim_record(&mut self, _record: &Record) {}
}

/// Ignores all events.
impl RunObserver for () {
    fn on_event(&mut self, _event: &RunEvent<'_>) {}
}
