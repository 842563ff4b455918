//! Compares the two versions of a run: each stack with its own base, in the same session. Reads and writes no snapshot. Pure.

use super::comparison::RunResults;
use super::confirmation::{self, SecondSample};
use super::gate::{self, GateContext, Judgement, RunValues};
use super::limits::{error_verdicts, limited_metrics};
use super::ratios::Ratios;
use crate::record::{Cell, Estimate, FactsVerdict, GateOutcome, RoundRecord, StackDifferences};
use crate::scenario::model::Scenario;
use lab_stats::decision::Looks;

/// The comparison of a scenario whose stacks are those of two versions.
pub struct VersionComparison<'a> {
    scenario: &'a Scenario,
    looks: Looks,
}

impl<'a> VersionComparison<'a> {
    #[must_use]
    pub fn new(scenario: &'a Scenario, looks: Looks) -> VersionComparison<'a> {
        VersionComparison { scenario, looks }
    }

    /// Whether the first `looks_made` looks leave nothing undecided.
    #[must_use]
    pub fn is_decided(&self, estimates: &[Estimate], rounds: &[RoundRecord], looks_made: usize) -> bool {
        !self.judge(estimates, rounds, looks_made, None).is_open()
    }

    /// Whether the first `looks_made` looks at the second sample leave none of its cells undecided.
    #[must_use]
    pub fn is_confirmed(&self, estimates: &[Estimate], second: SecondSample<'_>) -> bool {
        !self.judge(estimates, second.rounds, second.looks_made, Some(second.cells)).is_open()
    }

    /// What fails after the first `looks_made` looks.
    #[must_use]
    pub fn failed_cells(&self, estimates: &[Estimate], rounds: &[RoundRecord], looks_made: usize) -> Vec<Cell> {
        confirmation::failed_cells(&self.judge(estimates, rounds, looks_made, None))
    }

    /// Enters the verdicts on a finished run into `gate`.
    pub fn finish(&self, run: RunResults<'_>, differences: &[StackDifferences], gate: &mut GateOutcome) {
        let is_same = differences.iter().all(|stack| stack.differences.is_empty());
        gate.facts = match differences {
            [] => FactsVerdict::NotCompared,
            _ if is_same => FactsVerdict::Same,
            _ => FactsVerdict::Changed,
        };
        let mut judgement = self.judge(run.estimates, run.rounds, run.looks_made, None);
        if let Some((estimates, second)) = run.second {
            confirmation::merge(
                &mut judgement,
                self.judge(estimates, second.rounds, second.looks_made, Some(second.cells)),
            );
        }
        gate.metrics = judgement.metrics;
        gate.limits = judgement.limits;
        gate.limits.extend(error_verdicts(self.scenario, run.rounds));
    }

    fn judge(&self, estimates: &[Estimate], rounds: &[RoundRecord], made: usize, cells: Option<&[Cell]>) -> Judgement {
        let ungated = self.scenario.ungated_stacks();
        let context = GateContext { gate: &self.scenario.gate, ungated: &ungated, looks: &self.looks, made, cells };
        // Only the descriptions of loads would be compared, and both versions have the same.
        let now = Ratios::from_estimates(String::new(), &[], &[]);
        let limited = limited_metrics(self.scenario, rounds);
        gate::judge(context, RunValues { estimates, now: &now, committed: None, limited: &limited, past: &[] })
    }
}
