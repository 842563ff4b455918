//! Compares a run with the committed snapshots: read before the run, consulted at every interim look, finished after it.

use std::path::PathBuf;

use super::facts;
use super::gate::{self, GateContext};
use super::ratios::Ratios;
use super::store::{Comparison, Store};
use crate::record::{Estimate, FactsVerdict, GateOutcome, MetricVerdict, RoundRecord, StackRecord, Verdict};
use crate::scenario::model::{Against, Scenario};
use lab_stats::decision::Looks;

/// Why a run cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// A snapshot cannot be read or written.
    #[error("{operation}")]
    Store {
        /// In the imperative, as in "compare the exact facts".
        operation: &'static str,
        source: std::io::Error,
    },
    /// The committed ratios are malformed.
    #[error("{}", file.display())]
    Ratios { file: PathBuf, source: toml::de::Error },
}

fn store_error(operation: &'static str) -> impl FnOnce(std::io::Error) -> ComparisonError {
    move |source| ComparisonError::Store { operation, source }
}

/// Compares a run of `scenario` with its committed facts and ratios.
pub struct SnapshotComparison<'a> {
    scenario: &'a Scenario,
    store: Store,
    /// A description for the reader of the ratios.
    machine: String,
    looks: Looks,
    committed: Option<Ratios>,
}

/// The results of a finished run.
#[derive(Debug, Clone, Copy)]
pub struct RunResults<'a> {
    pub stacks: &'a [StackRecord],
    pub rounds: &'a [RoundRecord],
    pub estimates: &'a [Estimate],
    pub looks_made: usize,
}

/// Exact facts that differ from the committed ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactsDifference {
    /// The snapshot's name.
    pub name: String,
    pub committed: String,
    pub current: String,
}

impl<'a> SnapshotComparison<'a> {
    /// Reads the committed snapshots.
    ///
    /// # Errors
    /// [`ComparisonError`].
    pub fn read(
        scenario: &'a Scenario,
        store: Store,
        machine: String,
        looks: Looks,
    ) -> Result<SnapshotComparison<'a>, ComparisonError> {
        let name = ratios_name(scenario);
        let text = store.committed(&name).map_err(store_error("read the committed ratios"))?;
        // Compared only at the end, but an unreadable file must not cost a whole run.
        store.committed(&scenario.name).map_err(store_error("read the committed facts"))?;
        let committed = text.map(|text| Ratios::parse(&text)).transpose();
        let committed =
            committed.map_err(|source| ComparisonError::Ratios { file: store.committed_file(&name), source })?;
        Ok(SnapshotComparison { scenario, store, machine, looks, committed })
    }

    /// Whether the first `looks_made` looks leave no metric undecided. A metric that cannot be compared counts as
    /// decided: further rounds would not help.
    #[must_use]
    pub fn is_decided(&self, estimates: &[Estimate], looks_made: usize) -> bool {
        !gate::is_open(&self.verdicts(estimates, &self.ratios(estimates), looks_made))
    }

    /// Compares a finished run with both snapshots and enters the verdicts into `gate`. Differences are stored for
    /// review.
    ///
    /// # Errors
    /// [`ComparisonError`].
    pub fn finish(
        &self,
        run: RunResults<'_>,
        gate: &mut GateOutcome,
    ) -> Result<Option<FactsDifference>, ComparisonError> {
        let difference = self.compare_facts(run, gate)?;
        self.compare_ratios(run, gate)?;
        Ok(difference)
    }

    fn compare_facts(
        &self,
        run: RunResults<'_>,
        gate: &mut GateOutcome,
    ) -> Result<Option<FactsDifference>, ComparisonError> {
        let name = &self.scenario.name;
        let current = facts::render(run.stacks, run.rounds, &self.scenario.counted_loads());
        let compared = self.store.compare(name, &self.description("exact facts"), &current);
        let (verdict, difference) = match compared.map_err(store_error("compare the exact facts"))? {
            Comparison::Same => (FactsVerdict::Same, None),
            Comparison::New => (FactsVerdict::New, None),
            Comparison::Changed { committed } => {
                (FactsVerdict::Changed, Some(FactsDifference { name: name.clone(), committed, current }))
            }
        };
        gate.facts = verdict;
        Ok(difference)
    }

    fn compare_ratios(&self, run: RunResults<'_>, gate: &mut GateOutcome) -> Result<(), ComparisonError> {
        let ratios = self.ratios(run.estimates);
        gate.metrics = self.verdicts(run.estimates, &ratios, run.looks_made);
        let name = ratios_name(self.scenario);
        // Ratios never repeat to the last digit. They go to review only when there is something to decide, or when the
        // committed ones cannot decide anything.
        let is_settled = |metric: &MetricVerdict| match metric.verdict {
            Verdict::Pass => true,
            Verdict::Inconclusive => metric.further_rounds.is_some(),
            Verdict::Fail | Verdict::Improved | Verdict::Incomparable | Verdict::Invalid => false,
        };
        let all_settled = self.scenario.gate.against == Against::Reference || gate.metrics.iter().all(is_settled);
        if !ratios.ratios.is_empty() && (self.committed.is_none() || !all_settled) {
            let compared = self.store.compare(&name, &self.description("ratios"), &ratios.render());
            compared.map(drop).map_err(store_error("keep the ratios for review"))
        } else {
            // Ratios that an earlier run left for review are not this run's.
            self.store.reject(&name).map_err(store_error("remove ratios of an earlier run"))
        }
    }

    fn description(&self, what: &str) -> String {
        format!("{what} of the scenario {}", self.scenario.name)
    }

    fn ratios(&self, estimates: &[Estimate]) -> Ratios {
        Ratios::of(self.machine.clone(), &self.scenario.loads, estimates)
    }

    fn verdicts(&self, estimates: &[Estimate], ratios: &Ratios, made: usize) -> Vec<MetricVerdict> {
        let rules = GateContext {
            gate: &self.scenario.gate,
            reference: &self.scenario.reference().name,
            looks: &self.looks,
            made,
        };
        gate::evaluate(rules, estimates, ratios, self.committed.as_ref())
    }
}

fn ratios_name(scenario: &Scenario) -> String {
    format!("{}.ratios", scenario.name)
}
