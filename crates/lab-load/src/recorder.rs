//! Records requests while they happen and decides which of them belong to the measured window.
//!
//! A request counts if it *ended* within the window, whatever it came to. One that was sent before the window's end
//! and had not ended by then is unfinished. Both are decided by the instants given here, not by when some timer
//! happened to fire, so a late timer moves no request into or out of the window.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::histogram;
use crate::ledger::{ErrorClass, Ledger};
use crate::seconds::{Board, SecondRow, Seconds};

/// The measured window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first instant that belongs to it.
    pub opens: Instant,
    /// The first instant that no longer does.
    pub closes: Instant,
}

impl Window {
    /// Its length.
    #[must_use]
    pub fn length(self) -> Duration {
        self.closes - self.opens
    }
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A complete answer with a status of 2xx or 3xx.
    Ok {
        /// Bytes of its body.
        body_bytes: u64,
    },
    /// Anything else.
    Failed {
        /// How it failed.
        class: ErrorClass,
        /// What the client library said, where the class does not.
        detail: Option<String>,
    },
}

/// Fills a ledger from the many tasks of one thread.
///
/// The lock is there because tasks may in principle move between threads; on one thread it is free whenever it is
/// asked for. It is held for the time of a few additions and never across a wait. Drivers with several threads have
/// a recorder for each and add up their ledgers; the rows of the seconds are put together on a [`Board`].
#[derive(Debug)]
pub struct Recorder {
    counts: Mutex<Counts>,
    board: Arc<Board>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new(Arc::new(Board::new(1)))
    }
}

/// How many details are kept of failures that no class describes.
pub(super) const DETAILS_KEPT: usize = 5;

#[derive(Debug)]
struct Counts {
    window: Option<Window>,
    /// Requests sent before the window's end.
    started: u64,
    /// Requests ended before the window's end.
    ended: u64,
    ok: u64,
    failed: BTreeMap<ErrorClass, u64>,
    details: Vec<String>,
    body_bytes: u64,
    service_time_us: Histogram<u64>,
    failed_time_us: Histogram<u64>,
    seconds: Seconds,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            window: None,
            started: 0,
            ended: 0,
            ok: 0,
            failed: BTreeMap::new(),
            details: Vec::new(),
            body_bytes: 0,
            service_time_us: histogram::of_times_us(),
            failed_time_us: histogram::of_times_us(),
            seconds: Seconds::default(),
        }
    }
}

impl Recorder {
    /// One of the threads that share `board`.
    #[must_use]
    pub fn new(board: Arc<Board>) -> Recorder {
        Recorder { counts: Mutex::default(), board }
    }

    /// Sets the window, which must not have opened yet. Before it is set, everything is warm-up.
    pub fn set_window(&self, window: Window) {
        self.counts().window = Some(window);
    }

    /// Takes note that a request is sent at `at`.
    pub fn started(&self, at: Instant) {
        let mut counts = self.counts();
        if counts.window.is_none_or(|window| at < window.closes) {
            counts.started += 1;
        }
    }

    /// Takes note that the request which was sent at `started` ended at `ended`.
    pub fn ended(&self, started: Instant, ended: Instant, outcome: Outcome) {
        let mut counts = self.counts();
        if counts.window.is_some_and(|window| ended >= window.closes) {
            return;
        }
        counts.ended += 1;
        if counts.window.is_none_or(|window| ended < window.opens) {
            return;
        }
        let us = histogram::rounded_us(ended.saturating_duration_since(started));
        let times = match outcome {
            Outcome::Ok { .. } => &mut counts.service_time_us,
            Outcome::Failed { .. } => &mut counts.failed_time_us,
        };
        times.saturating_record(us);
        if let Some(window) = counts.window {
            counts.seconds.ended(window, &self.board, ended, matches!(outcome, Outcome::Ok { .. }), us);
        }
        match outcome {
            Outcome::Ok { body_bytes } => {
                counts.ok += 1;
                counts.body_bytes += body_bytes;
            }
            Outcome::Failed { class, detail } => {
                *counts.failed.entry(class).or_default() += 1;
                if counts.details.len() < DETAILS_KEPT {
                    counts.details.extend(detail);
                }
            }
        }
    }

    /// The ledger, to be asked for after the window has closed, with what was said about failures of no class.
    /// The seconds are on the board. `None` if no window was set.
    #[must_use]
    pub fn ledger(&self) -> Option<(Ledger, Vec<String>)> {
        let mut counts = self.counts();
        let window = counts.window?;
        counts.seconds.finish(window, &self.board);
        let ledger = Ledger {
            ok: counts.ok,
            failed: counts.failed.clone(),
            unfinished: counts.started - counts.ended,
            answered: counts.ok,
            body_bytes: Some(counts.body_bytes),
            service_time_us: counts.service_time_us.clone(),
            failed_time_us: counts.failed_time_us.clone(),
            ..Ledger::empty(window.length())
        };
        Some((ledger, counts.details.clone()))
    }

    /// The rows of the window's seconds, once every thread of the board has been asked for its ledger.
    #[must_use]
    pub fn rows(&self) -> Vec<SecondRow> {
        self.board.rows(None)
    }

    /// A task that panicked while recording leaves counts that are still counts.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Outcome = Outcome::Ok { body_bytes: 10 };

    fn refused() -> Outcome {
        Outcome::Failed { class: ErrorClass::ConnectRefused, detail: None }
    }

    /// A recorder of a window of 1 s that opens 1 s after the returned instant.
    fn recorder() -> (Recorder, Instant) {
        let start = Instant::now();
        let recorder = Recorder::default();
        recorder.set_window(Window { opens: start + Duration::from_secs(1), closes: start + Duration::from_secs(2) });
        (recorder, start)
    }

    /// One request from one instant to another, in milliseconds.
    fn request(recorder: &Recorder, start: Instant, from: u64, to: u64, outcome: Outcome) {
        let (from, to) = (start + Duration::from_millis(from), start + Duration::from_millis(to));
        recorder.started(from);
        recorder.ended(from, to, outcome);
    }

    #[test]
    fn what_ends_within_the_window_counts() {
        let (recorder, start) = recorder();
        request(&recorder, start, 100, 999, OK); // ended in the warm-up
        request(&recorder, start, 999, 1000, OK); // began in the warm-up
        request(&recorder, start, 1000, 1999, refused());
        request(&recorder, start, 1999, 2000, OK); // one instant too late
        request(&recorder, start, 2000, 2001, OK); // after the window
        let (ledger, _) = recorder.ledger().unwrap();
        assert_eq!(ledger.window, Duration::from_secs(1));
        assert_eq!((ledger.ok, ledger.body_bytes), (1, Some(10)));
        assert_eq!(ledger.failed, BTreeMap::from([(ErrorClass::ConnectRefused, 1)]));
        assert_eq!(ledger.unfinished, 1);
        assert_eq!((ledger.service_time_us.len(), ledger.failed_time_us.len()), (1, 1), "failures are kept apart");
        assert_eq!((ledger.service_time_us.min(), ledger.failed_time_us.max() / 1000), (1000, 999));
    }

    #[test]
    fn what_is_still_under_way_is_unfinished() {
        let (recorder, start) = recorder();
        for _ in 0..3 {
            recorder.started(start + Duration::from_millis(1500));
        }
        recorder.started(start + Duration::from_millis(2500));
        assert_eq!(recorder.ledger().unwrap().0.unfinished, 3);
    }

    #[test]
    fn requests_before_the_window_is_set_are_warm_up() {
        let start = Instant::now();
        let recorder = Recorder::default();
        assert_eq!(recorder.ledger(), None);
        request(&recorder, start, 0, 5, OK);
        recorder.started(start);
        let window = Window { opens: start + Duration::from_secs(1), closes: start + Duration::from_secs(2) };
        recorder.set_window(window);
        recorder.ended(start, start + Duration::from_millis(1200), OK);
        let (ledger, _) = recorder.ledger().unwrap();
        assert_eq!((ledger.ok, ledger.unfinished), (1, 0));
        assert_eq!(ledger.service_time_us.len(), 1);
    }

    #[test]
    fn times_are_rounded_to_the_nearest_microsecond() {
        let (recorder, start) = recorder();
        let from = start + Duration::from_millis(1100);
        for nanos in [20_499, 20_500] {
            recorder.started(from);
            recorder.ended(from, from + Duration::from_nanos(nanos), OK);
        }
        let (ledger, _) = recorder.ledger().unwrap();
        assert_eq!((ledger.service_time_us.min(), ledger.service_time_us.max()), (20, 21));
    }

    #[test]
    fn a_few_details_are_kept_of_failures_without_a_class() {
        let (recorder, start) = recorder();
        for number in 0..20 {
            let outcome = Outcome::Failed { class: ErrorClass::ClientOther, detail: Some(format!("odd {number}")) };
            request(&recorder, start, 1100, 1200, outcome);
        }
        let (ledger, details) = recorder.ledger().unwrap();
        assert_eq!(ledger.failed, BTreeMap::from([(ErrorClass::ClientOther, 20)]));
        assert_eq!(details.len(), 5);
    }
}
