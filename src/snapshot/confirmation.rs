//! Merges the verdicts of the second sample into those of the first. Pure.
//!
//! The second sample is a test of its own, at an error declared beforehand: what failed in the first sample is one family,
//! which shares [`ALPHA`](lab_stats::decision::ALPHA) (Holm). An unchanged run fails only if the first sample fails and the
//! second one does not pass, so confirmation can only lower the probability of that.

use super::gate::Judgement;
use crate::record::{Cell, FirstChange, FirstValue, LimitVerdict, MetricVerdict, RoundRecord, Verdict};

/// The second sample of a run.
#[derive(Debug, Clone, Copy)]
pub struct SecondSample<'a> {
    pub cells: &'a [Cell],
    pub rounds: &'a [RoundRecord],
    pub looks_made: usize,
}

/// What has failed.
#[must_use]
pub(super) fn failed_cells(judgement: &Judgement) -> Vec<Cell> {
    let metrics = judgement.metrics.iter().map(|one| (one.verdict, &one.load, &one.stack, &one.metric));
    let limits = judgement.limits.iter().map(|one| (one.verdict, &one.load, &one.stack, &one.metric));
    let failed = metrics.chain(limits).filter(|(verdict, ..)| *verdict == Verdict::Fail);
    let mut cells: Vec<Cell> = failed
        .map(|(_, load, stack, metric)| Cell { load: load.clone(), stack: stack.clone(), metric: metric.clone() })
        .collect();
    // A metric may have a margin and a limit, and a reference and a past.
    cells.sort();
    cells.dedup();
    cells
}

/// Replaces the verdicts that failed by those of the second sample. Where it does not decide, the first one stands: its
/// own error bounds that of the run.
pub(super) fn merge(first: &mut Judgement, second: Judgement) {
    for metric in second.metrics {
        let is_same = |one: &&mut MetricVerdict| one.verdict == Verdict::Fail && one.is_same_metric(&metric);
        let Some(failed) = first.metrics.iter_mut().find(is_same) else { continue };
        if decides(metric.verdict) {
            let first = FirstChange { change: failed.change, rounds: failed.rounds };
            *failed = MetricVerdict { first: Some(first), ..metric };
        } else {
            failed.because = Some(STANDS.to_owned());
        }
    }
    for limit in second.limits {
        let is_same = |one: &&mut LimitVerdict| {
            one.verdict == Verdict::Fail
                && (&one.load, &one.stack, &one.metric) == (&limit.load, &limit.stack, &limit.metric)
        };
        let Some(failed) = first.limits.iter_mut().find(is_same) else { continue };
        if decides(limit.verdict) {
            let first = FirstValue { interval: failed.interval, rounds: failed.rounds };
            *failed = LimitVerdict { first: Some(first), ..limit };
        } else {
            failed.because = Some(STANDS.to_owned());
        }
    }
}

const STANDS: &str = "measured once more, which decided nothing, so the first sample stands";

fn decides(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Pass | Verdict::Improved | Verdict::Fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(verdict: Verdict) -> MetricVerdict {
        let unjudged = MetricVerdict::unjudged("l".to_owned(), "s".to_owned(), "p50".to_owned());
        MetricVerdict { verdict, rounds: 8, ..unjudged }
    }

    #[test]
    fn first_sample_stands_unless_the_second_decides() {
        for (second, verdict, is_second) in [
            (Verdict::Pass, Verdict::Pass, true),
            (Verdict::Improved, Verdict::Improved, true),
            (Verdict::Fail, Verdict::Fail, true),
            (Verdict::Inconclusive, Verdict::Fail, false),
            (Verdict::Invalid, Verdict::Fail, false),
        ] {
            let judgement = |verdict| Judgement { metrics: vec![metric(verdict)], limits: Vec::new() };
            let mut first = judgement(Verdict::Fail);
            merge(&mut first, judgement(second));
            let merged = &first.metrics[0];
            assert_eq!((merged.verdict, merged.first.is_some()), (verdict, is_second), "{second:?}");
            assert_eq!(merged.because.is_some(), !is_second, "{second:?}");
        }
    }
}
