//! `lab diff`: the same requests to two stacks, and every field that differs.

use std::io::Write as _;

use super::event_log::EventLog;
use super::execution::execute;
use super::select;
use super::tool_paths::tool_paths;
use crate::cli::{DiffArgs, OutputArgs};
use crate::engine::session::{RunMode, SessionOutcome};
use crate::exit::Exit;
use crate::record::StackRecord;
use crate::report::render::terminal::stack_diff;
use crate::report::view::stack_diff::{CheckComparison, compare};
use crate::scenario::model::{Check, CheckRequest, Expectation, Scenario};

/// Sends the requests to every stack, and prints where the responses differ from the first stack's.
pub(super) fn run(args: &DiffArgs) -> anyhow::Result<Exit> {
    let mut scenario = match select::scenario(&args.selection())? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    if scenario.stacks.len() < 2 {
        let file = args.scenario.display();
        let mut err = anstream::stderr();
        writeln!(err, "lab: {file}: only one stack is selected; a comparison needs two")?;
        writeln!(err, "hint: `lab compare REVISION {file}` compares a stack with itself at another revision")?;
        return Ok(Exit::Usage);
    }
    let first = args.stacks.first().unwrap_or(&scenario.reference().name).clone();
    if !args.path.is_empty() {
        scenario.checks = args.path.iter().map(|path| get(path)).collect();
    }
    let others = ordered(&mut scenario, &first, &args.stacks);
    let output = OutputArgs { json: args.json, quiet: false, verbose: false };
    let tools = tool_paths(&args.kinds)?;
    let outcome = execute(&mut scenario, output, RunMode::ChecksOnly, &tools, None, &mut EventLog::none())?;
    let SessionOutcome::Finished(finished) = outcome else {
        return Ok(Exit::Interrupted);
    };
    let found = &finished.record.stacks;
    if let Some((stack, error)) = found.iter().find_map(why_not_run) {
        writeln!(anstream::stderr(), "lab: {stack} could not run: {error}")?;
        return Ok(Exit::CouldNotRun);
    }
    let by_name = |name: &str| found.iter().find(|stack| stack.name == name);
    let Some(reference) = by_name(&first) else { return Ok(Exit::CouldNotRun) };
    let others: Vec<&StackRecord> = others.iter().filter_map(|name| by_name(name)).collect();
    let compared: Vec<Vec<CheckComparison>> = others.iter().map(|other| compare(reference, other)).collect();

    let mut out = anstream::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&compared.concat())?)?;
    } else {
        for (other, compared) in others.iter().zip(&compared) {
            writeln!(out, "{} compared with {}\n\n{}", other.name, reference.name, stack_diff::render(compared))?;
        }
    }
    let differs = !compared.iter().flatten().all(CheckComparison::is_same);
    Ok(if args.exit_code && differs { Exit::Failed } else { Exit::Ok })
}

/// A stack that did not run, and why.
fn why_not_run(stack: &StackRecord) -> Option<(&str, &str)> {
    Some((&stack.name, stack.error.as_deref().or(stack.unavailable.as_deref())?))
}

/// Makes `first` the reference. Returns the other names in the requested order.
fn ordered(scenario: &mut Scenario, first: &str, requested: &[String]) -> Vec<String> {
    for stack in &mut scenario.stacks {
        stack.reference = stack.name == first;
    }
    let all: Vec<String> = scenario.stacks.iter().map(|stack| stack.name.clone()).collect();
    let names = if requested.is_empty() { all } else { requested.to_vec() };
    names.into_iter().filter(|name| name != first).collect()
}

/// A check that requests `path` and expects nothing.
fn get(path: &str) -> Check {
    Check {
        name: path.to_owned(),
        stacks: None,
        needs: Vec::new(),
        request: CheckRequest::get(path),
        expect: Expectation::default(),
        sequence: None,
        extract: Vec::new(),
    }
}
