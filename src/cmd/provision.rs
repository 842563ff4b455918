//! `lab provision`: makes the virtual environments that servers run in, or their lock files anew.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anstream::stream::IsTerminal as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::select;
use super::tool_paths::tool_paths;
use crate::catalog::kind::{Install, Interface, Kind};
use crate::catalog::{Catalog, Role};
use crate::cli::{KindsArgs, ProvisionArgs, ScenarioArgs};
use crate::exit::Exit;
use crate::provision::{self, Environment, ProvisionOutcome, ProvisionStep, ToolPaths};
use crate::stack::prerequisites::{requirements, requirements_for};

/// The word for every server kind.
const ALL: &str = "all";
/// Time between two turns of the progress bar's wheel.
const TICK: Duration = Duration::from_millis(120);

/// A kind and what the app it is to host needs.
struct Wanted {
    kind: Kind,
    app: Option<Interface>,
    requirements: String,
}

/// The kinds there are; or what is wrong is printed, and the exit code returned.
pub(super) fn catalog(args: &KindsArgs) -> anyhow::Result<Result<Catalog, Exit>> {
    match args.kinds.iter().map(std::path::PathBuf::as_path).try_fold(Catalog::builtin(), Catalog::with_folder) {
        Ok(catalog) => Ok(Ok(catalog)),
        Err(errors) => {
            let color = std::io::stderr().is_terminal();
            writeln!(anstream::stderr(), "{}", errors.render(color))?;
            Ok(Err(Exit::BadScenario))
        }
    }
}

/// Makes what is missing, and says what could not be made.
pub(super) fn run(args: &ProvisionArgs) -> anyhow::Result<Exit> {
    let tools = tool_paths(&args.kinds)?;
    let wanted = match wanted(args)? {
        Ok(wanted) => wanted,
        Err(exit) => return Ok(exit),
    };
    match args.relock {
        true => relock(&wanted, &tools),
        false => make(&wanted, &tools),
    }
}

/// The kinds that are named, each once for each app.
fn wanted(args: &ProvisionArgs) -> anyhow::Result<Result<Vec<Wanted>, Exit>> {
    let catalog = match catalog(&args.kinds)? {
        Ok(catalog) => catalog,
        Err(exit) => return Ok(Err(exit)),
    };
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut add = |kind: &Kind, app: Option<Interface>, requirements: &str| {
        let is_there = wanted.iter().any(|own| {
            own.kind.role == kind.role
                && own.kind.name == kind.name
                && own.app == app
                && own.requirements == requirements
        });
        if !is_there {
            wanted.push(Wanted { kind: kind.clone(), app, requirements: requirements.to_owned() });
        }
    };
    for what in &args.what {
        if Path::new(what).extension().is_some_and(|extension| extension == "toml") {
            let scenario = ScenarioArgs {
                scenario: what.into(),
                only: Vec::new(),
                skip: Vec::new(),
                backend: None,
                kinds: args.kinds.clone(),
            };
            let scenario = match select::scenario(&scenario)? {
                Ok(scenario) => scenario,
                Err(exit) => return Ok(Err(exit)),
            };
            let requirements = requirements(&scenario)?;
            for stack in &scenario.stacks {
                // What an image brings needs no environment here.
                if stack.server_image().is_none() {
                    add(stack.server.kind.kind(), Some(stack.app), requirements_for(stack.app, &requirements));
                }
                if let Some(proxy) = stack.proxy.as_ref().filter(|_| stack.proxy_image().is_none()) {
                    add(proxy.kind.kind(), None, "");
                }
            }
            continue;
        }
        let kinds: Vec<&Kind> = match what.as_str() {
            ALL => catalog.kinds().collect(),
            name => catalog.kinds().filter(|kind| kind.name == name).collect(),
        };
        if kinds.is_empty() {
            writeln!(anstream::stderr(), "lab: there is no kind `{what}`; `lab servers` lists them")?;
            return Ok(Err(Exit::Usage));
        }
        for kind in kinds {
            add(kind, (kind.role == Role::Server).then_some(Interface::Wsgi), "");
        }
    }
    Ok(Ok(wanted))
}

fn make(wanted: &[Wanted], tools: &ToolPaths) -> anyhow::Result<Exit> {
    let bar = ProgressBar::new(wanted.len() as u64);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(ProgressStyle::with_template("{spinner} {pos}/{len} {msg}")?);
    bar.enable_steady_tick(TICK);
    let mut exit = Exit::Ok;
    for Wanted { kind, app, requirements } in wanted {
        let started = Instant::now();
        let mut made = false;
        let is_made = matches!(kind.install, Install::Environment { .. }) && *app == Some(Interface::Wsgi);
        if is_made {
            let environment = Environment::for_kind(kind, requirements, tools);
            let outcome = environment.map_err(anyhow::Error::msg).and_then(|environment| {
                let outcome = provision::provision(&environment, &mut |step| {
                    let doing = match step {
                        ProvisionStep::Waiting => "is being made by somebody else",
                        ProvisionStep::Creating => "creating its environment",
                        ProvisionStep::Installing => "installing it",
                        ProvisionStep::InstallingApp => "installing what the app needs",
                    };
                    bar.set_message(format!("{}: {doing}", kind.name));
                })?;
                Ok(outcome)
            });
            made = outcome.as_ref().is_ok_and(|outcome| *outcome == ProvisionOutcome::Made);
            if let Err(error) = outcome {
                print_line(&bar, &format!("{}  unavailable: {error:#}", kind.name))?;
                exit = Exit::CouldNotRun;
                bar.inc(1);
                continue;
            }
        }
        // What was made is looked at as a run would: its version is part of it.
        match provision::find(kind, *app, requirements, tools) {
            Ok(found) => {
                let how = match made {
                    true => format!("provisioned in {:.1} s", started.elapsed().as_secs_f64()),
                    false => "there".to_owned(),
                };
                print_line(&bar, &format!("{}  {}  {how}", kind.name, found.version))?;
            }
            Err(reason) => {
                // Nobody can do anything about those that are gone.
                if kind.run.is_ok() {
                    exit = Exit::CouldNotRun;
                }
                print_line(&bar, &format!("{}  unavailable: {reason}", kind.name))?;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(exit)
}

/// A line on standard output, above the progress bar.
fn print_line(bar: &ProgressBar, line: &str) -> std::io::Result<()> {
    bar.suspend(|| writeln!(anstream::stdout(), "{line}"))
}

fn relock(wanted: &[Wanted], tools: &ToolPaths) -> anyhow::Result<Exit> {
    for Wanted { kind, .. } in wanted {
        match provision::relock(kind, tools)? {
            Some(file) => writeln!(anstream::stdout(), "{}  {}", kind.name, file.display())?,
            None => writeln!(anstream::stdout(), "{}  has nothing to lock", kind.name)?,
        }
    }
    Ok(Exit::Ok)
}
