//! `lab run`: checks, rounds, record, snapshot, report.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::path::Path;

use super::progress::Progress;
use super::select;
use super::tool_paths::tool_paths;
use crate::cli::{OutputArgs, RoundsArg, RunArgs, ScenarioArgs};
use crate::engine::checkpoint::Checkpoint;
use crate::engine::session::{self, FinishedRun, RunMode, SessionOutcome};
use crate::exit::Exit;
use crate::provision::ToolPaths;
use crate::record::FactsVerdict;
use crate::report::render::terminal::{self, text_diff};
use crate::scenario::model::Scenario;
use crate::snapshot::gate;

/// Runs the scenario and prints its report.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let mut scenario = match select::scenario(&args.scenario)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    if let Some(rounds) = args.rounds {
        scenario.rounds.looks = looks(rounds, &scenario.rounds.looks);
    }
    if args.quick && !scenario.apply_quick() {
        let file = args.scenario.scenario.display();
        writeln!(anstream::stderr(), "lab: {file} has no short form: `[quick]` says what `--quick` leaves of it")?;
        return Ok(Exit::Usage);
    }
    let checkpoint = match args.resume.as_ref().map(|run| Checkpoint::load(&scenario, run)).transpose() {
        Ok(checkpoint) => checkpoint,
        Err(error) if error.is_refusal() => {
            writeln!(anstream::stderr(), "lab: {error}")?;
            return Ok(Exit::Usage);
        }
        Err(error) => return Err(error.into()),
    };
    let mode = mode(&args.scenario, &scenario);
    let tools = tool_paths(&args.scenario.kinds)?;
    match execute(&mut scenario, args.output, mode, &tools, checkpoint)? {
        SessionOutcome::Finished(finished) => conclude(*finished, args.output, args.gate, args.strict),
        SessionOutcome::Interrupted { run } => {
            let scenario = args.scenario.scenario.display();
            let short = if args.quick { " --quick" } else { "" };
            let command = format!("lab run {scenario}{short} --resume {run}");
            writeln!(anstream::stderr(), "interrupted; `{command}` goes on with its rounds")?;
            Ok(Exit::Interrupted)
        }
    }
}

/// Only the whole of a scenario is compared with its snapshots. Another backend is another deployment: its facts are not
/// those that were reviewed.
fn mode(args: &ScenarioArgs, scenario: &Scenario) -> RunMode {
    let ScenarioArgs { only, skip, backend, .. } = args;
    let is_whole = only.is_empty() && skip.is_empty() && backend.is_none() && !scenario.is_short;
    if is_whole { RunMode::MeasureAndCompare } else { RunMode::Measure }
}

/// The numbers of blocks after which the interim looks are due, where the command line gives them.
fn looks(rounds: RoundsArg, declared: &[NonZeroU32]) -> Vec<NonZeroU32> {
    match (rounds, declared) {
        (RoundsArg::Blocks(blocks), _) => vec![blocks],
        // A single look leaves nothing to extend the run to: look again after twice and three times as many blocks.
        (RoundsArg::Auto, [only]) => (1..=3).filter_map(|times| only.checked_mul(NonZeroU32::new(times)?)).collect(),
        (RoundsArg::Auto, declared) => declared.to_vec(),
    }
}

/// Runs a session and shows its progress.
pub(super) fn execute(
    scenario: &mut Scenario,
    output: OutputArgs,
    mode: RunMode,
    tools: &ToolPaths,
    checkpoint: Option<Checkpoint>,
) -> anyhow::Result<SessionOutcome> {
    let mut progress = Progress::new(output.quiet || output.json);
    let outcome = session::run(scenario, mode, tools, checkpoint, &mut progress);
    progress.finish();
    let mut outcome = outcome?;
    if let SessionOutcome::Finished(finished) = &mut outcome
        && let Some(error) = finished.cleanup_error.take()
    {
        writeln!(anstream::stderr(), "lab: {:#}", anyhow::Error::new(error))?;
    }
    Ok(outcome)
}

/// Prints the report and returns the exit code.
pub(super) fn conclude(finished: FinishedRun, output: OutputArgs, gated: bool, strict: bool) -> anyhow::Result<Exit> {
    let exit = gate::exit(&finished.record.gate, gated, strict);
    match print_report(&finished, output, exit) {
        // The reader closed the pipe. The outcome of the run stays the same.
        Err(error) if super::is_closed_pipe(&error) => {}
        printed => printed?,
    }
    finished.comparison_error.map_or(Ok(exit), |error| Err(error.into()))
}

fn print_report(finished: &FinishedRun, output: OutputArgs, exit: Exit) -> anyhow::Result<()> {
    let FinishedRun { record, facts_difference, file, .. } = finished;
    let mut out = anstream::stdout().lock();
    if output.json {
        writeln!(out, "{}", serde_json::to_string(record)?)?;
        return Ok(());
    }
    if output.quiet && exit == Exit::Ok && facts_difference.is_none() {
        return Ok(());
    }
    write!(out, "{}", terminal::render(record))?;
    if let Some(facts) = facts_difference {
        writeln!(out, "\n{}: - snapshot, + this run", facts.name)?;
        write!(out, "{}", text_diff::render(&facts.committed, &facts.current))?;
    }
    if record.gate.facts == FactsVerdict::New || facts_difference.is_some() {
        let name = &record.provenance.scenario;
        writeln!(out, "\n  `lab snapshot accept {name}` makes this run's facts the snapshot, `reject` does not")?;
    }
    writeln!(out, "\ncommand  {}", record.provenance.command.join(" "))?;
    writeln!(out, "record   {}", display_path(file))?;
    Ok(())
}

/// A path relative to the current folder where it lies within.
pub(super) fn display_path(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(here).unwrap_or(file).display().to_string()
}
