//! The counts of one thread of an open loop. Pure: every instant is passed in.
//!
//! A request belongs to the window in which it was scheduled, and counts under exactly one heading: good, failed, shed
//! or unsent. A request scheduled in the warm-up counts only in the second in which it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::outcome::{MAX_DETAILS, RequestOutcome};
use super::seconds::{SecondsCounter, SecondsTable};
use super::window::Window;
use crate::wire::histogram::rounded_us;
use crate::wire::{Ledger, OpenLedger, RateLedger, Stage};

/// One arrival of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScheduledArrival {
    /// The scheduled instant.
    pub(crate) at: Instant,
    /// Whether it belongs to the window; otherwise to the warm-up.
    pub(crate) is_measured: bool,
    /// The index of its rate, where the window has several.
    pub(crate) rate: Option<usize>,
}

/// One request that was sent, or could not be for lack of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) arrival: ScheduledArrival,
    /// Whether it is the arrival's first; the later calls of a session have no scheduled instant.
    pub(crate) is_first: bool,
    /// When it was sent; `None` without a connection.
    pub(crate) sent: Option<Instant>,
    /// When the driver began to work on it.
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// The counts of one thread.
#[derive(Debug)]
pub(crate) struct Tally {
    window: Window,
    table: Arc<SecondsTable>,
    seconds: SecondsCounter,
    ledger: Ledger,
    open: OpenLedger,
    /// The instant at which each rate begins, where the window has several.
    rates_begin: Vec<Instant>,
    connections_opened: u64,
    details: Vec<String>,
}

/// The final counts of one thread of a driver.
#[derive(Debug)]
pub(crate) struct ThreadCounts {
    pub(crate) ledger: Ledger,
    /// Connections opened before the window's end, or for its requests.
    pub(crate) connections_opened: u64,
    /// Messages of the first few failures whose class is not specific enough.
    pub(crate) details: Vec<String>,
}

impl Tally {
    /// `rates` are the window's rates, each with the instant it begins.
    pub(crate) fn new(window: Window, table: Arc<SecondsTable>, rates: &[(Instant, Stage)]) -> Tally {
        // A single rate is the whole window, which the ledger covers.
        let rates = if rates.len() > 1 { rates } else { &[] };
        let mut open = OpenLedger::empty();
        open.rates = rates.iter().map(|(_, rate)| RateLedger::empty(rate.rate_per_s, rate.lasts)).collect();
        Tally {
            window,
            table,
            seconds: SecondsCounter::default(),
            ledger: Ledger::empty(window.length()),
            open,
            rates_begin: rates.iter().map(|(begins, _)| *begins).collect(),
            connections_opened: 0,
            details: Vec::new(),
        }
    }

    /// Counts an arrival of `calls` requests at its scheduled instant.
    pub(crate) fn scheduled(&mut self, at: Instant, calls: u64) -> ScheduledArrival {
        let is_measured = self.window.contains(at);
        let rate = if is_measured { self.rate_at(at) } else { None };
        if is_measured {
            self.open.scheduled += calls;
        }
        let arrival = ScheduledArrival { at, is_measured, rate };
        self.with_rate(arrival, |rate| rate.scheduled += calls);
        arrival
    }

    /// The index of the rate at this instant, where the window has several.
    fn rate_at(&self, instant: Instant) -> Option<usize> {
        self.rates_begin.partition_point(|begins| *begins <= instant).checked_sub(1)
    }

    /// Updates the ledger of the rate that an arrival belongs to.
    fn with_rate(&mut self, arrival: ScheduledArrival, update: impl FnOnce(&mut RateLedger)) {
        if let Some(rate) = arrival.rate.and_then(|rate| self.open.rates.get_mut(rate)) {
            update(rate);
        }
    }

    /// Records that the driver acted `late` after the scheduled instant.
    pub(crate) fn lag(&mut self, arrival: ScheduledArrival, late: Duration) {
        let late_us = rounded_us(late);
        if arrival.is_measured {
            self.open.lag_us.saturating_record(late_us);
        }
        self.with_rate(arrival, |rate| rate.lag_us.saturating_record(late_us));
    }

    /// Counts `calls` requests that the driver refused because too many were open.
    pub(crate) fn shed(&mut self, arrival: ScheduledArrival, calls: u64) {
        if arrival.is_measured {
            self.open.shed += calls;
        }
        self.with_rate(arrival, |rate| rate.shed += calls);
    }

    /// Counts `calls` later requests of a session that will not be sent.
    pub(crate) fn unsent(&mut self, arrival: ScheduledArrival, calls: u64) {
        if arrival.is_measured {
            self.open.unsent += calls;
        }
        self.with_rate(arrival, |rate| rate.unsent += calls);
    }

    /// Counts an arrival of `calls` requests that waited until `now` without being sent.
    pub(crate) fn given_up(&mut self, arrival: ScheduledArrival, calls: u64, now: Instant) {
        let waited_us = rounded_us(now.saturating_duration_since(arrival.at));
        if arrival.is_measured {
            self.open.unsent += calls;
            self.open.response_time_us.saturating_record(waited_us);
        }
        self.with_rate(arrival, |rate| {
            rate.unsent += calls;
            rate.response_time_us.saturating_record(waited_us);
        });
    }

    /// Records a connection that took `time` to open.
    pub(crate) fn connected(&mut self, arrival: ScheduledArrival, now: Instant, time: Duration) {
        if arrival.is_measured {
            self.open.connect_time_us.saturating_record(rounded_us(time));
        }
        if arrival.is_measured || now < self.window.closes {
            self.connections_opened += 1;
        }
    }

    /// Counts a request that has ended.
    pub(crate) fn ended(&mut self, call: &Call, outcome: RequestOutcome) {
        let Call { arrival, ended, .. } = *call;
        let since = |instant: Instant| rounded_us(ended.saturating_duration_since(instant));
        let is_ok = outcome.is_ok();
        let shown_us = if call.is_first { since(arrival.at) } else { since(call.began) };
        self.seconds.record(self.window, &self.table, ended, is_ok, shown_us);
        if is_ok && self.window.contains(ended) {
            self.ledger.answered += 1;
            let rate = self.rate_at(ended).and_then(|rate| self.open.rates.get_mut(rate));
            rate.into_iter().for_each(|rate| rate.answered += 1);
        }
        if !arrival.is_measured {
            return;
        }
        if call.is_first {
            let took_us = since(arrival.at);
            self.open.response_time_us.saturating_record(took_us);
            self.with_rate(arrival, |rate| rate.response_time_us.saturating_record(took_us));
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
            RequestOutcome::Ok { body_bytes } => {
                self.ledger.ok += 1;
                self.with_rate(arrival, |rate| rate.ok += 1);
                self.ledger.body_bytes = self.ledger.body_bytes.map(|sum| sum + body_bytes);
            }
            RequestOutcome::Failed { class, detail } => {
                *self.ledger.failed.entry(class).or_default() += 1;
                self.with_rate(arrival, |rate| *rate.failed.entry(class).or_default() += 1);
                if self.details.len() < MAX_DETAILS {
                    self.details.extend(detail);
                }
            }
        }
    }

    /// Takes the counts, once every arrival has ended. The seconds are in the table.
    pub(crate) fn finish(&mut self) -> ThreadCounts {
        self.seconds.finish(self.window, &self.table);
        let mut ledger = std::mem::replace(&mut self.ledger, Ledger::empty(self.window.length()));
        ledger.open = Some(std::mem::replace(&mut self.open, OpenLedger::empty()));
        let details = std::mem::take(&mut self.details);
        ThreadCounts { ledger, connections_opened: self.connections_opened, details }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::wire::ErrorClass;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn scheduled_requests_count_under_one_heading() {
        let start = Instant::now();
        let table = Arc::new(SecondsTable::new(1));
        let mut tally = Tally::new(Window { opens: start + ms(1000), closes: start + ms(2000) }, table.clone(), &[]);
        let mut call = |at: u64, ended: u64, outcome: RequestOutcome| {
            let arrival = tally.scheduled(start + ms(at), 1);
            tally.lag(arrival, ms(1));
            let (sent, ended) = (start + ms(at + 5), start + ms(ended));
            tally.connected(arrival, sent, ms(4));
            tally.ended(&Call { arrival, is_first: true, sent: Some(sent), began: sent, ended }, outcome);
        };
        let ok = RequestOutcome::Ok { body_bytes: 10 };
        call(999, 1200, ok.clone()); // scheduled in the warm-up, ended within the window
        call(1000, 1900, ok.clone());
        call(1999, 2500, ok); // scheduled in the window, ended after it
        call(1500, 3500, RequestOutcome::failed(ErrorClass::TimeoutBody));
        for calls in [2, 3] {
            let arrival = tally.scheduled(start + ms(1600), calls);
            tally.shed(arrival, calls);
        }
        let arrival = tally.scheduled(start + ms(1700), 4);
        tally.given_up(arrival, 4, start + ms(2700));
        let ThreadCounts { ledger, connections_opened: opened, .. } = tally.finish();
        assert!(ledger.adds_up());
        let open = ledger.open.as_ref().unwrap();
        assert_eq!((open.scheduled, open.shed, open.unsent), (12, 5, 4));
        assert_eq!((ledger.ok, ledger.failures(), ledger.answered), (2, 1, 2));
        assert_eq!(open.response_time_us.len(), 4, "all except those shed");
        assert_eq!(open.response_time_us.max() / 100_000, 20, "the timeout counts with the time waited");
        assert_eq!((ledger.service_time_us.len(), ledger.failed_time_us.len()), (2, 1));
        assert_eq!(ledger.failed_time_us.max() / 1000, 1995);
        assert_eq!((open.lag_us.len(), open.connect_time_us.len(), opened), (3, 3, 4));
        assert_eq!(table.rows(None)[0].answered, 2);
    }

    #[test]
    fn later_session_calls_are_kept_apart() {
        let start = Instant::now();
        let table = Arc::new(SecondsTable::new(1));
        let mut tally = Tally::new(Window { opens: start, closes: start + ms(1000) }, table, &[]);
        let arrival = tally.scheduled(start, 3);
        for (is_first, from, to) in [(true, 10, 30), (false, 30, 31)] {
            let (began, ended) = (start + ms(from), start + ms(to));
            tally.ended(
                &Call { arrival, is_first, sent: Some(began), began, ended },
                RequestOutcome::Ok { body_bytes: 0 },
            );
        }
        tally.unsent(arrival, 1);
        let ledger = tally.finish().ledger;
        assert!(ledger.adds_up());
        let open = ledger.open.unwrap();
        assert_eq!(ledger.service_time_us.len(), 1);
        assert_eq!((open.later_calls_us.len(), open.later_calls_us.max()), (1, 1000));
        assert_eq!((open.response_time_us.len(), open.response_time_us.max() / 1000), (1, 30));
    }

    #[test]
    fn ramp_rates_count_by_scheduled_instant() {
        let start = Instant::now();
        let rate = |per_s| Stage { rate_per_s: NonZeroU32::new(per_s).unwrap(), lasts: ms(500) };
        let rates = [(start + ms(1000), rate(2)), (start + ms(1500), rate(4))];
        let window = Window { opens: start + ms(1000), closes: start + ms(2000) };
        let mut tally = Tally::new(window, Arc::new(SecondsTable::new(1)), &rates);
        let timeout = RequestOutcome::failed(ErrorClass::TimeoutBody);
        for (at, outcome) in [
            (999, RequestOutcome::Ok { body_bytes: 1 }), // of the warm-up
            (1000, RequestOutcome::Ok { body_bytes: 1 }),
            (1499, RequestOutcome::Ok { body_bytes: 1 }), // ends while the next rate has begun
            (1500, timeout),
        ] {
            let arrival = tally.scheduled(start + ms(at), 1);
            let (sent, ended) = (start + ms(at + 5), start + ms(at + 40));
            tally.ended(&Call { arrival, is_first: true, sent: Some(sent), began: sent, ended }, outcome);
        }
        let arrival = tally.scheduled(start + ms(1600), 3);
        tally.shed(arrival, 3);
        let arrival = tally.scheduled(start + ms(1700), 2);
        tally.given_up(arrival, 2, start + ms(2700));
        let rates = tally.finish().ledger.open.unwrap().rates;
        let counts: Vec<_> = rates.iter().map(|rate| (rate.scheduled, rate.ok, rate.shed, rate.unsent)).collect();
        assert_eq!(counts, [(2, 2, 0, 0), (6, 0, 3, 2)]);
        let answered: Vec<u64> = rates.iter().map(|rate| rate.answered).collect();
        assert_eq!(answered, [2, 1], "by the instant at which the response ended");
        assert_eq!(rates[1].failed.values().sum::<u64>(), 1);
        assert_eq!((rates[0].response_time_us.max() / 1000, rates[1].response_time_us.len()), (40, 2));
    }
}
