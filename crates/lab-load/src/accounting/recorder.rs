//! Records the requests of a closed loop and decides which of them belong to the measured window.
//!
//! A request counts if it *ended* within the window, whatever its outcome. One that was sent before the window's end
//! and had not ended by then is unfinished. The instants passed in decide, not the moment at which a timer fires: a
//! late timer moves no request into or out of the window.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;

use super::outcome::{MAX_DETAILS, RequestOutcome};
use super::seconds::{SecondsCounter, SecondsTable};
use super::window::Window;
use crate::wire::{ErrorClass, Ledger, SecondRow, histogram};

/// Fills a ledger from the many tasks of one thread.
///
/// The lock exists because goose's tasks may in principle move between threads; on one thread it is never contended. It
/// is held for a few additions and never across an await. Drivers with several threads have a recorder for each and add
/// up their ledgers; a [`SecondsTable`] merges their seconds.
#[derive(Debug)]
pub struct Recorder {
    counts: Mutex<Counts>,
    table: Arc<SecondsTable>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::new(Arc::new(SecondsTable::new(1)))
    }
}

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
    seconds: SecondsCounter,
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
            service_time_us: histogram::empty(),
            failed_time_us: histogram::empty(),
            seconds: SecondsCounter::default(),
        }
    }
}

impl Recorder {
    /// For one of the threads that share `table`.
    #[must_use]
    pub fn new(table: Arc<SecondsTable>) -> Recorder {
        Recorder { counts: Mutex::default(), table }
    }

    /// Sets the window, which must not have opened yet. Before it is set, everything is warm-up.
    pub fn set_window(&self, window: Window) {
        self.counts().window = Some(window);
    }

    /// Records that a request is sent at `at`.
    pub fn started(&self, at: Instant) {
        let mut counts = self.counts();
        if counts.window.is_none_or(|window| at < window.closes) {
            counts.started += 1;
        }
    }

    /// Records that the request sent at `started` ended at `ended`.
    pub fn ended(&self, started: Instant, ended: Instant, outcome: RequestOutcome) {
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
            RequestOutcome::Ok { .. } => &mut counts.service_time_us,
            RequestOutcome::Failed { .. } => &mut counts.failed_time_us,
        };
        times.saturating_record(us);
        if let Some(window) = counts.window {
            counts.seconds.record(window, &self.table, ended, outcome.is_ok(), us);
        }
        match outcome {
            RequestOutcome::Ok { body_bytes } => {
                counts.ok += 1;
                counts.body_bytes += body_bytes;
            }
            RequestOutcome::Failed { class, detail } => {
                *counts.failed.entry(class).or_default() += 1;
                if counts.details.len() < MAX_DETAILS {
                    counts.details.extend(detail);
                }
            }
        }
    }

    /// The ledger, once the window has closed, with the messages of failures whose class is not specific enough. The
    /// seconds are in the table. `None` if no window was set.
    #[must_use]
    pub fn ledger(&self) -> Option<(Ledger, Vec<String>)> {
        let mut counts = self.counts();
        let window = counts.window?;
        counts.seconds.finish(window, &self.table);
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

    /// The rows of the window's seconds, once [`ledger`](Self::ledger) has been called for every thread of the table.
    #[must_use]
    pub fn rows(&self) -> Vec<SecondRow> {
        self.table.rows(None)
    }

    /// A task that panicked while recording leaves usable counts behind, so poisoning is ignored.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const OK: RequestOutcome = RequestOutcome::Ok { body_bytes: 10 };

    fn refused() -> RequestOutcome {
        RequestOutcome::failed(ErrorClass::ConnectRefused)
    }

    /// A recorder of a window of 1 s that opens 1 s after the returned instant.
    fn recorder() -> (Recorder, Instant) {
        let start = Instant::now();
        let recorder = Recorder::default();
        recorder.set_window(Window { opens: start + Duration::from_secs(1), closes: start + Duration::from_secs(2) });
        (recorder, start)
    }

    /// One request from one instant to another, in milliseconds.
    fn request(recorder: &Recorder, start: Instant, from: u64, to: u64, outcome: RequestOutcome) {
        let (from, to) = (start + Duration::from_millis(from), start + Duration::from_millis(to));
        recorder.started(from);
        recorder.ended(from, to, outcome);
    }

    #[test]
    fn requests_ending_within_the_window_count() {
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
    fn requests_under_way_are_unfinished() {
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
    fn few_failure_details_are_kept() {
        let (recorder, start) = recorder();
        for number in 0..20 {
            let outcome =
                RequestOutcome::Failed { class: ErrorClass::ClientOther, detail: Some(format!("odd {number}")) };
            request(&recorder, start, 1100, 1200, outcome);
        }
        let (ledger, details) = recorder.ledger().unwrap();
        assert_eq!(ledger.failed, BTreeMap::from([(ErrorClass::ClientOther, 20)]));
        assert_eq!(details.len(), 5);
    }
}
