//! A session: one use of a scenario's stacks on this machine, from its folder to its record.

use std::path::PathBuf;

use jiff::Timestamp;

use super::checkpoint::{Checkpoint, CheckpointError, CheckpointWriter};
use super::estimates::estimates;
use super::interruption::{InterruptionError, run_until_interrupted};
use super::local::Local;
use super::placement::{Cores, PlacementError};
use super::ranking::rankings;
use super::run_folder::{RunFolder, RunFolderError};
use super::validations::validations;
use super::{Findings, RunPlan, calibration};
use crate::event::{RunEvent, RunObserver};
use crate::measure::machine::Machine;
use crate::provision::ToolPaths;
use crate::record::{
    CalibrationFile, CalibrationFileError, Estimate, GateOutcome, LooksRecord, Manifest, ManifestError, Provenance,
    Record, RoundRecord, SCHEMA,
};
use crate::scenario::model::Scenario;
use crate::snapshot::comparison::{ComparisonError, FactsDifference, RunResults, SnapshotComparison};
use crate::snapshot::failures::count_failures;
use crate::snapshot::store::Store;
use crate::stack::container::run_network::RunNetworkError;
use crate::stack::container::scenario_images::ScenarioImageError;
use crate::stack::guard;
use crate::stack::prerequisites::{RequirementsError, find_installed};
use crate::stack::process::ProcessLauncher;
use lab_stats::decision::{Looks, LooksError};

/// Why a session could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Placement(#[from] PlacementError),
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    #[error("move to the cores of the load")]
    Pin(#[source] std::io::Error),
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Looks(#[from] LooksError),
    #[error(transparent)]
    Comparison(#[from] ComparisonError),
    #[error("containers cannot be used here, and `backend = \"process\"` (or `--backend process`) needs none")]
    Containers(#[source] RunNetworkError),
    #[error(transparent)]
    Image(Box<ScenarioImageError>),
    #[error(transparent)]
    Interruption(#[from] InterruptionError),
    #[error(transparent)]
    Calibration(#[from] CalibrationFileError),
}

/// How much of a scenario a session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// The checks, without any load.
    ChecksOnly,
    /// The checks and the loads.
    Measure,
    /// The checks and the loads of the whole scenario, compared with its committed snapshots.
    MeasureAndCompare,
}

/// How a session ended.
#[derive(Debug)]
pub enum SessionOutcome {
    Finished(Box<FinishedRun>),
    /// By Ctrl-C or SIGTERM.
    Interrupted {
        run: String,
    },
}

/// A finished run.
#[derive(Debug)]
pub struct FinishedRun {
    pub record: Record,
    /// The record's file.
    pub file: PathBuf,
    /// The exact facts, where they differ from the committed ones.
    pub facts_difference: Option<FactsDifference>,
    /// Why the run could not be compared with the committed snapshots. Its record is written all the same.
    pub comparison_error: Option<ComparisonError>,
    /// What of the run may be left in the container engine.
    pub cleanup_error: Option<RunNetworkError>,
}

/// A run's folder, machine and cores.
pub struct Session {
    pub folder: RunFolder,
    started: Timestamp,
    machine: Machine,
    cores: Cores,
}

impl Session {
    /// Creates the run's folder, or reopens that of the interrupted run `resumed`, and moves lab itself to the cores of
    /// the load.
    ///
    /// # Errors
    /// [`SessionError`].
    pub fn open(scenario: &Scenario, resumed: Option<&str>) -> Result<Session, SessionError> {
        let cores = Cores::for_placement(&scenario.placement)?;
        // Before lab moves: the machine includes the cores that lab may use.
        let machine = Machine::read();
        let started = Timestamp::now();
        let folder = RunFolder::open(scenario, started, resumed)?;
        // Probing and sampling must not take the stacks' time.
        guard::pin(&cores.load).map_err(SessionError::Pin)?;
        Ok(Session { folder, started, machine, cores })
    }

    /// The backend that runs stacks in this run's folder and on its cores. [`prepare`] it before use.
    ///
    /// # Errors
    /// [`SessionError::Requirements`].
    pub fn backend(&self, scenario: &Scenario, tools: &ToolPaths) -> Result<Local, SessionError> {
        Ok(Local {
            launcher: ProcessLauncher {
                lab: tools.lab.clone(),
                app: scenario.app.clone(),
                folder: self.folder.path.clone(),
                cores: self.cores.stack.clone(),
                installed: find_installed(scenario, tools)?,
            },
            load_cores: self.cores.load.clone(),
            run: self.folder.container_name(),
            containers: None,
        })
    }
}

/// Opens the container engine and obtains the images that the scenario needs. Passes each line of progress to `print`.
///
/// # Errors
/// [`SessionError::Containers`] or [`SessionError::Image`].
pub async fn prepare(
    backend: &mut Local,
    scenario: &Scenario,
    print: &mut dyn FnMut(&str),
) -> Result<(), SessionError> {
    backend.open(scenario).await.map_err(SessionError::Containers)?;
    backend.obtain_images(scenario, print).await.map_err(|error| SessionError::Image(Box::new(error)))
}

/// Runs a scenario, or resumes it from `checkpoint`, and writes its record.
///
/// # Errors
/// [`SessionError`].
pub fn run(
    scenario: &mut Scenario,
    mode: RunMode,
    tools: &ToolPaths,
    checkpoint: Option<Checkpoint>,
    observer: &mut dyn RunObserver,
) -> Result<SessionOutcome, SessionError> {
    let session = Session::open(scenario, checkpoint.as_ref().map(|checkpoint| checkpoint.run.as_str()))?;
    let (manifest, earlier) = match checkpoint {
        None => (Manifest::new(scenario, session.machine.clone(), session.started)?, Vec::new()),
        Some(checkpoint) => (checkpoint.manifest, checkpoint.rounds),
    };
    scenario.rounds.looks.clone_from(&manifest.looks);
    let scenario = &*scenario;
    let backend = session.backend(scenario, tools)?;
    let store = Store { folder: scenario.root.join("reports/snapshots"), lab: tools.lab.clone() };
    let comparison =
        SnapshotComparison::read(scenario, store, summary(&session.machine), Looks::new(looks(scenario))?)?;

    let mut writer = CheckpointWriter::open(&session.folder.path, &manifest, observer)?;
    let mut is_decided = |rounds: &[RoundRecord], made| {
        mode == RunMode::MeasureAndCompare && comparison.is_decided(&estimates(scenario, rounds), made)
    };
    let plan = RunPlan { checks_only: mode == RunMode::ChecksOnly, earlier, is_decided: &mut is_decided };
    let found = run_until_interrupted(run_stacks(scenario, plan, backend, &mut writer))?.transpose()?;
    writer.finish()?;
    let Some((findings, closed)) = found else {
        return Ok(SessionOutcome::Interrupted { run: session.folder.run });
    };
    let run = finish(scenario, mode, &session, (manifest, findings), &comparison)?;
    Ok(SessionOutcome::Finished(Box::new(FinishedRun { cleanup_error: closed.err(), ..run })))
}

/// Runs every stack. The second result is that of the clean-up in the container engine.
async fn run_stacks(
    scenario: &Scenario,
    plan: RunPlan<'_>,
    mut backend: Local,
    observer: &mut dyn RunObserver,
) -> Result<(Findings, Result<(), RunNetworkError>), SessionError> {
    let mut print = |line: &str| observer.on_event(&RunEvent::Preparing { message: line });
    prepare(&mut backend, scenario, &mut print).await?;
    let findings = super::run(scenario, plan, &mut backend, observer).await;
    Ok((findings, backend.close().await))
}

/// Compares a run with the committed snapshots and writes its record.
fn finish(
    scenario: &Scenario,
    mode: RunMode,
    session: &Session,
    (manifest, findings): (Manifest, Findings),
    comparison: &SnapshotComparison<'_>,
) -> Result<FinishedRun, SessionError> {
    let estimates = estimates(scenario, &findings.rounds);
    let mut gate = count_failures(scenario, &findings.stacks, &findings.rounds);
    let compared = match mode {
        RunMode::MeasureAndCompare => {
            let Findings { stacks, rounds, looks_made, .. } = &findings;
            comparison.finish(RunResults { stacks, rounds, estimates: &estimates, looks_made: *looks_made }, &mut gate)
        }
        RunMode::ChecksOnly | RunMode::Measure => Ok(None),
    };
    // The record is written even if the comparison failed: the measurements stay valid.
    let (facts_difference, comparison_error) = match compared {
        Ok(difference) => (difference, None),
        Err(error) => (None, Some(error)),
    };
    let provenance = Provenance {
        load_cores: session.cores.load.clone(),
        stack_cores: session.cores.stack.clone(),
        ..Provenance::new(session.folder.run.clone(), scenario, manifest)
    };
    let known = CalibrationFile::new(&scenario.root, &session.machine).find(&scenario.name)?;
    let record = Record {
        below_noise_floor: known.map(|known| calibration::warnings(scenario, &known)),
        ..record(scenario, mode, provenance, findings, (estimates, gate))
    };
    let file = session.folder.write_record(&record)?;
    Ok(FinishedRun { record, file, facts_difference, comparison_error, cleanup_error: None })
}

/// The record of a run on a machine without calibration.
fn record(
    scenario: &Scenario,
    mode: RunMode,
    provenance: Provenance,
    findings: Findings,
    (estimates, gate): (Vec<Estimate>, GateOutcome),
) -> Record {
    let has_loads = mode != RunMode::ChecksOnly;
    Record {
        schema: SCHEMA,
        provenance,
        rankings: if has_loads { rankings(scenario, &findings.rounds) } else { Vec::new() },
        validations: if has_loads { validations(scenario, &findings.rounds) } else { Vec::new() },
        below_noise_floor: None,
        looks: LooksRecord { declared: looks(scenario), made: findings.looks_made },
        stacks: findings.stacks,
        differences: findings.differences,
        rounds: findings.rounds,
        estimates,
        gate,
        left_out: Vec::new(),
    }
}

/// The numbers of blocks after which the interim looks are due.
fn looks(scenario: &Scenario) -> Vec<u32> {
    scenario.rounds.looks.iter().map(|look| look.get()).collect()
}

/// A machine in one line, for the reader of committed ratios.
fn summary(machine: &Machine) -> String {
    format!("{}, {} cores, {}", machine.cpu, machine.cores, machine.kernel)
}
