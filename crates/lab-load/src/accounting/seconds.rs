//! Counts the seconds of a window: a row for each, with the offered load, the outcomes and their times.
//!
//! A request belongs to the second in which it ends. Memory does not grow with the number of requests: each thread
//! keeps only the counts of the current second, and adds them to the [`SecondsTable`] when it is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hdrhistogram::Histogram;

use super::window::Window;
use crate::wire::histogram::{self, HistogramError, HistogramText};
use crate::wire::{SecondRow, SecondTimes, number_of_seconds};

/// Merges the seconds of a driver's threads.
#[derive(Debug)]
pub struct SecondsTable {
    threads: usize,
    /// Whether each second's times are kept, and not only their summary.
    keeps_times: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Seconds that some threads have not submitted yet, with the number of threads that have.
    pending: BTreeMap<usize, (usize, SecondCounts)>,
    rows: BTreeMap<usize, SecondRow>,
    times: BTreeMap<usize, RecordedTimes>,
}

/// The times of a histogram that are not zero, with their counts: a few kilobytes, where a histogram has 170.
type RecordedTimes = Vec<(u64, u64)>;

/// The counts of one second.
#[derive(Debug)]
struct SecondCounts {
    answered: u64,
    failed: u64,
    times_us: Histogram<u64>,
}

impl SecondsTable {
    /// For `threads` threads, each of which submits every second.
    #[must_use]
    pub fn new(threads: usize) -> SecondsTable {
        SecondsTable { threads, keeps_times: false, state: Mutex::default() }
    }

    /// The same for one of several drivers, whose seconds are merged later.
    #[must_use]
    pub fn keeping_times(threads: usize) -> SecondsTable {
        SecondsTable { keeps_times: true, ..SecondsTable::new(threads) }
    }

    /// The times of each row, once every thread is done; empty if they are not kept.
    ///
    /// # Errors
    /// None in practice: a histogram of times can always be encoded.
    pub fn times(&self) -> Result<Vec<HistogramText>, HistogramError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = |times: &RecordedTimes| {
            let mut histogram = histogram::empty();
            for &(us, count) in times {
                histogram.saturating_record_n(us, count);
            }
            HistogramText::new(&histogram)
        };
        state.times.values().map(text).collect()
    }

    /// The rows, once every thread is done. `offered` holds the offered requests of each second, in order.
    #[must_use]
    pub fn rows(&self, offered: Option<&[u64]>) -> Vec<SecondRow> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let with_offer = |(second, row): (&usize, &SecondRow)| SecondRow {
            offered: offered.map(|offered| offered.get(*second).copied().unwrap_or(0)),
            ..row.clone()
        };
        state.rows.iter().map(with_offer).collect()
    }

    fn submit(&self, number: usize, second: &SecondCounts) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.threads == 1 {
            self.complete(&mut state, number, second);
            return;
        }
        let (threads, sum) = state.pending.entry(number).or_insert_with(|| (0, SecondCounts::new()));
        *threads += 1;
        sum.answered += second.answered;
        sum.failed += second.failed;
        histogram::add(&mut sum.times_us, &second.times_us);
        if *threads == self.threads
            && let Some((_, sum)) = state.pending.remove(&number)
        {
            self.complete(&mut state, number, &sum);
        }
    }

    /// Keeps a second that every thread has submitted.
    fn complete(&self, state: &mut State, number: usize, second: &SecondCounts) {
        state.rows.insert(number, second.row());
        if self.keeps_times {
            let recorded = second.times_us.iter_recorded();
            let times = recorded.map(|bucket| (bucket.value_iterated_to(), bucket.count_since_last_iteration()));
            state.times.insert(number, times.collect());
        }
    }
}

/// The summary of a second's times; `None` if nothing ended in it.
pub(super) fn summary(times: &Histogram<u64>) -> Option<SecondTimes> {
    (!times.is_empty()).then(|| SecondTimes {
        p50: times.value_at_quantile(0.50),
        p99: times.value_at_quantile(0.99),
        max: times.max(),
    })
}

impl SecondCounts {
    fn new() -> SecondCounts {
        SecondCounts { answered: 0, failed: 0, times_us: histogram::empty() }
    }

    fn row(&self) -> SecondRow {
        let times_us = summary(&self.times_us);
        SecondRow { offered: None, answered: self.answered, failed: self.failed, times_us }
    }
}

/// One thread's counts of the current second.
#[derive(Debug)]
pub struct SecondsCounter {
    number: usize,
    current: SecondCounts,
}

impl Default for SecondsCounter {
    fn default() -> SecondsCounter {
        SecondsCounter { number: 0, current: SecondCounts::new() }
    }
}

impl SecondsCounter {
    /// Counts a request that ended at `ended`, after `us` microseconds; outside the window it is ignored. Calls must
    /// come in the order of `ended`.
    pub fn record(&mut self, window: Window, table: &SecondsTable, ended: Instant, is_ok: bool, us: u64) {
        if !window.contains(ended) {
            return;
        }
        self.advance_to(usize::try_from((ended - window.opens).as_secs()).unwrap_or(usize::MAX), table);
        match is_ok {
            true => self.current.answered += 1,
            false => self.current.failed += 1,
        }
        self.current.times_us.saturating_record(us);
    }

    /// Submits the current second, and empty ones up to the window's end.
    pub fn finish(&mut self, window: Window, table: &SecondsTable) {
        self.advance_to(number_of_seconds(window.length()), table);
    }

    fn advance_to(&mut self, number: usize, table: &SecondsTable) {
        while self.number < number {
            table.submit(self.number, &self.current);
            self.number += 1;
            self.current.answered = 0;
            self.current.failed = 0;
            self.current.times_us.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn window(ms: u64) -> Window {
        let opens = Instant::now();
        Window { opens, closes: opens + Duration::from_millis(ms) }
    }

    #[test]
    fn idle_seconds_have_rows() {
        let window = window(3500);
        let table = SecondsTable::new(1);
        let mut seconds = SecondsCounter::default();
        for (ms, is_ok) in [(0, true), (999, false), (2000, true), (3499, true), (3500, true)] {
            seconds.record(window, &table, window.opens + Duration::from_millis(ms), is_ok, ms);
        }
        seconds.finish(window, &table);
        let rows = table.rows(Some(&[10, 20, 30, 40]));
        let counts: Vec<_> = rows.iter().map(|row| (row.offered, row.answered, row.failed)).collect();
        assert_eq!(counts, [(Some(10), 1, 1), (Some(20), 0, 0), (Some(30), 1, 0), (Some(40), 1, 0)]);
        assert_eq!(rows[0].times_us, Some(SecondTimes { p50: 0, p99: 999, max: 999 }));
        assert_eq!(rows[1].times_us, None);
    }

    #[test]
    fn kept_times_are_those_of_the_rows() {
        let window = window(2000);
        let table = SecondsTable::keeping_times(2);
        let mut recorded = [histogram::empty(), histogram::empty()];
        for thread in 0..2_u64 {
            let mut seconds = SecondsCounter::default();
            for (ms, us) in [(0, 3), (10, 1_234_567), (1500, 40 + thread)] {
                seconds.record(window, &table, window.opens + Duration::from_millis(ms), true, us);
                recorded[usize::from(ms >= 1000)].record(us).unwrap();
            }
            seconds.finish(window, &table);
        }
        let times: Vec<_> = table.times().unwrap().iter().map(|text| text.decode().unwrap()).collect();
        assert_eq!(times, recorded);
        assert_eq!(SecondsTable::new(1).times().unwrap(), []);
    }

    #[test]
    fn rows_merge_the_threads() {
        let window = window(2000);
        let table = SecondsTable::new(2);
        let (mut one, mut two) = (SecondsCounter::default(), SecondsCounter::default());
        one.record(window, &table, window.opens, true, 1);
        one.finish(window, &table);
        assert_eq!(table.rows(None), [], "the other thread is not done");
        two.record(window, &table, window.opens + Duration::from_millis(1500), true, 7);
        two.finish(window, &table);
        let rows = table.rows(None);
        assert_eq!(rows.iter().map(|row| row.answered).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(rows[1].times_us.as_ref().unwrap().max, 7);
    }
}
