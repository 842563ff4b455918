//! `lab run`: checks, rounds, record, snapshot, report.

use super::compare;
use super::execution::{GateArgs, Outputs, Request, github_step, perform};
use super::select;
use super::tool_paths::tool_paths;
use super::watch;
use crate::cli::{CompareArgs, RunArgs, ScenarioArgs};
use crate::engine::session::RunMode;
use crate::exit::Exit;

/// Runs the scenario and prints its report.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    if args.watch {
        return watch::run(args);
    }
    if let Some(revision) = &args.against_rev {
        return compare::run(&compare_args(args, revision));
    }
    let step = match github_step(&args.outcome, args.output)? {
        Ok(step) => step,
        Err(exit) => return Ok(exit),
    };
    // Only a complete scenario is compared with its snapshots. The facts of another backend were not
    // reviewed.
    let is_whole = args.scenario.stacks.is_all() && !args.measure.quick;
    let mut scenario = match select::scenario_of_run(&args.scenario, is_whole && args.measure.gate, step.as_ref())? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    select::shorten(&mut scenario, args.measure.rounds, args.measure.quick);
    let mode = match is_whole {
        true => RunMode::MeasureAndCompare { accepts_new: args.accept_new, confirms: args.measure.gate },
        false => RunMode::Measure,
    };
    let tools = tool_paths(&args.scenario.stacks.kinds)?;
    let resume = args.measure.resume.as_deref();
    let short = if args.measure.quick { " --quick" } else { "" };
    let ScenarioArgs { scenario: file, stacks } = &args.scenario;
    let command = Some(format!("lab run {}{}{short}", file.display(), stacks.options()));
    let gate = GateArgs { is_gated: args.measure.gate, is_strict: args.measure.strict };
    let outputs = Outputs {
        terminal: args.output,
        files: &args.outcome,
        step: step.as_ref(),
        opens_page: args.measure.open,
        is_served: args.serve,
    };
    perform(Request { scenario, mode, tools, outputs, gate, resume, command })
}

/// The command line of `lab compare` that does the same.
fn compare_args(args: &RunArgs, revision: &str) -> CompareArgs {
    let ScenarioArgs { scenario, stacks } = args.scenario.clone();
    CompareArgs {
        revision: revision.to_owned(),
        scenario: Some(scenario),
        merge_base: args.merge_base,
        base_lab: None,
        base_image: Vec::new(),
        stacks,
        output: args.output,
        outcome: args.outcome.clone(),
        measure: args.measure.clone(),
    }
}
