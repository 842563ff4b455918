//! The series that a decision compares, prepared for intervals of any level.

use super::Baseline;
use crate::sample;
use crate::signed_rank::{self, Interval};
use crate::student_t;
use crate::verdict::Direction;

/// One series of rounds.
pub(super) struct Series {
    pub(super) rounds: usize,
    averages: Vec<f64>,
}

impl Series {
    pub(super) fn new(log_ratios: &[f64], direction: Direction) -> Series {
        let worse = worsening(log_ratios, direction);
        Series { rounds: worse.len(), averages: signed_rank::walsh_averages(&worse) }
    }

    pub(super) fn middle(&self) -> Option<f64> {
        sample::median_of_sorted(&self.averages)
    }

    pub(super) fn at(&self, level: f64) -> Option<Interval> {
        signed_rank::interval_from_averages(&self.averages, self.rounds, level)
    }
}

/// What a series of rounds is compared with.
pub(super) enum BaselineSeries {
    Rounds(Series),
    /// The levels of earlier sessions.
    Sessions(Vec<f64>),
}

impl BaselineSeries {
    /// `None` if the comparison is with no change.
    pub(super) fn new(baseline: Baseline<'_>, direction: Direction) -> Option<BaselineSeries> {
        match baseline {
            Baseline::NoChange => None,
            Baseline::Rounds(rounds) => Some(BaselineSeries::Rounds(Series::new(rounds, direction))),
            Baseline::Sessions(levels) => Some(BaselineSeries::Sessions(worsening(levels, direction))),
        }
    }

    pub(super) fn middle(&self) -> Option<f64> {
        match self {
            BaselineSeries::Rounds(series) => series.middle(),
            BaselineSeries::Sessions(levels) => sample::mean(levels),
        }
    }

    /// Where the level of this run would lie if nothing has changed.
    pub(super) fn at(&self, level: f64) -> Option<Interval> {
        match self {
            BaselineSeries::Rounds(series) => series.at(level),
            BaselineSeries::Sessions(levels) => student_t::prediction_interval(levels, 1.0 - 2.0 * level),
        }
    }

    /// Whether it has no interval at this level, however many rounds are compared with it.
    pub(super) fn is_too_short(&self, level: f64) -> bool {
        match self {
            BaselineSeries::Rounds(series) => series.rounds < signed_rank::min_sample_size(level),
            BaselineSeries::Sessions(levels) => levels.len() < 2,
        }
    }
}

fn worsening(logs: &[f64], direction: Direction) -> Vec<f64> {
    logs.iter().map(|log| direction.worsening(*log)).collect()
}
