//! What a run is compared with: the committed snapshots and the past of the stacks, or another version in the same run.

use super::run_mode::RunMode;
use crate::measure::machine::Machine;
use crate::provision::ToolPaths;
use crate::record::{Cell, Estimate, GateOutcome, RoundRecord, StackDifferences};
use crate::scenario::model::Scenario;
use crate::snapshot::comparison::{ComparisonError, FactsDifference, RunResults, SnapshotComparison};
use crate::snapshot::confirmation::SecondSample;
use crate::snapshot::history::{History, HistoryError};
use crate::snapshot::past::Past;
use crate::snapshot::store::Store;
use crate::snapshot::versions::VersionComparison;
use lab_stats::decision::{Looks, LooksError};

/// Why a run cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error(transparent)]
    Looks(#[from] LooksError),
    #[error(transparent)]
    Comparison(#[from] ComparisonError),
    #[error(transparent)]
    History(#[from] HistoryError),
}

/// What a run is compared with.
pub(super) enum Baseline<'a> {
    /// The committed snapshots, and the past of the stacks.
    Snapshot(Box<SnapshotComparison<'a>>),
    /// The earlier version, in the same run.
    Version(VersionComparison<'a>),
    None,
}

impl<'a> Baseline<'a> {
    /// Reads the committed snapshots and the past where they are needed. Before the run: a file that cannot be read must not
    /// cost it.
    ///
    /// # Errors
    /// [`BaselineError`].
    pub(super) fn read(
        scenario: &'a Scenario,
        mode: RunMode,
        machine: &Machine,
        tools: &ToolPaths,
    ) -> Result<Baseline<'a>, BaselineError> {
        let looks = Looks::new(looks(scenario))?;
        let RunMode::MeasureAndCompare { accepts_new, .. } = mode else {
            return Ok(match mode {
                RunMode::CompareVersions { .. } => Baseline::Version(VersionComparison::new(scenario, looks)),
                _ => Baseline::None,
            });
        };
        let reports = scenario.root.join("reports");
        let past = Past::read(scenario, &History::new(&reports), &machine.fingerprint())?;
        let store = Store { folder: reports.join("snapshots"), lab: tools.lab.clone() };
        let snapshot = SnapshotComparison::read(scenario, store, machine.summary(), looks)?;
        Ok(Baseline::Snapshot(Box::new(snapshot.with_past(past).accept_new(accepts_new))))
    }

    pub(super) fn is_decided(&self, estimates: &[Estimate], rounds: &[RoundRecord], looks_made: usize) -> bool {
        match self {
            Baseline::Snapshot(snapshot) => snapshot.is_decided(estimates, rounds, looks_made),
            Baseline::Version(base) => base.is_decided(estimates, rounds, looks_made),
            Baseline::None => false,
        }
    }

    pub(super) fn is_confirmed(&self, estimates: &[Estimate], second: SecondSample<'_>) -> bool {
        match self {
            Baseline::Snapshot(snapshot) => snapshot.is_confirmed(estimates, second),
            Baseline::Version(base) => base.is_confirmed(estimates, second),
            Baseline::None => true,
        }
    }

    pub(super) fn failed_cells(&self, estimates: &[Estimate], rounds: &[RoundRecord], looks_made: usize) -> Vec<Cell> {
        match self {
            Baseline::Snapshot(snapshot) => snapshot.failed_cells(estimates, rounds, looks_made),
            Baseline::Version(base) => base.failed_cells(estimates, rounds, looks_made),
            Baseline::None => Vec::new(),
        }
    }

    /// Enters the verdicts on a finished run into `gate`. Returns the exact facts that differ from the committed ones.
    ///
    /// # Errors
    /// A snapshot cannot be read or written.
    pub(super) fn finish(
        &self,
        results: RunResults<'_>,
        differences: &[StackDifferences],
        gate: &mut GateOutcome,
    ) -> Result<Option<FactsDifference>, ComparisonError> {
        match self {
            Baseline::Snapshot(snapshot) => snapshot.finish(results, gate),
            Baseline::Version(base) => {
                base.finish(results, differences, gate);
                Ok(None)
            }
            Baseline::None => Ok(None),
        }
    }
}

/// The numbers of blocks after which the interim looks are due.
pub(super) fn looks(scenario: &Scenario) -> Vec<u32> {
    scenario.rounds.looks.iter().map(|look| look.get()).collect()
}
