//! `lab history`: how a scenario's figures developed, and where their levels changed.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::execution::display_path;
use super::terminal_width::terminal_width;
use crate::cli::HistoryArgs;
use crate::exit::Exit;
use crate::record::SessionLine;
use crate::report::render::terminal::trend;
use crate::report::view::bisection;
use crate::report::view::trend::{TrendFilter, trends};
use crate::scenario;
use crate::snapshot::history::History;

/// Prints the trends, the commands that bisect the changes, or the sessions.
pub(super) fn run(args: &HistoryArgs) -> anyhow::Result<Exit> {
    let history = History::new(&args.reports);
    let (name, file) = scenario_of(&args.scenario, &history);
    let sessions = match history.read(&name) {
        Ok(sessions) => sessions,
        Err(error) => {
            writeln!(anstream::stderr(), "lab: {:#}", anyhow::Error::new(error))?;
            return Ok(Exit::BadScenario);
        }
    };
    if sessions.is_empty() {
        let path = history.file(&name);
        writeln!(anstream::stderr(), "lab: there is no session in {}", display_path(&path))?;
        writeln!(
            anstream::stderr(),
            "hint: `lab run {file}` and then `lab snapshot accept {name}` make the first line of it"
        )?;
        return Ok(Exit::Usage);
    }
    let filter = TrendFilter {
        loads: args.load.clone(),
        stacks: args.stack.clone(),
        metrics: args.metric.clone(),
        machines: args.machine.clone(),
    };
    if let Some(message) = unknown_name(&sessions, args) {
        writeln!(anstream::stderr(), "lab: {message}")?;
        return Ok(Exit::Usage);
    }
    let mut out = anstream::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&sessions).context("write the sessions as JSON")?)?;
        return Ok(Exit::Ok);
    }
    let found = trends(&sessions, &filter);
    match args.bisect {
        true => write!(out, "{}", bisection::commands(&found, &file))?,
        false => write!(out, "{}", trend::render(&name, &found, terminal_width()))?,
    }
    Ok(Exit::Ok)
}

/// The name of a scenario that is given by its name or its file, and the file.
fn scenario_of(given: &str, history: &History) -> (String, String) {
    if history.file(given).exists() || !Path::new(given).is_file() {
        return (given.to_owned(), format!("scenarios/{given}.toml"));
    }
    // A scenario that cannot be read any more may still have a history.
    let stem = Path::new(given).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = scenario::load(Path::new(given), None).map_or(stem, |scenario| scenario.name);
    (name, given.to_owned())
}

/// The first name of the command line that no session has, with those that some have.
fn unknown_name(sessions: &[SessionLine], args: &HistoryArgs) -> Option<String> {
    let figures = || sessions.iter().flat_map(|session| &session.figures);
    let known: [(&str, &[String], Vec<&String>); 4] = [
        ("load", &args.load, figures().map(|figure| &figure.load).collect()),
        ("stack", &args.stack, figures().map(|figure| &figure.stack).collect()),
        ("metric", &args.metric, figures().map(|figure| &figure.metric).collect()),
        ("machine", &args.machine, sessions.iter().map(|session| &session.machine).collect()),
    ];
    known.into_iter().find_map(|(what, wanted, mut names)| {
        let unknown = wanted.iter().find(|name| !names.contains(name))?;
        names.sort();
        names.dedup();
        let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        Some(format!("the history has no {what} `{unknown}`; accepted: {}", names.join(", ")))
    })
}
