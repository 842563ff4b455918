//! What one thread of an open loop counts. Pure: every instant is passed in.
//!
//! A request belongs to the window in which it was scheduled, and is counted in exactly one place: as good, as failed,
//! as shed or as unsent. What was scheduled in the warm-up is counted nowhere but among the answers of the seconds in
//! which it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::histogram::rounded_us;
use crate::ledger::{Ledger, OpenLedger, RateLedger};
use crate::plan::Stretch;
use crate::recorder::{DETAILS_KEPT, Outcome, Window};
use crate::seconds::{Board, Seconds};

/// An arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// Its scheduled instant.
    pub(super) at: Instant,
    /// Whether it belongs to the window, or to the warm-up.
    pub(super) is_measured: bool,
    /// Which of the window's rates it belongs to, where there are several.
    pub(super) rate: Option<usize>,
}

/// One request that was sent or could not be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// Its arrival.
    pub(super) due: Due,
    /// Whether it is the arrival's first; the later calls of a session have no scheduled instant.
    pub(super) is_first: bool,
    /// When it was sent; `None` if there was no connection to send it on.
    pub(super) sent: Option<Instant>,
    /// When the driver took it up.
    pub(super) began: Instant,
    /// When it ended.
    pub(super) ended: Instant,
}

/// The counts of one thread.
#[derive(Debug)]
pub(super) struct Tally {
    window: Window,
    board: Arc<Board>,
    seconds: Seconds,
    ledger: Ledger,
    open: OpenLedger,
    /// When each of the window's rates begins, where there are several.
    rates_begin: Vec<Instant>,
    connections_opened: u64,
    details: Vec<String>,
}

/// What one thread of a driver came to.
#[derive(Debug)]
pub(super) struct Counted {
    /// Its part of the ledger.
    pub(super) ledger: Ledger,
    /// Connections that came about up to the window's end, or for its requests.
    pub(super) connections_opened: u64,
    /// What was said about the first few failures of no class.
    pub(super) details: Vec<String>,
}

impl Tally {
    /// Of nothing yet. `rates` are the window's, each with the instant it begins.
    pub(super) fn new(window: Window, board: Arc<Board>, rates: &[(Instant, Stretch)]) -> Tally {
        // one rate is the whole window, which is counted anyway
        let rates = if rates.len() > 1 { rates } else { &[] };
        let mut open = OpenLedger::empty();
        open.rates = rates.iter().map(|(_, rate)| RateLedger::empty(rate.rate_per_s, rate.lasts)).collect();
        Tally {
            window,
            board,
            seconds: Seconds::default(),
            ledger: Ledger::empty(window.length()),
            open,
            rates_begin: rates.iter().map(|(begins, _)| *begins).collect(),
            connections_opened: 0,
            details: Vec::new(),
        }
    }

    /// An arrival of `calls` requests is due.
    pub(super) fn scheduled(&mut self, at: Instant, calls: u64) -> Due {
        let is_measured = at >= self.window.opens && at < self.window.closes;
        let rate = if is_measured { self.rate_at(at) } else { None };
        if is_measured {
            self.open.scheduled += calls;
        }
        let due = Due { at, is_measured, rate };
        self.with_rate(due, |rate| rate.scheduled += calls);
        due
    }

    /// Which of the window's rates it had at this instant, if it has several.
    fn rate_at(&self, instant: Instant) -> Option<usize> {
        self.rates_begin.partition_point(|begins| *begins <= instant).checked_sub(1)
    }

    /// Notes something of the rate that an arrival belongs to.
    fn with_rate(&mut self, due: Due, note: impl FnOnce(&mut RateLedger)) {
        if let Some(rate) = due.rate.and_then(|rate| self.open.rates.get_mut(rate)) {
            note(rate);
        }
    }

    /// The driver was `late` to act for an arrival.
    pub(super) fn lag(&mut self, due: Due, late: Duration) {
        let late_us = rounded_us(late);
        if due.is_measured {
            self.open.lag_us.saturating_record(late_us);
        }
        self.with_rate(due, |rate| rate.lag_us.saturating_record(late_us));
    }

    /// An arrival of `calls` requests was refused: too many were open.
    pub(super) fn shed(&mut self, due: Due, calls: u64) {
        if due.is_measured {
            self.open.shed += calls;
        }
        self.with_rate(due, |rate| rate.shed += calls);
    }

    /// `calls` later requests of an arrival are not sent any more.
    pub(super) fn unsent(&mut self, due: Due, calls: u64) {
        if due.is_measured {
            self.open.unsent += calls;
        }
        self.with_rate(due, |rate| rate.unsent += calls);
    }

    /// An arrival of `calls` requests has waited until `now` for nothing.
    pub(super) fn given_up(&mut self, due: Due, calls: u64, now: Instant) {
        let waited_us = rounded_us(now.saturating_duration_since(due.at));
        if due.is_measured {
            self.open.unsent += calls;
            self.open.response_time_us.saturating_record(waited_us);
        }
        self.with_rate(due, |rate| {
            rate.unsent += calls;
            rate.response_time_us.saturating_record(waited_us);
        });
    }

    /// A connection came about, `time` after it was asked for.
    pub(super) fn connected(&mut self, due: Due, now: Instant, time: Duration) {
        if due.is_measured {
            self.open.connect_time_us.saturating_record(rounded_us(time));
        }
        if due.is_measured || now < self.window.closes {
            self.connections_opened += 1;
        }
    }

    /// A request ended.
    pub(super) fn ended(&mut self, call: &Call, outcome: Outcome) {
        let Call { due, ended, .. } = *call;
        let since = |instant: Instant| rounded_us(ended.saturating_duration_since(instant));
        let is_ok = matches!(outcome, Outcome::Ok { .. });
        let shown_us = if call.is_first { since(due.at) } else { since(call.began) };
        self.seconds.ended(self.window, &self.board, ended, is_ok, shown_us);
        if is_ok && ended >= self.window.opens && ended < self.window.closes {
            self.ledger.answered += 1;
            let rate = self.rate_at(ended).and_then(|rate| self.open.rates.get_mut(rate));
            rate.into_iter().for_each(|rate| rate.answered += 1);
        }
        if !due.is_measured {
            return;
        }
        if call.is_first {
            let took_us = since(due.at);
            self.open.response_time_us.saturating_record(took_us);
            self.with_rate(due, |rate| rate.response_time_us.saturating_record(took_us));
        }
        if let Some(sent) = call.sent {
            let times = match (is_ok, call.is_first) {
                (false, _) => &mut self.ledger.failed_time_us,
                (true, true) => &mut self.ledger.service_time_us,
                (true, false) => &mut self.open.later_calls_us,
            };
            times.saturating_record(since(sent));
        }
        match outcome {
            Outcome::Ok { body_bytes } => {
                self.ledger.ok += 1;
                self.with_rate(due, |rate| rate.ok += 1);
                self.ledger.body_bytes = self.ledger.body_bytes.map(|sum| sum + body_bytes);
            }
            Outcome::Failed { class, detail } => {
                *self.ledger.failed.entry(class).or_default() += 1;
                self.with_rate(due, |rate| *rate.failed.entry(class).or_default() += 1);
                if self.details.len() < DETAILS_KEPT {
                    self.details.extend(detail);
                }
            }
        }
    }

    /// The sum, when every arrival has ended somewhere; nothing is left. The seconds are on the board.
    pub(super) fn finish(&mut self) -> Counted {
        self.seconds.finish(self.window, &self.board);
        let mut ledger = std::mem::replace(&mut self.ledger, Ledger::empty(self.window.length()));
        ledger.open = Some(std::mem::replace(&mut self.open, OpenLedger::empty()));
        let details = std::mem::take(&mut self.details);
        Counted { ledger, connections_opened: self.connections_opened, details }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::ledger::ErrorClass;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_is_scheduled_within_the_window_ends_in_exactly_one_place() {
        let start = Instant::now();
        let board = Arc::new(Board::new(1));
        let mut tally = Tally::new(Window { opens: start + ms(1000), closes: start + ms(2000) }, board.clone(), &[]);
        let mut call = |at: u64, ended: u64, outcome: Outcome| {
            let due = tally.scheduled(start + ms(at), 1);
            tally.lag(due, ms(1));
            let (sent, ended) = (start + ms(at + 5), start + ms(ended));
            tally.connected(due, sent, ms(4));
            tally.ended(&Call { due, is_first: true, sent: Some(sent), began: sent, ended }, outcome);
        };
        let ok = Outcome::Ok { body_bytes: 10 };
        call(999, 1200, ok.clone()); // of the warm-up, answered within the window
        call(1000, 1900, ok.clone());
        call(1999, 2500, ok); // of the window, answered after it
        call(1500, 3500, Outcome::Failed { class: ErrorClass::TimeoutBody, detail: None });
        for calls in [2, 3] {
            let due = tally.scheduled(start + ms(1600), calls);
            tally.shed(due, calls);
        }
        let due = tally.scheduled(start + ms(1700), 4);
        tally.given_up(due, 4, start + ms(2700));
        let Counted { ledger, connections_opened: opened, .. } = tally.finish();
        assert!(ledger.adds_up());
        let open = ledger.open.as_ref().unwrap();
        assert_eq!((open.scheduled, open.shed, open.unsent), (12, 5, 4));
        assert_eq!((ledger.ok, ledger.failures(), ledger.answered), (2, 1, 2));
        assert_eq!(open.response_time_us.len(), 4, "all but what was shed");
        assert_eq!(open.response_time_us.max() / 100_000, 20, "the timeout, as long as it was waited for");
        assert_eq!((ledger.service_time_us.len(), ledger.failed_time_us.len()), (2, 1));
        assert_eq!(ledger.failed_time_us.max() / 1000, 1995);
        assert_eq!((open.lag_us.len(), open.connect_time_us.len(), opened), (3, 3, 4));
        assert_eq!(board.rows(None)[0].answered, 2);
    }

    #[test]
    fn later_calls_of_a_session_stand_apart() {
        let start = Instant::now();
        let board = Arc::new(Board::new(1));
        let mut tally = Tally::new(Window { opens: start, closes: start + ms(1000) }, board, &[]);
        let due = tally.scheduled(start, 3);
        for (is_first, from, to) in [(true, 10, 30), (false, 30, 31)] {
            let (began, ended) = (start + ms(from), start + ms(to));
            tally.ended(&Call { due, is_first, sent: Some(began), began, ended }, Outcome::Ok { body_bytes: 0 });
        }
        tally.unsent(due, 1);
        let ledger = tally.finish().ledger;
        assert!(ledger.adds_up());
        let open = ledger.open.unwrap();
        assert_eq!(ledger.service_time_us.len(), 1);
        assert_eq!((open.later_calls_us.len(), open.later_calls_us.max()), (1, 1000));
        assert_eq!((open.response_time_us.len(), open.response_time_us.max() / 1000), (1, 30));
    }

    #[test]
    fn each_rate_of_a_ramp_has_its_own_ledger_by_the_scheduled_instant() {
        let start = Instant::now();
        let rate = |per_s| Stretch { rate_per_s: NonZeroU32::new(per_s).unwrap(), lasts: ms(500) };
        let rates = [(start + ms(1000), rate(2)), (start + ms(1500), rate(4))];
        let window = Window { opens: start + ms(1000), closes: start + ms(2000) };
        let mut tally = Tally::new(window, Arc::new(Board::new(1)), &rates);
        let timeout = Outcome::Failed { class: ErrorClass::TimeoutBody, detail: None };
        for (at, outcome) in [
            (999, Outcome::Ok { body_bytes: 1 }), // of the warm-up
            (1000, Outcome::Ok { body_bytes: 1 }),
            (1499, Outcome::Ok { body_bytes: 1 }), // ends while the next rate has begun
            (1500, timeout),
        ] {
            let due = tally.scheduled(start + ms(at), 1);
            let (sent, ended) = (start + ms(at + 5), start + ms(at + 40));
            tally.ended(&Call { due, is_first: true, sent: Some(sent), began: sent, ended }, outcome);
        }
        let due = tally.scheduled(start + ms(1600), 3);
        tally.shed(due, 3);
        let due = tally.scheduled(start + ms(1700), 2);
        tally.given_up(due, 2, start + ms(2700));
        let rates = tally.finish().ledger.open.unwrap().rates;
        let counts: Vec<_> = rates.iter().map(|rate| (rate.scheduled, rate.ok, rate.shed, rate.unsent)).collect();
        assert_eq!(counts, [(2, 2, 0, 0), (6, 0, 3, 2)]);
        let answered: Vec<u64> = rates.iter().map(|rate| rate.answered).collect();
        assert_eq!(answered, [2, 1], "by the instant at which the answer ended");
        assert_eq!(rates[1].failed.values().sum::<u64>(), 1);
        assert_eq!((rates[0].response_time_us.max() / 1000, rates[1].response_time_us.len()), (40, 2));
    }
}
