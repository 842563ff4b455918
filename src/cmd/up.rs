//! `lab up`: start a scenario's stacks, print their addresses, follow their logs until Ctrl-C.

use std::io::Write as _;
use std::time::Duration;

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};

use super::select;
use super::tool_paths::tool_paths;
use crate::cli::UpArgs;
use crate::engine::backend::Backend as _;
use crate::engine::interruption::run_until_interrupted;
use crate::engine::local::Local;
use crate::engine::session::{self, Session};
use crate::exit::Exit;
use crate::scenario::model::{Scenario, Stack};
use crate::stack::log_follower::{LogFollower, LogLine};
use crate::stack::recording::Recording;
use crate::stack::running::RunningStack;

/// Time between two looks at the components and their logs.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// Stacks beside each other have different colours.
const COLOURS: [AnsiColor; 6] =
    [AnsiColor::Cyan, AnsiColor::Yellow, AnsiColor::Green, AnsiColor::Magenta, AnsiColor::Blue, AnsiColor::BrightRed];
const QUIET: Style = Style::new().dimmed();
/// The names of most logs fit into it.
const WIDTH: usize = 6;

/// Starts every stack and waits.
pub(super) fn run(args: &UpArgs) -> anyhow::Result<Exit> {
    let scenario = match select::scenario(&args.scenario)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    let session = Session::open(&scenario, None)?;
    let backend = session.backend(&scenario, &tool_paths(&args.scenario.stacks.kinds)?)?;
    let work = async {
        let mut backend = backend;
        session::prepare(&mut backend, &scenario, &mut print_progress).await?;
        let mut stacks = start(&scenario, &mut backend).await?;
        writeln!(anstream::stderr(), "\nlogs in {}; Ctrl-C stops everything\n", session.folder.path.display())?;
        let mut logs = StackLogs::new(&scenario);
        // Ends with Ctrl-C, or when a component ends by itself. Either way the stacks are dropped, which stops them.
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        loop {
            ticks.tick().await;
            logs.print(&stacks)?;
            if let Some(failure) = stacks.iter_mut().find_map(RunningStack::failure) {
                return Err(failure.into());
            }
        }
    };
    match run_until_interrupted(work)? {
        // Ctrl-C is how `lab up` is meant to end.
        None => Ok(Exit::Ok),
        Some(outcome) => outcome,
    }
}

/// The logs of all stacks, each line with its stack and its log before it.
struct StackLogs {
    prefixes: Vec<String>,
    followers: Vec<LogFollower>,
}

impl StackLogs {
    fn new(scenario: &Scenario) -> StackLogs {
        let width = scenario.stacks.iter().map(|stack| stack.name.chars().count()).max().unwrap_or(0);
        let prefix = |(index, stack): (usize, &Stack)| {
            let style = COLOURS[index % COLOURS.len()].on_default();
            format!("{style}{:width$}{style:#}", stack.name)
        };
        StackLogs {
            prefixes: scenario.stacks.iter().enumerate().map(prefix).collect(),
            followers: scenario.stacks.iter().map(|_| LogFollower::default()).collect(),
        }
    }

    /// Prints the lines that were logged since the last call.
    fn print(&mut self, stacks: &[RunningStack]) -> std::io::Result<()> {
        let mut out = anstream::stdout().lock();
        for ((stack, follower), prefix) in stacks.iter().zip(&mut self.followers).zip(&self.prefixes) {
            for LogLine { log, text } in follower.next_lines(stack) {
                // A terminal would obey what a program logs.
                let text = strip_str(&text).to_string().replace(|c: char| c.is_control() && c != '\t', "\u{fffd}");
                writeln!(out, "{prefix} {QUIET}{log:WIDTH$}{QUIET:#} {text}")?;
            }
        }
        out.flush()
    }
}

fn print_progress(line: &str) {
    // Progress is a convenience: a closed standard error is not worth failing for.
    let _ = writeln!(anstream::stderr(), "{line}");
}

async fn start(scenario: &Scenario, backend: &mut Local) -> anyhow::Result<Vec<RunningStack>> {
    let mut stacks = Vec::new();
    let mut out = anstream::stdout().lock();
    for stack in &scenario.stacks {
        let running = backend.start(stack, &stack.name, Recording::LOGS).await;
        let running = running.map_err(|error| anyhow::anyhow!("stack {}: {error}", stack.name))?;
        writeln!(out, "{}  http://{}", stack.name, running.entry())?;
        for component in &running.components {
            writeln!(out, "  {}  {}  {}", component.role, component.address, component.version)?;
        }
        out.flush()?;
        stacks.push(running);
    }
    Ok(stacks)
}
