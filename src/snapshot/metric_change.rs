//! What a test says about a metric, as part of its verdict. Pure.

use super::undecided::in_words;
use crate::record::{MetricVerdict, RatioInterval, Verdict};
use lab_stats::decision::TestResult;
use lab_stats::verdict;

/// The part of a metric's verdict that a test decides.
pub(super) struct MetricChange {
    verdict: Verdict,
    result: Option<TestResult>,
    further_rounds: Option<u32>,
    because: Option<String>,
}

impl MetricChange {
    /// A test was possible. `wide_baseline` says why the baseline's own interval is too wide for the margin.
    pub(super) fn decided(result: TestResult, wide_baseline: impl Fn() -> String) -> MetricChange {
        let ((further_rounds, because), verdict) = match result.verdict {
            verdict::Verdict::Pass => ((None, None), Verdict::Pass),
            verdict::Verdict::Fail => ((None, None), Verdict::Fail),
            verdict::Verdict::Improved => ((None, None), Verdict::Improved),
            verdict::Verdict::Inconclusive(reason) => (in_words(reason, wide_baseline), Verdict::Inconclusive),
        };
        MetricChange { verdict, result: Some(result), further_rounds, because }
    }

    /// No test was possible.
    pub(super) fn impossible(obstacle: Option<(Verdict, String)>) -> MetricChange {
        let (verdict, because) = obstacle.map_or((Verdict::Invalid, None), |(verdict, why)| (verdict, Some(why)));
        MetricChange { verdict, result: None, further_rounds: None, because }
    }

    /// The verdict on `metric`, of which everything else is known.
    pub(super) fn verdict(self, metric: MetricVerdict) -> MetricVerdict {
        let MetricChange { verdict, result, further_rounds, because } = self;
        let rounds = result.as_ref().map_or(metric.rounds, |result| result.rounds);
        let change = result.as_ref().and_then(|result| result.change).map(RatioInterval::from_logs);
        let look = result.and_then(|result| result.look).map(|look| look + 1);
        MetricVerdict { verdict, change, look, rounds, further_rounds, because, ..metric }
    }
}
