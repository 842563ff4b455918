//! A session: one use of a scenario's stacks on this machine, from its folder to its record.

use std::path::PathBuf;

use jiff::Timestamp;

use super::baseline::{Baseline, BaselineError};
use super::checkpoint::{Checkpoint, CheckpointError, CheckpointWriter};
use super::confirmation::{ConfirmationPlan, ConfirmationRounds};
use super::error::CleanupError;
use super::estimates::estimates;
use super::interim_records::InterimRecords;
use super::interruption::{InterruptionError, run_until_interrupted};
use super::local::Local;
use super::placement::{Cores, PlacementError};
use super::run_folder::{RunFolder, RunFolderError};
pub use super::run_mode::RunMode;
use super::run_record::record;
use super::swarm::{self, SwarmSessionError};
use super::{Findings, RunPlan, calibration};
use crate::event::{RunEvent, RunObserver};
use crate::measure::machine::Machine;
use crate::measure::other_runs::{self, RunPresence};
use crate::provision::RequirementsError;
use crate::provision::ToolPaths;
use crate::record::{
    CalibrationFile, CalibrationFileError, Manifest, ManifestError, NetworkPath, Provenance, Record, RoundRecord,
};
use crate::scenario::model::Scenario;
use crate::snapshot::comparison::{ComparisonError, FactsDifference, RunResults};
use crate::snapshot::confirmation::SecondSample;
use crate::snapshot::failures::count_failures;
use crate::stack::container::run_network::RunNetworkError;
use crate::stack::container::scenario_images::ScenarioImageError;
use crate::stack::guard;
use crate::stack::orphans;
use crate::stack::prerequisites::find_installed;
use crate::stack::process::ProcessLauncher;

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Placement(#[from] PlacementError),
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    #[error("become the parent of orphaned processes")]
    Adopt(#[source] std::io::Error),
    #[error("move to the cores of the load")]
    Pin(#[source] std::io::Error),
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error("containers cannot be used here; `backend = \"process\"` (or `--backend process`) needs none")]
    Containers(#[source] RunNetworkError),
    #[error("the swarm cannot be used; `backend = \"process\"` (or `--backend process`) needs none")]
    Swarm(#[source] Box<SwarmSessionError>),
    #[error(transparent)]
    Image(Box<ScenarioImageError>),
    #[error(transparent)]
    Interruption(#[from] InterruptionError),
    #[error(transparent)]
    Calibration(#[from] CalibrationFileError),
}

/// How a session ended.
#[derive(Debug)]
pub enum SessionOutcome {
    Finished(Box<FinishedRun>),
    /// By Ctrl-C or SIGTERM.
    Interrupted {
        run: String,
        /// Why not all of its rounds are in its folder.
        checkpoint_error: Option<CheckpointError>,
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
    /// Why the record could not be written; then this is its only copy.
    pub record_error: Option<RunFolderError>,
    /// Why large logs are not compressed, or old runs not removed.
    pub housekeeping_error: Option<RunFolderError>,
    /// Why not all rounds are in the run's folder.
    pub checkpoint_error: Option<CheckpointError>,
    /// Why objects of the run may be left in the container engine.
    pub cleanup_error: Option<CleanupError>,
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
    pub fn open(scenario: &Scenario, resumed: Option<&Checkpoint>) -> Result<Session, SessionError> {
        let cores = Cores::for_placement(&scenario.placement)?;
        // Before lab moves: the machine includes the cores that lab may use.
        let machine = swarm::machine(scenario).map_err(|error| SessionError::Swarm(Box::new(error)))?;
        let started = Timestamp::now();
        let resumed = resumed.map(|checkpoint| (checkpoint.run.as_str(), checkpoint.lock()));
        let folder = RunFolder::open(scenario, started, resumed)?;
        orphans::adopt().map_err(SessionError::Adopt)?;
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
                root: scenario.root.clone(),
                folder: self.folder.path.clone(),
                cores: self.cores.stack.clone(),
                installed: find_installed(scenario, tools)?,
                logs_under_load: scenario.access_logs,
            },
            load_cores: self.cores.load.clone(),
            run: self.folder.container_name(),
            containers: None,
            swarm: None,
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
    backend.open_swarm(scenario, print).await.map_err(|error| SessionError::Swarm(Box::new(error)))?;
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
    let session = Session::open(scenario, checkpoint.as_ref())?;
    let (name, run) = (scenario.name.as_str(), session.folder.run.as_str());
    observer.on_event(&RunEvent::Opened { scenario: name, run, folder: &session.folder.path });
    let (manifest, earlier) = match checkpoint {
        None => (Manifest::new(scenario, session.machine.clone(), session.started)?, Vec::new()),
        Some(checkpoint) => (checkpoint.manifest, checkpoint.rounds),
    };
    scenario.rounds.looks.clone_from(&manifest.looks);
    let scenario = &*scenario;
    let backend = session.backend(scenario, tools)?;
    let baseline = Baseline::read(scenario, mode, &session.machine, tools)?;

    // Before the run: a file that cannot be read must not cost its record.
    let calibration = CalibrationFile::new(&scenario.root, &session.machine).find(&scenario.name)?;

    let measures = mode != RunMode::ChecksOnly && !scenario.loads.is_empty();
    let _presence = measures.then(|| RunPresence::announce(&scenario.name));
    for other in other_runs::others().iter().filter(|_| measures) {
        let message = format!("warning: another run is going on, {other}; the figures of both suffer");
        observer.on_event(&RunEvent::Preparing { message: &message });
    }
    let below_noise_floor = calibration.filter(|_| measures).map(|known| calibration::warnings(scenario, &known));
    let (confirming, earlier): (Vec<RoundRecord>, Vec<RoundRecord>) =
        earlier.into_iter().partition(|round| round.confirms);
    let mut observer = InterimRecords {
        scenario,
        mode,
        provenance: provenance(scenario, &session, manifest.clone()),
        below_noise_floor: below_noise_floor.clone(),
        stacks: Vec::new(),
        rounds: earlier.clone(),
        next: observer,
    };
    let mut writer = CheckpointWriter::open(&session.folder.path, &manifest, &mut observer)?;
    let mut is_decided = |rounds: &[RoundRecord], made| baseline.is_decided(&estimates(scenario, rounds), rounds, made);
    let failed_cells =
        |rounds: &[RoundRecord], made: usize| baseline.failed_cells(&estimates(scenario, rounds), rounds, made);
    let is_confirmed = |second: SecondSample<'_>| baseline.is_confirmed(&estimates(scenario, second.rounds), second);
    let confirmation = ConfirmationPlan { failed_cells: &failed_cells, is_decided: &is_confirmed, earlier: confirming };
    let plan = RunPlan {
        confirmation: mode.confirms().then_some(confirmation),
        checks_only: mode == RunMode::ChecksOnly,
        repeats_checks: true,
        earlier,
        is_decided: &mut is_decided,
    };
    let found = run_until_interrupted(run_stacks(scenario, plan, backend, &mut writer))?.transpose()?;
    let checkpoint_error = writer.finish().err();
    let Some(StackResults { findings, paths, closed }) = found else {
        return Ok(SessionOutcome::Interrupted { run: session.folder.run, checkpoint_error });
    };
    let run = finish(scenario, mode, &session, (manifest, findings), &baseline);
    let provenance = Provenance { paths, ..run.record.provenance };
    let record = Record { below_noise_floor, provenance, ..run.record };
    let record_error = session.folder.write_record(&record).err();
    let housekeeping = session.folder.compress_logs().and_then(|()| session.folder.remove_old_runs(scenario.kept_runs));
    let housekeeping_error = housekeeping.err();
    let cleanup_error = closed.err();
    Ok(SessionOutcome::Finished(Box::new(FinishedRun {
        record,
        record_error,
        housekeeping_error,
        checkpoint_error,
        cleanup_error,
        ..run
    })))
}

/// The results of running every stack.
struct StackResults {
    findings: Findings,
    paths: Vec<NetworkPath>,
    /// The clean-up in the container engine or the swarm.
    closed: Result<(), CleanupError>,
}

/// Runs every stack.
async fn run_stacks(
    scenario: &Scenario,
    plan: RunPlan<'_>,
    mut backend: Local,
    observer: &mut dyn RunObserver,
) -> Result<StackResults, SessionError> {
    let mut print = |line: &str| observer.on_event(&RunEvent::Preparing { message: line });
    prepare(&mut backend, scenario, &mut print).await?;
    let findings = super::run(scenario, plan, &mut backend, observer).await;
    let paths = backend.network_paths();
    Ok(StackResults { findings, paths, closed: backend.close().await })
}

/// Compares a run with its baseline and makes its record.
fn finish(
    scenario: &Scenario,
    mode: RunMode,
    session: &Session,
    (manifest, findings): (Manifest, Findings),
    baseline: &Baseline<'_>,
) -> FinishedRun {
    let estimates = estimates(scenario, &findings.rounds);
    let Findings { stacks, rounds, looks_made, confirmation, .. } = &findings;
    let mut gate = match confirmation {
        None => count_failures(scenario, stacks, rounds),
        Some(second) => count_failures(scenario, stacks, &[rounds.as_slice(), &second.rounds].concat()),
    };
    let second_estimates = confirmation.as_ref().map(|second| self::estimates(scenario, &second.rounds));
    let second = confirmation.as_ref().zip(second_estimates.as_deref()).map(|(second, estimates)| {
        let ConfirmationRounds { cells, rounds, looks_made } = second;
        (estimates, SecondSample { cells, rounds, looks_made: *looks_made })
    });
    let results = RunResults { stacks, rounds, estimates: &estimates, looks_made: *looks_made, second };
    let compared = baseline.finish(results, &findings.differences, &mut gate);
    // There is a record even if the comparison failed: the measurements stay valid.
    let (facts_difference, comparison_error) = match compared {
        Ok(difference) => (difference, None),
        Err(error) => (None, Some(error)),
    };
    FinishedRun {
        record: record(scenario, mode, provenance(scenario, session, manifest), findings, (estimates, gate)),
        file: session.folder.record_file(),
        facts_difference,
        comparison_error,
        record_error: None,
        housekeeping_error: None,
        checkpoint_error: None,
        cleanup_error: None,
    }
}

/// The provenance of a record that is made now.
fn provenance(scenario: &Scenario, session: &Session, manifest: Manifest) -> Provenance {
    Provenance {
        load_cores: session.cores.load.clone(),
        stack_cores: session.cores.stack.clone(),
        ..Provenance::new(session.folder.run.clone(), scenario, manifest)
    }
}
