//! `lab ci`: writes workflows of CI services.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::compare::scenario_file;
use super::select;
use crate::catalog::kind::Install;
use crate::ci::{Project, Service};
use crate::cli::{CiAction, CiArgs, CiInitArgs, CiService, KindsArgs, ScenarioArgs, StackArgs};
use crate::exit::Exit;
use crate::scenario::model::{Backend, Scenario};
use crate::whole_file;

pub(super) fn run(args: &CiArgs) -> anyhow::Result<Exit> {
    let CiAction::Init(args) = &args.action;
    init(args)
}

/// Writes the workflow, unless there is one.
fn init(args: &CiInitArgs) -> anyhow::Result<Exit> {
    let file = match scenario_file(args.scenario.as_deref()) {
        Ok(file) => file,
        Err(message) => return refuse(&message, Exit::Usage),
    };
    let kinds = KindsArgs { kinds: None, cache: None, python: None };
    let selection = ScenarioArgs { scenario: file.clone(), stacks: StackArgs::all(kinds) };
    let scenario = match select::scenario(&selection)? {
        Ok(scenario) => scenario,
        Err(exit) => return Ok(exit),
    };
    let service = match args.service {
        CiService::Github => Service::GitHub,
        CiService::Gitlab => Service::GitLab,
    };
    // The workflow is at home at the top of the repository, and so are its paths.
    if file.is_absolute() || !is_plain(&file.display().to_string()) {
        let name = file.display();
        let accepted = "a path from the top of the repository, of letters, digits, `-`, `_`, `.` and `/`";
        return refuse(&format!("the workflow cannot name the scenario {name}; accepted: {accepted}"), Exit::Usage);
    }
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from(service.file()));
    if output.exists() && !args.force {
        let message = format!(
            "{} exists\nhint: --force overwrites it, --output FILE writes another one to include or to copy from",
            output.display()
        );
        return refuse(&message, Exit::Usage);
    }
    let text = service.workflow(&project(args, &file, &scenario));
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    whole_file::replace(&output, text.as_bytes()).with_context(|| format!("write {}", output.display()))?;
    let mut out = anstream::stdout().lock();
    writeln!(out, "wrote {}", output.display())?;
    if args.install.is_none() {
        writeln!(
            out,
            "set the variable LAB_REPOSITORY of the project to the URL of lab's git repository, or use --install"
        )?;
    }
    if service == Service::GitLab {
        writeln!(out, "for the comment, set LAB_COMMENT_TOKEN to an access token with the scope `api`")?;
    }
    Ok(Exit::Ok)
}

fn refuse(message: &str, exit: Exit) -> anyhow::Result<Exit> {
    writeln!(anstream::stderr(), "lab: {message}")?;
    Ok(exit)
}

/// Whether a shell and YAML read the text as it stands.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "-_./".contains(c))
}

fn project(args: &CiInitArgs, file: &Path, scenario: &Scenario) -> Project {
    let requirements = scenario.app.python().and_then(|app| app.requirements.as_ref());
    let requirements = requirements.and_then(|path| path.strip_prefix(&scenario.root).ok());
    Project {
        command: command(args),
        scenario: file.display().to_string(),
        name: scenario.name.clone(),
        install: args.install.clone(),
        packages: packages(scenario),
        requirements: requirements.map(|path| path.display().to_string()).filter(|path| is_plain(path)),
    }
}

/// The command line as one types it. `--force` and `--output` say nothing of the content.
fn command(args: &CiInitArgs) -> String {
    let service = match args.service {
        CiService::Github => "github",
        CiService::Gitlab => "gitlab",
    };
    let scenario = args.scenario.iter().map(|file| format!(" --scenario {}", file.display())).collect::<String>();
    // A comment of YAML ends with the line.
    let install = args.install.iter().map(|command| format!(" --install '{}'", command.replace('\n', "; ")));
    format!("lab ci init {service}{scenario}{}", install.collect::<String>())
}

/// The Debian packages that the stacks need as processes.
fn packages(scenario: &Scenario) -> Vec<String> {
    let stacks = scenario.stacks.iter().filter(|stack| stack.backend == Backend::Process);
    let kinds = stacks.flat_map(|stack| stack.proxy.iter().map(|proxy| &proxy.kind).chain([&stack.server.kind]));
    let packages: BTreeSet<String> = kinds
        .flat_map(|kind| match &kind.kind().install {
            Install::Debian { package, .. } => vec![package.clone()],
            Install::Environment { needs, .. } => needs.clone(),
            Install::Lab | Install::Image(_) | Install::Nowhere => Vec::new(),
        })
        .collect();
    packages.into_iter().collect()
}
