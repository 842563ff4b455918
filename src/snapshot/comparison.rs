//! Compares a run with the committed snapshots: read before the run, consulted at every interim look, finished after it.

use std::path::PathBuf;

use super::acceptance::{ratios_name, refused_ratios};
use super::confirmation::{self, SecondSample};
use super::facts;
use super::gate::{self, GateContext, Judgement, RunValues};
use super::limits::{error_verdicts, limited_metrics};
use super::past::Past;
use super::past_metrics::past_metrics;
use super::ratios::Ratios;
use super::store::{Comparison, Store};
use crate::exit::Exit;
use crate::record::{
    Cell, Estimate, FactsVerdict, GateOutcome, MetricVerdict, RoundRecord, StackRecord, Verdict, text_difference,
};
use crate::scenario::model::{Against, Scenario};
use lab_stats::decision::Looks;
use sha2::{Digest as _, Sha256};

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

/// Compares a run of `scenario` with its committed facts and ratios, and with the past of its stacks.
pub struct SnapshotComparison<'a> {
    scenario: &'a Scenario,
    store: Store,
    /// A description for the reader of the ratios.
    machine: String,
    looks: Looks,
    committed: Option<Ratios>,
    past: Past,
    accepts_new: bool,
}

/// The results of a finished run.
#[derive(Debug, Clone, Copy)]
pub struct RunResults<'a> {
    pub stacks: &'a [StackRecord],
    pub rounds: &'a [RoundRecord],
    pub estimates: &'a [Estimate],
    pub looks_made: usize,
    /// The estimates of the second sample, and the sample, if there was one.
    pub second: Option<(&'a [Estimate], SecondSample<'a>)>,
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
        let name = ratios_name(&scenario.name);
        let text = store.committed(&name).map_err(store_error("read the committed ratios"))?;
        // Compared only at the end, but an unreadable file must not cost a whole run.
        store.committed(&scenario.name).map_err(store_error("read the committed facts"))?;
        let committed = text.map(|text| Ratios::parse(&text)).transpose();
        let committed =
            committed.map_err(|source| ComparisonError::Ratios { file: store.committed_file(&name), source })?;
        Ok(SnapshotComparison { scenario, store, machine, looks, committed, past: Past::default(), accepts_new: false })
    }

    /// Compares each stack with this past, too.
    #[must_use]
    pub fn with_past(self, past: Past) -> SnapshotComparison<'a> {
        SnapshotComparison { past, ..self }
    }

    /// Whether to commit the snapshots that do not exist yet, if nothing failed.
    #[must_use]
    pub fn accept_new(self, accepts_new: bool) -> SnapshotComparison<'a> {
        SnapshotComparison { accepts_new, ..self }
    }

    /// Whether the first `looks_made` looks leave no metric undecided. A metric that cannot be compared counts as
    /// decided: further rounds would not help.
    #[must_use]
    pub fn is_decided(&self, estimates: &[Estimate], rounds: &[RoundRecord], looks_made: usize) -> bool {
        self.is_closed(estimates, rounds, looks_made, None)
    }

    /// Whether the first `looks_made` looks at the second sample leave none of its cells undecided.
    #[must_use]
    pub fn is_confirmed(&self, estimates: &[Estimate], second: SecondSample<'_>) -> bool {
        self.is_closed(estimates, second.rounds, second.looks_made, Some(second.cells))
    }

    fn is_closed(&self, estimates: &[Estimate], rounds: &[RoundRecord], made: usize, cells: Option<&[Cell]>) -> bool {
        !self.judge(estimates, &self.ratios(estimates), (rounds, made), cells).is_open()
    }

    /// What fails after the first `looks_made` looks.
    #[must_use]
    pub fn failed_cells(&self, estimates: &[Estimate], rounds: &[RoundRecord], looks_made: usize) -> Vec<Cell> {
        confirmation::failed_cells(&self.judge(estimates, &self.ratios(estimates), (rounds, looks_made), None))
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
        self.note_missing(run, gate)?;
        Ok(difference)
    }

    /// Enters the snapshots that are missing, or commits them.
    fn note_missing(&self, run: RunResults<'_>, gate: &mut GateOutcome) -> Result<(), ComparisonError> {
        let ratios = ratios_name(&self.scenario.name);
        let missing = [
            (gate.facts == FactsVerdict::New).then_some(&self.scenario.name),
            gate::lacks_baseline(&gate.metrics).then_some(&ratios),
        ];
        // Ratios that lack one entry are not new: to commit all of them would move the baseline of the others.
        let is_new = |name: &String| *name != ratios || self.committed.is_none();
        // A failure is nothing to compare later runs with, and neither is a fact that differs every time.
        let varies = run.stacks.iter().any(|stack| !stack.varying.is_empty());
        let is_beyond = gate.limits.iter().any(|limit| limit.verdict == Verdict::Fail);
        let has_failed = varies || is_beyond || gate::exit(gate, false, false) != Exit::Ok;
        let is_wanted = self.accepts_new && missing.contains(&Some(&ratios));
        let refusal = if is_wanted { refused_ratios(&self.ratios(run.estimates)) } else { None };
        // Facts and ratios are accepted together, or not at all.
        let is_refused = refusal.is_some();
        gate.refused_ratios = refusal;
        for name in missing.into_iter().flatten() {
            let file = self.store.committed_file(name).display().to_string();
            if self.accepts_new && is_new(name) && !has_failed && !is_refused {
                self.store.accept(name).map_err(store_error("accept a new snapshot"))?;
                gate.accepted_snapshots.push(file);
            } else {
                gate.missing_snapshots.push(file);
            }
        }
        Ok(())
    }

    fn compare_facts(
        &self,
        run: RunResults<'_>,
        gate: &mut GateOutcome,
    ) -> Result<Option<FactsDifference>, ComparisonError> {
        let name = &self.scenario.name;
        let current = facts::render(run.stacks, run.rounds, &self.tolerant_loads());
        let sha256 = format!("{:x}", Sha256::digest(&current));
        let compared = self.store.compare(name, &self.description("exact facts"), &current);
        let (verdict, difference) = match compared.map_err(store_error("compare the exact facts"))? {
            Comparison::Same => (FactsVerdict::Same, None),
            Comparison::New => (FactsVerdict::New, None),
            Comparison::Changed { committed } => {
                (FactsVerdict::Changed, Some(FactsDifference { name: name.clone(), committed, current }))
            }
        };
        gate.facts = verdict;
        gate.facts_sha256 = Some(sha256);
        gate.facts_difference = difference.as_ref().map(|facts| text_difference(&facts.committed, &facts.current));
        Ok(difference)
    }

    fn compare_ratios(&self, run: RunResults<'_>, gate: &mut GateOutcome) -> Result<(), ComparisonError> {
        let ratios = self.ratios(run.estimates);
        let mut judgement = self.judge(run.estimates, &ratios, (run.rounds, run.looks_made), None);
        if let Some((estimates, second)) = run.second {
            let sample = (second.rounds, second.looks_made);
            let second = self.judge(estimates, &self.ratios(estimates), sample, Some(second.cells));
            confirmation::merge(&mut judgement, second);
        }
        gate.metrics = judgement.metrics;
        gate.limits = judgement.limits;
        gate.limits.extend(error_verdicts(self.scenario, run.rounds));
        let name = ratios_name(&self.scenario.name);
        // Ratios never repeat to the last digit. They go to review only when there is something to decide, or when the
        // committed ones cannot decide anything.
        let is_settled = |metric: &MetricVerdict| match metric.verdict {
            Verdict::Pass => true,
            Verdict::Inconclusive => metric.further_rounds.is_some(),
            Verdict::Fail | Verdict::Improved | Verdict::Incomparable | Verdict::Invalid => false,
        };
        let mut of_ratios = gate.metrics.iter().filter(|metric| metric.past.is_none());
        let all_settled = self.scenario.gate.against == Against::Reference || of_ratios.all(is_settled);
        // Without margins nothing is compared with them.
        let are_gated = self.scenario.gate.against == Against::Snapshot && !self.scenario.gate.margins.is_empty();
        if are_gated && !ratios.ratios.is_empty() && (self.committed.is_none() || !all_settled) {
            let compared = self.store.compare(&name, &self.description("ratios"), &ratios.render());
            compared.map(drop).map_err(store_error("keep the ratios for review"))
        } else {
            // Ratios that an earlier run left for review are not this run's.
            self.store.reject(&name).map_err(store_error("remove ratios of an earlier run"))
        }
    }

    /// The loads whose errors are no facts: they are only counted, or some are within the limit.
    fn tolerant_loads(&self) -> Vec<&str> {
        match self.scenario.gate.limits.errors {
            Some(1..) => self.scenario.loads.iter().map(|load| load.name.as_str()).collect(),
            Some(0) | None => self.scenario.counted_loads(),
        }
    }

    fn description(&self, what: &str) -> String {
        format!("{what} of the scenario {}", self.scenario.name)
    }

    fn ratios(&self, estimates: &[Estimate]) -> Ratios {
        let ungated = self.scenario.ungated_stacks();
        let is_void = |estimate: &&Estimate| estimate.ratio.is_none() && !ungated.contains(&estimate.stack.as_str());
        let is_driven = |estimate: &&Estimate| {
            let load = self.scenario.loads.iter().find(|load| load.name == estimate.load);
            load.is_some_and(|load| load.drives(&estimate.stack))
        };
        let void = estimates.iter().filter(is_void).filter(is_driven);
        let mut void: Vec<String> =
            void.map(|estimate| format!("{} under {}", estimate.stack, estimate.load)).collect();
        void.dedup();
        Ratios { void, ..Ratios::from_estimates(self.machine.clone(), &self.scenario.loads, estimates) }
    }

    /// Judges rounds after a number of looks: everything, or only these cells.
    fn judge(
        &self,
        estimates: &[Estimate],
        ratios: &Ratios,
        (rounds, made): (&[RoundRecord], usize),
        cells: Option<&[Cell]>,
    ) -> Judgement {
        let ungated = self.scenario.ungated_stacks();
        let context = GateContext { gate: &self.scenario.gate, ungated: &ungated, looks: &self.looks, made, cells };
        let limited = limited_metrics(self.scenario, rounds);
        let committed = self.committed.as_ref();
        let past = past_metrics(self.scenario, rounds, &self.past);
        gate::judge(context, RunValues { estimates, now: ratios, committed, limited: &limited, past: &past })
    }
}
