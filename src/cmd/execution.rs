//! Runs a scenario for a subcommand and prints the report.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::event_log::{EventLog, LoggedObserver};
use super::github::GitHubStep;
use super::live::LiveServer;
use super::page;
use super::progress::Progress;
use super::session_history;
use super::source_lines::source_lines;
use super::terminal_width::terminal_width;
use crate::cli::{OutcomeArgs, OutputArgs};
use crate::engine::checkpoint::Checkpoint;
use crate::engine::error::error_chain;
use crate::engine::session::{self, FinishedRun, RunMode, SessionOutcome};
use crate::event::line::Event;
use crate::exit::Exit;
use crate::provision::ToolPaths;
use crate::record::{FactsVerdict, GateOutcome, Provenance, Record};
use crate::report::render::junit;
use crate::report::render::markdown::summary;
use crate::report::render::terminal::{self, text_diff};
use crate::report::view::annotations::annotations;
use crate::report::view::next_command::next_command;
use crate::report::view::outcome;
use crate::report::view::test_suites::RunContext;
use crate::scenario::model::Scenario;
use crate::snapshot::gate;
use crate::whole_file;

/// Whether the outcome of the gate is that of the command.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GateArgs {
    pub(super) is_gated: bool,
    pub(super) is_strict: bool,
}

/// Where the outcome goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outputs<'a> {
    pub(super) terminal: OutputArgs,
    pub(super) files: &'a OutcomeArgs,
    /// The step of GitHub Actions to annotate and to summarise.
    pub(super) step: Option<&'a GitHubStep>,
    /// Whether to show the page of the run in a browser.
    pub(super) opens_page: bool,
    /// Whether to serve the page while the run goes on.
    pub(super) is_served: bool,
}

/// A scenario to run, and how.
pub(super) struct Request<'a> {
    pub(super) scenario: Scenario,
    pub(super) mode: RunMode,
    pub(super) tools: ToolPaths,
    pub(super) outputs: Outputs<'a>,
    pub(super) gate: GateArgs,
    /// The interrupted run to continue.
    pub(super) resume: Option<&'a str>,
    /// The command that continues this run, once ` --resume RUN` is added; `None` if it cannot be continued.
    pub(super) command: Option<String>,
}

/// The step of GitHub Actions, if the outcome is to go there. Prints why there is none, and returns the exit code.
pub(super) fn github_step(args: &OutcomeArgs, output: OutputArgs) -> anyhow::Result<Result<Option<GitHubStep>, Exit>> {
    match args.github.then(|| GitHubStep::from_environment(output.json)).transpose() {
        Ok(step) => Ok(Ok(step)),
        Err(message) => {
            writeln!(anstream::stderr(), "lab: {message}")?;
            Ok(Err(Exit::Usage))
        }
    }
}

/// Runs a scenario, or the rest of an interrupted run, and prints the report.
pub(super) fn perform(request: Request<'_>) -> anyhow::Result<Exit> {
    let Request { mut scenario, mode, tools, outputs, gate, resume, command } = request;
    let checkpoint = match resume.map(|run| Checkpoint::load(&scenario, run)).transpose() {
        Ok(checkpoint) => checkpoint,
        Err(error) if error.is_refusal() => {
            writeln!(anstream::stderr(), "lab: {error}")?;
            return Ok(Exit::Usage);
        }
        Err(error) => return Err(error.into()),
    };
    if let Some(remade) = checkpoint.as_ref().map(|checkpoint| checkpoint.remade_rounds).filter(|rounds| *rounds > 0) {
        let text = "the disk was full, or lines of rounds.jsonl are cut off; rounds that are made again";
        writeln!(anstream::stderr(), "lab: {text}: {remade}")?;
    }
    let live = live_server(&scenario, outputs)?;
    let mut events = EventLog::create(outputs.files.events.as_deref())?.with_live(live);
    // Before the run, because a commit made during the run was not measured.
    let revision = session_history::revision(&scenario.root);
    let ended = execute(&mut scenario, outputs.terminal, mode, &tools, checkpoint, &mut events);
    let exit = match ended {
        Ok(SessionOutcome::Finished(finished)) => {
            let context = RunContext { is_gated: gate.is_gated };
            let (sentence, file) = (outcome::outcome(&finished.record, context).text, finished.file.clone());
            let kept = session_history::keep(&finished, &scenario, revision);
            let exit = conclude(*finished, &scenario, outputs, gate).and_then(|exit| kept.map(|()| exit));
            let code = *exit.as_ref().unwrap_or(&Exit::CouldNotRun) as u8;
            // Without a page, the live one stays as it is.
            let _ = events.show_report(&page::file_of(&file));
            events.write(Event::RunEnded { exit: code, outcome: sentence, record: file.display().to_string() });
            exit
        }
        Ok(SessionOutcome::Interrupted { run, checkpoint_error }) => {
            events.write(Event::RunInterrupted { run: &run });
            if let Some(error) = checkpoint_error {
                let error = anyhow::Error::new(error);
                writeln!(anstream::stderr(), "lab: some rounds are lost and will be made again: {error:#}")?;
            }
            if let Some(command) = command {
                let command = format!("{command} --resume {run}");
                writeln!(anstream::stderr(), "interrupted; `{command}` continues with the remaining rounds")?;
            }
            Ok(Exit::Interrupted)
        }
        Err(error) => {
            events.write(Event::RunFailed { error: format!("{error:#}") });
            Err(match events.log_folder() {
                Some(folder) if !super::is_closed_pipe(&error) => {
                    anyhow::anyhow!("{error:#}\nhint: the logs until then are in {}", display_path(folder))
                }
                _ => error,
            })
        }
    };
    // The outcome of the run says more than a file that is not whole.
    let exit = exit?;
    events.finish()?;
    Ok(exit)
}

/// The server of the live page, if one is wanted. Says where it is.
fn live_server(scenario: &Scenario, outputs: Outputs<'_>) -> anyhow::Result<Option<LiveServer>> {
    if !outputs.is_served {
        return Ok(None);
    }
    let title = scenario.title.as_deref().unwrap_or(&scenario.name);
    let live = LiveServer::bind(title).context("serve the live page")?;
    writeln!(anstream::stderr(), "the run is shown at {}", live.url())?;
    Ok(Some(live))
}

/// Runs a session and shows its progress.
pub(super) fn execute(
    scenario: &mut Scenario,
    output: OutputArgs,
    mode: RunMode,
    tools: &ToolPaths,
    checkpoint: Option<Checkpoint>,
    events: &mut EventLog,
) -> anyhow::Result<SessionOutcome> {
    let mut progress = Progress::new(output.quiet || output.json, output.verbose);
    let mut observer = LoggedObserver { log: events, next: &mut progress };
    let outcome = session::run(scenario, mode, tools, checkpoint, &mut observer);
    progress.finish();
    let mut outcome = outcome?;
    if let SessionOutcome::Finished(finished) = &mut outcome
        && let Some(error) = finished.cleanup_error.take()
    {
        writeln!(anstream::stderr(), "lab: {:#}", anyhow::Error::new(error))?;
    }
    Ok(outcome)
}

/// Prints the report, writes the files that were asked for, and returns the exit code.
pub(super) fn conclude(
    finished: FinishedRun,
    scenario: &Scenario,
    outputs: Outputs<'_>,
    gate: GateArgs,
) -> anyhow::Result<Exit> {
    let exit = gate::exit(&finished.record.gate, gate.is_gated, gate.is_strict);
    if gate.is_gated {
        print_missing(&finished.record)?;
    }
    // A page that cannot be written, on a full disk, must not cost the report.
    let page = page::write(&finished);
    match print_report(&finished, outputs.terminal, exit, page.as_deref().ok()) {
        // The reader closed the pipe. The outcome of the run stays the same.
        Err(error) if super::is_closed_pipe(&error) => {}
        printed => printed?,
    }
    let is_written = print_write_errors(&finished)?;
    match &page {
        Err(error) => writeln!(anstream::stderr(), "lab: {error:#}")?,
        Ok(file) if outputs.opens_page => page::show(file)?,
        Ok(_) => {}
    }
    // After the report: a full disk must not cost it.
    write_outcome(&finished.record, scenario, outputs, RunContext { is_gated: gate.is_gated })?;
    let exit = if is_written { exit } else { Exit::CouldNotRun };
    finished.comparison_error.map_or(Ok(exit), |error| Err(error.into()))
}

/// Writes the outcome for CI systems and bots.
fn write_outcome(
    record: &Record,
    scenario: &Scenario,
    outputs: Outputs<'_>,
    context: RunContext,
) -> anyhow::Result<()> {
    let write = |file: &Path, text: &str| {
        whole_file::replace(file, text.as_bytes()).with_context(|| format!("write {}", file.display()))
    };
    if let Some(file) = &outputs.files.junit {
        write(file, &junit::render(record, context)?)?;
    }
    if let Some(file) = &outputs.files.comment {
        write(file, &summary::render(record, context, summary::MAX_COMMENT))?;
    }
    if let Some(step) = outputs.step {
        step.annotate(&annotations(record, context, &source_lines(scenario, step)))?;
        step.add_summary(&summary::render(record, context, summary::MAX_JOB_SUMMARY))?;
    }
    Ok(())
}

/// Prints which files of the run could not be written. Returns whether its record was.
pub(super) fn print_write_errors(finished: &FinishedRun) -> anyhow::Result<bool> {
    let FinishedRun { record, record_error, housekeeping_error, checkpoint_error, .. } = finished;
    let mut err = anstream::stderr();
    if let Some(error) = housekeeping_error {
        writeln!(err, "lab: {}", error_chain(error))?;
    }
    if let Some(error) = checkpoint_error {
        writeln!(err, "lab: {}", error_chain(error))?;
    }
    let Some(error) = record_error else { return Ok(true) };
    writeln!(err, "lab: {}", error_chain(error))?;
    // A run without rounds has nothing to resume.
    if !record.rounds.is_empty() {
        let Provenance { run, file, is_short, .. } = &record.provenance;
        let short = if *is_short { " --quick" } else { "" };
        let command = match &record.comparison {
            Some(comparison) => format!("lab compare {}", comparison.base.name),
            None => "lab run".to_owned(),
        };
        let outcome = "makes what is not in the run's folder, and its record";
        writeln!(err, "hint: `{command} {file}{short} --resume {run}` {outcome}")?;
    }
    Ok(false)
}

/// Names the snapshots that the gate did not find, and those that it has committed.
fn print_missing(record: &Record) -> anyhow::Result<()> {
    let GateOutcome { missing_snapshots, accepted_snapshots, .. } = &record.gate;
    let mut err = anstream::stderr();
    for file in missing_snapshots {
        let file = display_path(Path::new(file));
        match Path::new(&file).is_file() {
            true => writeln!(err, "lab: the gate has nothing to compare with: {file} lacks a ratio of this run")?,
            false => writeln!(err, "lab: the gate has nothing to compare with: there is no {file}")?,
        }
    }
    if let Some(reason) = &record.gate.refused_ratios {
        writeln!(err, "lab: nothing is committed: {reason}")?;
    }
    if !missing_snapshots.is_empty() {
        let name = &record.provenance.scenario;
        writeln!(err, "hint: review and commit this run's: `lab snapshot accept {name} {name}.ratios`;")?;
        writeln!(
            err,
            "hint: a first run with `--gate --accept-new` commits them by itself if nothing fails or varies"
        )?;
    }
    for file in accepted_snapshots {
        writeln!(err, "lab: committed {} as the snapshot", display_path(Path::new(file)))?;
    }
    Ok(())
}

fn print_report(finished: &FinishedRun, output: OutputArgs, exit: Exit, page: Option<&Path>) -> anyhow::Result<()> {
    let FinishedRun { record, facts_difference, file, .. } = finished;
    let mut out = anstream::stdout().lock();
    if output.json {
        writeln!(out, "{}", serde_json::to_string(record)?)?;
        return Ok(());
    }
    if output.quiet && exit == Exit::Ok && facts_difference.is_none() {
        return Ok(());
    }
    write!(out, "{}", terminal::render(record, terminal_width()))?;
    if let Some(facts) = facts_difference {
        writeln!(out, "\n{}: - snapshot, + this run", facts.name)?;
        write!(out, "{}", text_diff::render(&facts.committed, &facts.current))?;
    }
    let is_pending = record.gate.facts == FactsVerdict::New && record.gate.accepted_snapshots.is_empty();
    if is_pending || facts_difference.is_some() {
        let name = &record.provenance.scenario;
        let ratios = if record.gate.metrics.is_empty() { "" } else { " and ratios" };
        writeln!(
            out,
            "\n  `lab snapshot accept {name}` makes this run's facts{ratios} the snapshot; `reject` discards them"
        )?;
    }
    let context = RunContext::from_command(record);
    write!(out, "\n{}", terminal::summary::render(record, context, terminal_width()))?;
    writeln!(out, "\ncommand  {}", record.provenance.command.join(" "))?;
    let not_written = if file.is_file() { "" } else { " could not be written" };
    writeln!(out, "record   {}{not_written}", display_path(file))?;
    if let Some(page) = page {
        writeln!(out, "page     {}", display_path(page))?;
    }
    if let Some(command) = next_command(record) {
        writeln!(out, "next     {command}")?;
    }
    if record.gate.failed_checks > 0 && !output.verbose {
        writeln!(out, "more     --verbose prints each check with its response")?;
    }
    Ok(())
}

/// A path relative to the current folder where it lies within.
pub(super) fn display_path(file: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    file.strip_prefix(here).unwrap_or(file).display().to_string()
}
