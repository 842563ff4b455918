//! The files of an earlier version, and the scenario in them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::select;
use crate::cli::ScenarioArgs;
use crate::exit::Exit;
use crate::revision::{Checkout, Earlier, Repository};
use crate::scenario::{self, model::Scenario};
use crate::stack::verify;

/// The folder of checkouts in a project.
const CHECKOUTS: &str = "reports/revisions";

/// The files of an earlier version.
pub(super) struct EarlierFiles {
    /// The folder that stands for the scenario's root.
    root: PathBuf,
    pub(super) commit: Option<String>,
    submodules: Vec<String>,
    /// Removes the files when it is dropped.
    _checkout: Option<Checkout>,
}

/// The scenario of an earlier version.
pub(super) struct EarlierScenario {
    pub(super) scenario: Scenario,
    /// Why it is today's scenario on earlier files, if it is.
    reason: Option<String>,
}

/// Finds the files, or checks them out.
pub(super) fn files(found: &Earlier, root: &Path, repository: Option<&Repository>) -> anyhow::Result<EarlierFiles> {
    let real = fs::canonicalize(root).with_context(|| format!("find {}", root.display()))?;
    // The place of the scenario's root in the repository.
    let within = repository.and_then(|repository| real.strip_prefix(&repository.top).ok());
    match (found, repository) {
        (Earlier::Commit(commit), Some(repository)) => {
            let within = within.with_context(|| format!("{} is not in the working tree", real.display()))?;
            let checkout = Checkout::new(repository, commit, &real.join(CHECKOUTS))?;
            Ok(EarlierFiles {
                root: checkout.top.join(within),
                commit: Some(commit.clone()),
                submodules: repository.submodules(commit)?,
                _checkout: Some(checkout),
            })
        }
        (Earlier::Commit(_), None) => anyhow::bail!("{} is in no git repository", root.display()),
        (Earlier::Folder(folder), _) => {
            let folder = fs::canonicalize(folder).with_context(|| format!("find {}", folder.display()))?;
            // Another clone's top stands for the top of this one.
            let nested = within.map(|within| folder.join(within)).filter(|nested| nested.is_dir());
            let root = if folder.join(".git").exists() { nested.unwrap_or(folder) } else { folder };
            Ok(EarlierFiles { root, commit: None, submodules: Vec::new(), _checkout: None })
        }
    }
}

/// Loads the scenario of the earlier version: its own, or today's over its files where it has none that this lab can read.
/// Prints errors and returns the exit code.
pub(super) fn load(
    head: &Scenario,
    selection: &ScenarioArgs,
    files: &EarlierFiles,
    name: &str,
) -> anyhow::Result<Result<EarlierScenario, Exit>> {
    let kinds = selection.stacks.kinds.kinds.as_deref();
    let today = &selection.scenario;
    let place = std::path::absolute(today).ok();
    let place = place.as_deref().and_then(|file| file.strip_prefix(&head.root).ok());
    let own = place.map(|place| files.root.join(place)).filter(|file| file.is_file());
    let mut reason = match &own {
        Some(_) => None,
        None => Some(format!("{name} has no {}", today.display())),
    };
    let mut loaded = None;
    if let Some(own) = own {
        match scenario::load_over(&own, &files.root, kinds) {
            Ok(scenario) if has_common_stack(&scenario, head) => loaded = Some(scenario),
            Ok(_) => reason = Some(format!("{} of {name} has none of the stacks", today.display())),
            Err(_) => reason = Some(format!("{} of {name} is not valid for this lab", today.display())),
        }
    }
    let scenario = match loaded {
        Some(scenario) => scenario,
        None => match scenario::load_over(today, &files.root, kinds) {
            Ok(scenario) => scenario,
            Err(errors) => {
                let reason = reason.unwrap_or_default();
                let why = "so today's scenario was tried, and does not fit the files";
                writeln!(anstream::stderr(), "lab: {reason}, {why}:")?;
                select::print_errors(&errors)?;
                return Ok(Err(Exit::BadScenario));
            }
        },
    };
    if let Err(error) = verify::configurations(&scenario) {
        writeln!(anstream::stderr(), "lab: in {name}: {:#}", anyhow::Error::new(error))?;
        return Ok(Err(Exit::BadScenario));
    }
    Ok(Ok(EarlierScenario { scenario, reason }))
}

fn has_common_stack(base: &Scenario, head: &Scenario) -> bool {
    head.stacks.iter().any(|stack| base.stacks.iter().any(|before| before.name == stack.name))
}

/// What the reader of the comparison has to know.
pub(super) fn notes(files: &EarlierFiles, base: &EarlierScenario, head: &Scenario) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(base.reason.as_ref().map(|reason| format!("{reason}: today's scenario is used for both versions")));
    for stack in &head.stacks {
        if !base.scenario.stacks.iter().any(|before| before.name == stack.name) {
            notes.push(format!("the stack {} is new: it is checked, and compared with nothing", stack.name));
        }
    }
    if !files.submodules.is_empty() {
        let submodules = files.submodules.join(", ");
        notes.push(format!("submodules are not checked out, so these are empty in the earlier version: {submodules}"));
    }
    for path in shared_paths(&base.scenario) {
        notes.push(format!("{} is an absolute path, and so the same for both versions", path.display()));
    }
    notes
}

/// The files and folders that the earlier version does not have to itself.
fn shared_paths(base: &Scenario) -> Vec<PathBuf> {
    let mut shared: Vec<PathBuf> = Vec::new();
    for stack in &base.stacks {
        let app = stack.apps.python();
        let paths = [
            stack.proxy.as_ref().and_then(|proxy| proxy.config.as_deref()),
            stack.server.config.as_deref(),
            app.and_then(|app| app.path.as_deref()),
            app.and_then(|app| app.requirements.as_deref()),
        ];
        shared.extend(paths.into_iter().flatten().filter(|path| !path.starts_with(&base.root)).map(Path::to_owned));
    }
    shared.sort();
    shared.dedup();
    shared
}
