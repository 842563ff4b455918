//! The history of a scenario: its past on this machine, and the line of a finished session, which becomes part of it once it is
//! accepted.

use std::path::Path;

use anyhow::Context as _;

use crate::engine::session::FinishedRun;
use crate::engine::swarm;
use crate::measure::machine::Machine;
use crate::record::{SessionLine, SessionRevision};
use crate::revision::Repository;
use crate::scenario::model::{PastSessions, Scenario};
use crate::snapshot::history::{History, HistoryError};
use crate::snapshot::past::Past;
use crate::snapshot::ratios::load_description;

/// The commit that the files of `root` are at; none outside of git, or without it.
pub(super) fn revision(root: &Path) -> SessionRevision {
    let Ok(Some(repository)) = Repository::containing(root) else { return SessionRevision::default() };
    let reports = root.join("reports");
    let reports = std::fs::canonicalize(&reports).unwrap_or(reports);
    SessionRevision {
        commit: repository.commit("HEAD").ok().flatten(),
        is_modified: repository.is_modified(&reports).unwrap_or(true),
    }
}

/// The accepted sessions of this machine that the stacks of a scenario are compared with.
pub(super) fn past(scenario: &Scenario) -> Result<PastSessions, HistoryError> {
    let history = History::new(&scenario.root.join("reports"));
    // A run says why a swarm cannot be used.
    let machine = swarm::machine(scenario).unwrap_or_else(|_| Machine::read());
    Ok(Past::read(scenario, &history, &machine.fingerprint())?.sessions())
}

/// Keeps the session in the folder of its run, if its facts were compared with a snapshot. If the snapshots of a first run
/// were committed, the session is accepted with them.
pub(super) fn keep(finished: &FinishedRun, scenario: &Scenario, revision: SessionRevision) -> anyhow::Result<()> {
    let record = &finished.record;
    if record.gate.facts_sha256.is_none() {
        return Ok(());
    }
    let loads = scenario.loads.iter().map(|load| (load.name.clone(), load_description(load)));
    let session = SessionLine::new(record, revision, loads.collect());
    let run = finished.file.parent().context("find the folder of the run")?;
    History::keep_pending(run, &session)?;
    if !record.gate.accepted_snapshots.is_empty() {
        History::new(&scenario.root.join("reports")).add(&scenario.name, &session)?;
    }
    Ok(())
}
