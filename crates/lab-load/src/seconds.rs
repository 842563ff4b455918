//! The seconds of a window, one row each: what was offered, what came of it, how long it took.
//!
//! A request stands in the second in which it ends. Memory does not grow with the requests: each thread keeps the
//! counts of the present second only, and hands them to the [`Board`] when it is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::histogram;
use crate::recorder::Window;

/// One second of a window.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondRow {
    /// Requests the schedule asked for in this second; `None` in a closed loop.
    pub offered: Option<u64>,
    /// Good answers that ended in it.
    pub answered: u64,
    /// Errors that ended in it.
    pub failed: u64,
    /// Percentiles and the largest of the times of what ended in it, as the load counts them: from the scheduled
    /// instant in an open loop, from the send in a closed one. `None` if nothing ended.
    pub times_us: Option<SecondTimes>,
}

/// The times of one second, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondTimes {
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

/// Where the threads of a driver put their seconds together.
#[derive(Debug)]
pub struct Board {
    threads: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Seconds that some thread has not handed in yet, with how many have.
    pending: BTreeMap<usize, (usize, Second)>,
    rows: BTreeMap<usize, SecondRow>,
}

/// The counts of one second.
#[derive(Debug)]
struct Second {
    answered: u64,
    failed: u64,
    times_us: Histogram<u64>,
}

impl Board {
    /// For so many threads, each of which hands in every second.
    #[must_use]
    pub fn new(threads: usize) -> Board {
        Board { threads, state: Mutex::default() }
    }

    /// The rows, once every thread is done; `offered` of each second stands in the order of seconds.
    #[must_use]
    pub fn rows(&self, offered: Option<&[u64]>) -> Vec<SecondRow> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let with_offer = |(second, row): (&usize, &SecondRow)| SecondRow {
            offered: offered.map(|offered| offered.get(*second).copied().unwrap_or(0)),
            ..row.clone()
        };
        state.rows.iter().map(with_offer).collect()
    }

    fn hand_in(&self, number: usize, second: &Second) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.threads == 1 {
            state.rows.insert(number, second.row());
            return;
        }
        let (threads, sum) = state.pending.entry(number).or_insert_with(|| (0, Second::new()));
        *threads += 1;
        sum.answered += second.answered;
        sum.failed += second.failed;
        histogram::add(&mut sum.times_us, &second.times_us);
        if *threads == self.threads {
            let row = sum.row();
            state.pending.remove(&number);
            state.rows.insert(number, row);
        }
    }
}

impl Second {
    fn new() -> Second {
        Second { answered: 0, failed: 0, times_us: histogram::of_times_us() }
    }

    fn row(&self) -> SecondRow {
        let times = &self.times_us;
        let times_us = (!times.is_empty()).then(|| SecondTimes {
            p50: times.value_at_quantile(0.50),
            p99: times.value_at_quantile(0.99),
            max: times.max(),
        });
        SecondRow { offered: None, answered: self.answered, failed: self.failed, times_us }
    }
}

/// One thread's present second.
#[derive(Debug)]
pub struct Seconds {
    number: usize,
    present: Second,
}

impl Default for Seconds {
    fn default() -> Seconds {
        Seconds { number: 0, present: Second::new() }
    }
}

impl Seconds {
    /// Takes note that something ended at `ended`, after `us`. What ends outside the window is left out; instants
    /// come in order.
    pub fn ended(&mut self, window: Window, board: &Board, ended: Instant, is_ok: bool, us: u64) {
        if ended < window.opens || ended >= window.closes {
            return;
        }
        self.forward_to(second_of(ended - window.opens), board);
        match is_ok {
            true => self.present.answered += 1,
            false => self.present.failed += 1,
        }
        self.present.times_us.saturating_record(us);
    }

    /// Hands in what is left, and empty seconds up to the window's end.
    pub fn finish(&mut self, window: Window, board: &Board) {
        self.forward_to(number_of_seconds(window.length()), board);
    }

    fn forward_to(&mut self, number: usize, board: &Board) {
        while self.number < number {
            board.hand_in(self.number, &self.present);
            self.number += 1;
            self.present.answered = 0;
            self.present.failed = 0;
            self.present.times_us.reset();
        }
    }
}

/// How many rows a window has; a part of a second is one.
#[must_use]
pub fn number_of_seconds(window: Duration) -> usize {
    second_of(window + Duration::from_nanos(999_999_999))
}

fn second_of(since_opening: Duration) -> usize {
    usize::try_from(since_opening.as_secs()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(ms: u64) -> Window {
        let opens = Instant::now();
        Window { opens, closes: opens + Duration::from_millis(ms) }
    }

    #[test]
    fn every_second_has_a_row_even_if_nothing_happened() {
        let window = window(3500);
        let board = Board::new(1);
        let mut seconds = Seconds::default();
        for (ms, is_ok) in [(0, true), (999, false), (2000, true), (3499, true), (3500, true)] {
            seconds.ended(window, &board, window.opens + Duration::from_millis(ms), is_ok, ms);
        }
        seconds.finish(window, &board);
        let rows = board.rows(Some(&[10, 20, 30, 40]));
        let counts: Vec<_> = rows.iter().map(|row| (row.offered, row.answered, row.failed)).collect();
        assert_eq!(counts, [(Some(10), 1, 1), (Some(20), 0, 0), (Some(30), 1, 0), (Some(40), 1, 0)]);
        assert_eq!(rows[0].times_us, Some(SecondTimes { p50: 0, p99: 999, max: 999 }));
        assert_eq!(rows[1].times_us, None);
    }

    #[test]
    fn threads_share_their_rows() {
        let window = window(2000);
        let board = Board::new(2);
        let (mut one, mut two) = (Seconds::default(), Seconds::default());
        one.ended(window, &board, window.opens, true, 1);
        one.finish(window, &board);
        assert_eq!(board.rows(None), [], "the other thread is not done");
        two.ended(window, &board, window.opens + Duration::from_millis(1500), true, 7);
        two.finish(window, &board);
        let rows = board.rows(None);
        assert_eq!(rows.iter().map(|row| row.answered).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(rows[1].times_us.as_ref().unwrap().max, 7);
    }
}
