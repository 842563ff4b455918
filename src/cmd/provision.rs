//! `lab provision`: creates the virtual environments of servers, or rewrites their lock files.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anstream::stream::IsTerminal as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::select;
use super::tool_paths::tool_paths;
use crate::catalog::kind::{Install, Interface, Kind};
use crate::catalog::{Catalog, Role};
use crate::cli::{KindsArgs, ProvisionArgs, ScenarioArgs, StackArgs};
use crate::exit::Exit;
use crate::provision::{self, AppPackages, Environment, ProvisionOutcome, ProvisionStep, ToolPaths};
use crate::stack::prerequisites::for_each_required;

/// Selects every kind.
const ALL: &str = "all";
/// Time between two frames of the progress spinner.
const TICK: Duration = Duration::from_millis(120);

/// A kind to provision for an app.
struct Target {
    kind: Kind,
    app: Option<Interface>,
    packages: AppPackages,
}

/// The catalogue. Errors are printed, and the exit code returned.
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

/// Creates the missing environments and reports those that cannot be created.
pub(super) fn run(args: &ProvisionArgs) -> anyhow::Result<Exit> {
    let tools = tool_paths(&args.kinds)?;
    let targets = match targets(args)? {
        Ok(targets) => targets,
        Err(exit) => return Ok(exit),
    };
    match args.relock {
        true => relock(&targets, &tools),
        false => provision(&targets, &tools),
    }
}

/// The named kinds, each once per app.
fn targets(args: &ProvisionArgs) -> anyhow::Result<Result<Vec<Target>, Exit>> {
    let catalog = match catalog(&args.kinds)? {
        Ok(catalog) => catalog,
        Err(exit) => return Ok(Err(exit)),
    };
    let mut targets: Vec<Target> = Vec::new();
    let mut add = |kind: &Kind, app: Option<Interface>, packages: &AppPackages| {
        let is_known = targets.iter().any(|known| {
            known.kind.role == kind.role
                && known.kind.name == kind.name
                && known.app == app
                && known.packages == *packages
        });
        if !is_known {
            targets.push(Target { kind: kind.clone(), app, packages: packages.clone() });
        }
    };
    for what in &args.what {
        if Path::new(what).extension().is_some_and(|extension| extension == "toml") {
            let stacks = StackArgs { only: args.only.clone(), ..StackArgs::all(args.kinds.clone()) };
            let scenario = ScenarioArgs { scenario: what.into(), stacks };
            let scenario = match select::scenario(&scenario)? {
                Ok(scenario) => scenario,
                Err(exit) => return Ok(Err(exit)),
            };
            for_each_required(&scenario, &mut |required| add(required.kind, required.app, required.packages))?;
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
            add(kind, (kind.role == Role::Server).then_some(Interface::Wsgi), &AppPackages::None);
        }
    }
    Ok(Ok(targets))
}

fn provision(targets: &[Target], tools: &ToolPaths) -> anyhow::Result<Exit> {
    let bar = ProgressBar::new(targets.len() as u64);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    bar.set_style(ProgressStyle::with_template("{spinner} {pos}/{len} {msg}")?);
    bar.enable_steady_tick(TICK);
    let mut exit = Exit::Ok;
    for Target { kind, app, packages } in targets {
        let started = Instant::now();
        let mut is_created = false;
        let has_environment = matches!(kind.install, Install::Environment { .. })
            && app.is_some_and(|app| app != Interface::Native)
            && packages.environment_with(kind, *app).is_none();
        if has_environment {
            let environment = Environment::for_kind(kind, packages, tools);
            let outcome = environment.map_err(anyhow::Error::msg).and_then(|environment| {
                let outcome = provision::provision(&environment, &mut |step| {
                    let activity = match step {
                        ProvisionStep::Waiting => "waiting for another process",
                        ProvisionStep::Creating => "creating its environment",
                        ProvisionStep::Installing => "installing it",
                        ProvisionStep::InstallingApp => "installing the app's requirements",
                    };
                    bar.set_message(format!("{}: {activity}", kind.name));
                })?;
                Ok(outcome)
            });
            is_created = outcome.as_ref().is_ok_and(|outcome| *outcome == ProvisionOutcome::Created);
            if let Err(error) = outcome {
                print_line(&bar, &format!("{}  unavailable: {error:#}", kind.name))?;
                exit = Exit::CouldNotRun;
                bar.inc(1);
                continue;
            }
        }
        // The same search as in a run.
        match provision::find(kind, *app, packages, tools) {
            Ok(found) => {
                let state = match is_created {
                    true => format!("provisioned in {:.1} s", started.elapsed().as_secs_f64()),
                    false => "installed".to_owned(),
                };
                print_line(&bar, &format!("{}  {}  {state}", kind.name, found.version))?;
            }
            Err(reason) => {
                // A kind that can no longer be run is not a failure.
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

fn relock(targets: &[Target], tools: &ToolPaths) -> anyhow::Result<Exit> {
    for Target { kind, .. } in targets {
        match provision::relock(kind, tools)? {
            Some(file) => writeln!(anstream::stdout(), "{}  {}", kind.name, file.display())?,
            None => writeln!(anstream::stdout(), "{}  has nothing to lock", kind.name)?,
        }
    }
    Ok(Exit::Ok)
}
