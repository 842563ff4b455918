//! Records requests while they happen and decides which of them belong to the measured window.
//!
//! A request counts if it *ended* within the window, whatever it came to. One that was sent before the window's end
//! and had not ended by then is unfinished. Both are decided by the instants given here, not by when some timer
//! happened to fire, so a late timer moves no request into or out of the window.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::histogram;
use super::ledger::{ErrorClass, Ledger};

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

/// Fills a ledger from many tasks at once.
///
/// Sharded: with one shard for each thread's worth of users, the locks are free whenever they are asked for. They
/// are held for the time of a few additions and never across a wait.
#[derive(Debug)]
pub struct Recorder {
    window: OnceLock<Window>,
    shards: Box<[Mutex<Shard>]>,
}

/// How many details are kept of failures that no class describes.
const DETAILS_KEPT: usize = 5;

#[derive(Debug)]
struct Shard {
    /// Requests sent before the window's end.
    started: u64,
    /// Requests ended before the window's end.
    ended: u64,
    ok: u64,
    failed: BTreeMap<ErrorClass, u64>,
    details: Vec<String>,
    body_bytes: u64,
    service_time_us: Histogram<u64>,
}

impl Recorder {
    /// A recorder with `shards` shards, at least one. Before the window is set, nothing is recorded as within it.
    #[must_use]
    pub fn new(shards: usize) -> Recorder {
        let shard = || {
            Mutex::new(Shard {
                started: 0,
                ended: 0,
                ok: 0,
                failed: BTreeMap::new(),
                details: Vec::new(),
                body_bytes: 0,
                service_time_us: histogram::of_times_us(),
            })
        };
        Recorder { window: OnceLock::new(), shards: (0..shards.max(1)).map(|_| shard()).collect() }
    }

    /// Sets the window, which must not have opened yet. Only the first call has an effect.
    pub fn set_window(&self, window: Window) {
        self.window.get_or_init(|| window);
    }

    /// Takes note that `user` sends a request at `at`.
    pub fn started(&self, user: usize, at: Instant) {
        if self.window.get().is_none_or(|window| at < window.closes) {
            self.shard(user).started += 1;
        }
    }

    /// Takes note that the request which `user` sent at `started` ended at `ended`.
    pub fn ended(&self, user: usize, started: Instant, ended: Instant, outcome: Outcome) {
        let window = self.window.get();
        if window.is_some_and(|window| ended >= window.closes) {
            return;
        }
        let mut shard = self.shard(user);
        shard.ended += 1;
        if window.is_none_or(|window| ended < window.opens) {
            return;
        }
        let service_time = ended.saturating_duration_since(started);
        shard.service_time_us.saturating_record(u64::try_from(service_time.as_micros()).unwrap_or(u64::MAX));
        match outcome {
            Outcome::Ok { body_bytes } => {
                shard.ok += 1;
                shard.body_bytes += body_bytes;
            }
            Outcome::Failed { class, detail } => {
                *shard.failed.entry(class).or_default() += 1;
                if shard.details.len() < DETAILS_KEPT {
                    shard.details.extend(detail);
                }
            }
        }
    }

    /// The ledger, to be asked for after the window has closed, with what was said about failures of no class.
    /// `None` if no window was set.
    #[must_use]
    pub fn ledger(&self) -> Option<(Ledger, Vec<String>)> {
        let mut ledger = Ledger {
            window: self.window.get()?.length(),
            ok: 0,
            failed: BTreeMap::new(),
            unfinished: 0,
            body_bytes: 0,
            service_time_us: histogram::of_times_us(),
        };
        let mut details = Vec::new();
        for shard in &self.shards {
            let shard = lock(shard);
            ledger.ok += shard.ok;
            ledger.unfinished += shard.started - shard.ended;
            ledger.body_bytes += shard.body_bytes;
            for (class, count) in &shard.failed {
                *ledger.failed.entry(*class).or_default() += count;
            }
            // OK because all histograms here have the same bounds
            ledger.service_time_us.add(&shard.service_time_us).expect("equal bounds");
            details.extend(shard.details.iter().take(DETAILS_KEPT - details.len()).cloned());
        }
        Some((ledger, details))
    }

    fn shard(&self, user: usize) -> MutexGuard<'_, Shard> {
        lock(&self.shards[user % self.shards.len()])
    }
}

/// A user that panicked while recording leaves counts that are still counts.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: Outcome = Outcome::Ok { body_bytes: 10 };

    fn refused() -> Outcome {
        Outcome::Failed { class: ErrorClass::ConnectRefused, detail: None }
    }

    /// A recorder of a window of 1 s that opens 1 s after the returned instant.
    fn recorder(shards: usize) -> (Recorder, Instant) {
        let start = Instant::now();
        let recorder = Recorder::new(shards);
        recorder.set_window(Window { opens: start + Duration::from_secs(1), closes: start + Duration::from_secs(2) });
        (recorder, start)
    }

    /// One request from one instant to another, in milliseconds.
    fn request(recorder: &Recorder, start: Instant, user: usize, from: u64, to: u64, outcome: Outcome) {
        let (from, to) = (start + Duration::from_millis(from), start + Duration::from_millis(to));
        recorder.started(user, from);
        recorder.ended(user, from, to, outcome);
    }

    #[test]
    fn what_ends_within_the_window_counts() {
        let (recorder, start) = recorder(1);
        request(&recorder, start, 0, 100, 999, OK); // ended in the warm-up
        request(&recorder, start, 0, 999, 1000, OK); // began in the warm-up
        request(&recorder, start, 0, 1000, 1999, refused());
        request(&recorder, start, 0, 1999, 2000, OK); // one instant too late
        request(&recorder, start, 0, 2000, 2001, OK); // after the window
        let (ledger, _) = recorder.ledger().unwrap();
        assert_eq!(ledger.window, Duration::from_secs(1));
        assert_eq!((ledger.ok, ledger.body_bytes), (1, 10));
        assert_eq!(ledger.failed, BTreeMap::from([(ErrorClass::ConnectRefused, 1)]));
        assert_eq!(ledger.unfinished, 1);
        assert_eq!(ledger.service_time_us.len(), 2);
        assert_eq!(ledger.service_time_us.min(), 1000);
    }

    #[test]
    fn what_is_still_under_way_is_unfinished() {
        let (recorder, start) = recorder(2);
        for user in 0..3 {
            recorder.started(user, start + Duration::from_millis(1500));
        }
        recorder.started(3, start + Duration::from_millis(2500));
        assert_eq!(recorder.ledger().unwrap().0.unfinished, 3);
    }

    #[test]
    fn requests_before_the_window_is_set_are_warm_up() {
        let start = Instant::now();
        let recorder = Recorder::new(1);
        assert_eq!(recorder.ledger(), None);
        request(&recorder, start, 0, 0, 5, OK);
        recorder.started(0, start);
        let window = Window { opens: start + Duration::from_secs(1), closes: start + Duration::from_secs(2) };
        recorder.set_window(window);
        recorder.ended(0, start, start + Duration::from_millis(1200), OK);
        let (ledger, _) = recorder.ledger().unwrap();
        assert_eq!((ledger.ok, ledger.unfinished), (1, 0));
        assert_eq!(ledger.service_time_us.len(), 1);
    }

    #[test]
    fn shards_add_up() {
        let (recorder, start) = recorder(3);
        for user in 0..10 {
            request(&recorder, start, user, 1100, 1101 + user as u64, OK);
        }
        let (ledger, _) = recorder.ledger().unwrap();
        assert_eq!((ledger.ok, ledger.service_time_us.len(), ledger.body_bytes), (10, 10, 100));
    }

    #[test]
    fn a_few_details_are_kept_of_failures_without_a_class() {
        let (recorder, start) = recorder(2);
        for user in 0..20 {
            let outcome = Outcome::Failed { class: ErrorClass::ClientOther, detail: Some(format!("odd {user}")) };
            request(&recorder, start, user, 1100, 1200, outcome);
        }
        let (ledger, details) = recorder.ledger().unwrap();
        assert_eq!(ledger.failed, BTreeMap::from([(ErrorClass::ClientOther, 20)]));
        assert_eq!(details.len(), 5);
    }
}
