//! Loads a scenario and selects its stacks, for every subcommand that takes a scenario.

use std::io::Write as _;
use std::num::NonZeroU32;

use anstream::stream::IsTerminal as _;

use super::github::GitHubStep;
use super::outside;
use super::session_history;
use crate::cli::{BackendArg, RoundsArg, ScenarioArgs, StackArgs};
use crate::document::DocumentErrors;
use crate::exit::Exit;
use crate::scenario::{
    self,
    model::{Backend, PastSessions, Scenario},
};
use crate::stack::verify;

/// Loads the scenario and applies `--backend`, `--only` and `--skip`. Prints errors and returns the exit code.
pub(super) fn scenario(args: &ScenarioArgs) -> anyhow::Result<Result<Scenario, Exit>> {
    scenario_of_run(args, false, None)
}

/// The same for a run. If its margins are judged, something must be able to do so. Mistakes are also annotations of a step
/// of GitHub Actions.
pub(super) fn scenario_of_run(
    args: &ScenarioArgs,
    is_gated: bool,
    step: Option<&GitHubStep>,
) -> anyhow::Result<Result<Scenario, Exit>> {
    let kinds = args.stacks.kinds.kinds.as_deref();
    // The run itself reports a history that cannot be read.
    let past = |scenario: &Scenario| session_history::past(scenario).unwrap_or(PastSessions(PastSessions::NEEDED));
    let loaded = match is_gated {
        true => scenario::load_gated(&args.scenario, kinds, &past),
        false => scenario::load(&args.scenario, kinds),
    };
    if let (Err(errors), Some(step)) = (&loaded, step) {
        step.annotate_errors(errors)?;
    }
    selected(args, loaded, step)
}

/// Prints why a scenario is wrong.
pub(super) fn print_errors(errors: &DocumentErrors) -> std::io::Result<()> {
    writeln!(anstream::stderr(), "{}", errors.render(std::io::stderr().is_terminal()))
}

fn selected(
    args: &ScenarioArgs,
    loaded: Result<Scenario, DocumentErrors>,
    step: Option<&GitHubStep>,
) -> anyhow::Result<Result<Scenario, Exit>> {
    let mut scenario = match loaded {
        Ok(scenario) => scenario,
        Err(errors) => {
            print_errors(&errors)?;
            return Ok(Err(Exit::BadScenario));
        }
    };
    if let Some(backend) = args.stacks.backend {
        for stack in &mut scenario.stacks {
            stack.backend = match backend {
                BackendArg::Process => Backend::Process,
                BackendArg::Container => Backend::Container,
                BackendArg::Swarm => Backend::Swarm,
            };
        }
    }
    scenario.context.clone_from(&args.stacks.context);
    let known: Vec<&str> = scenario.stacks.iter().map(|stack| stack.name.as_str()).collect();
    if let Some(unknown) = args.stacks.only.iter().chain(&args.stacks.skip).find(|name| !known.contains(&name.as_str()))
    {
        let known = known.join("`, `");
        writeln!(anstream::stderr(), "lab: {}: no stack `{unknown}`; it has `{known}`", args.scenario.display())?;
        return Ok(Err(Exit::Usage));
    }
    let StackArgs { only, skip, .. } = &args.stacks;
    let known = known.join("`, `");
    scenario.stacks.retain(|stack| (only.is_empty() || only.contains(&stack.name)) && !skip.contains(&stack.name));
    if scenario.stacks.is_empty() {
        let file = args.scenario.display();
        writeln!(anstream::stderr(), "lab: {file}: --only and --skip leave no stack; it has `{known}`")?;
        return Ok(Err(Exit::Usage));
    }
    match verify::configurations(&scenario) {
        Ok(notes) => notes.iter().try_for_each(|note| writeln!(anstream::stderr(), "lab: {note}"))?,
        Err(error) => {
            if let (Some(step), Some((file, line))) = (step, error.location()) {
                step.annotate_mistake(&scenario.root.join(file), line, error.to_string())?;
            }
            writeln!(anstream::stderr(), "lab: {:#}", anyhow::Error::new(error))?;
            return Ok(Err(Exit::BadScenario));
        }
    }
    if outside::print_faults(&scenario)? {
        return Ok(Err(Exit::BadScenario));
    }
    Ok(Ok(scenario))
}

/// Applies `--rounds` and `--quick`.
pub(super) fn shorten(scenario: &mut Scenario, rounds: Option<RoundsArg>, quick: bool) {
    if let Some(rounds) = rounds {
        scenario.rounds.looks = looks(rounds, &scenario.rounds.looks);
    }
    if quick {
        scenario.apply_quick();
    }
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
