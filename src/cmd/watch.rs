//! `lab run --watch`: runs the checks of a scenario, and again whenever a file changes that its stacks are made from.
//!
//! Each run is a process of its own, because a run moves its process to the cores of the load.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum as _;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::cli::{KindsArgs, OutputArgs, RunArgs};
use crate::exit::Exit;
use crate::scenario;
use crate::scenario::model::Scenario;

/// An editor writes a file in several steps; the checks start once it is quiet for this long.
const QUIET_TIME: Duration = Duration::from_millis(100);

/// The endings of files that applications are made of. What they write themselves, such as databases and logs, must not start
/// another run.
const SOURCES: [&str; 16] = [
    "cfg", "conf", "css", "env", "html", "ini", "j2", "jinja", "js", "json", "py", "sql", "toml", "txt", "yaml", "yml",
];
/// Folders of generated files.
const GENERATED: [&str; 4] = ["__pycache__", "node_modules", "reports", "site-packages"];

/// Runs the checks until Ctrl-C or SIGTERM.
pub(super) fn run(args: &RunArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch(args))
}

async fn watch(args: &RunArgs) -> anyhow::Result<Exit> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let lab = std::env::current_exe().context("find lab's own file")?;
    let mut watched = WatchedFiles::new(&args.scenario.scenario);
    loop {
        // A scenario with a mistake keeps what the last valid one named.
        if let Ok(scenario) = scenario::load(&args.scenario.scenario, args.scenario.stacks.kinds.kinds.as_deref()) {
            watched.update(&scenario);
        }
        // Before the run, so that no change during it is missed.
        let (_watcher, mut changes) = watched.watcher()?;
        let mut child = Command::new(&lab).args(check_arguments(args)).spawn().context("start the checks")?;
        tokio::select! {
            ended = child.wait() => { ended.context("wait for the checks")?; }
            _ = interrupt.recv() => return stopped(child).await,
            _ = terminate.recv() => return stopped(child).await,
        }
        writeln!(anstream::stderr(), "\nwatching {}; Ctrl-C ends it", watched.summary())?;
        let changed = tokio::select! {
            changed = next_change(&mut changes, &watched) => changed,
            _ = interrupt.recv() => return Ok(Exit::Ok),
            _ = terminate.recv() => return Ok(Exit::Ok),
        };
        writeln!(anstream::stderr(), "\n{} has changed", changed.display())?;
    }
}

/// Ends the checks in order: they stop what they have started.
async fn stopped(mut child: Child) -> anyhow::Result<Exit> {
    // It has no id once it has ended. In a terminal it has the signal already.
    let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    id.map_or(Ok(()), |id| kill_process(id, Signal::TERM)).ok();
    child.wait().await.context("wait for the checks")?;
    Ok(Exit::Ok)
}

/// The first file that changes, once no file changes any more.
async fn next_change(changes: &mut UnboundedReceiver<PathBuf>, watched: &WatchedFiles) -> PathBuf {
    let first = loop {
        match changes.recv().await {
            Some(path) if watched.concerns(&path) => break path,
            Some(_) => {}
            // The watcher lives as long as this loop, so there is always another change to wait for.
            None => std::future::pending().await,
        }
    };
    while let Ok(Some(_)) = tokio::time::timeout(QUIET_TIME, changes.recv()).await {}
    first
}

/// The command line of the checks, with the selection of the run.
fn check_arguments(args: &RunArgs) -> Vec<OsString> {
    let stacks = &args.scenario.stacks;
    let KindsArgs { kinds, cache, python } = &stacks.kinds;
    let OutputArgs { quiet, verbose, json: _ } = args.output;
    let mut arguments: Vec<OsString> = vec!["check".into(), args.scenario.scenario.clone().into()];
    let backend = stacks.backend.and_then(|backend| Some(backend.to_possible_value()?.get_name().to_owned()));
    for (option, values) in
        [("--only", &stacks.only), ("--skip", &stacks.skip), ("--backend", &Vec::from_iter(backend))]
    {
        arguments.extend(values.iter().flat_map(|value| [OsString::from(option), OsString::from(value)]));
    }
    for (option, value) in [("--kinds", kinds), ("--cache", cache), ("--python", python)] {
        arguments.extend(value.iter().flat_map(|value| [OsString::from(option), value.clone().into()]));
    }
    for (option, is_given) in [("--quiet", quiet), ("--verbose", verbose)] {
        arguments.extend(is_given.then(|| OsString::from(option)));
    }
    arguments
}

/// What a scenario's stacks are made from.
#[derive(Debug)]
struct WatchedFiles {
    /// Absolute.
    files: Vec<PathBuf>,
    /// The folders of applications, absolute.
    folders: Vec<PathBuf>,
}

impl WatchedFiles {
    fn new(scenario: &Path) -> WatchedFiles {
        WatchedFiles { files: vec![absolute(scenario)], folders: Vec::new() }
    }

    fn update(&mut self, scenario: &Scenario) {
        let mut files = vec![absolute(&scenario.file)];
        let mut folders = Vec::new();
        for stack in &scenario.stacks {
            let config = stack.proxy.iter().filter_map(|proxy| proxy.config.as_ref());
            for config in config.clone() {
                let included = lab_nginx_conf::load(config).map(|loaded| loaded.sources).unwrap_or_default();
                let folder = config.parent().unwrap_or(Path::new("/"));
                files.extend(included.into_iter().map(|source| folder.join(source.file)));
            }
            files.extend(config.chain(&stack.server.config).cloned());
            if let Some(app) = stack.apps.python() {
                files.extend(app.requirements.iter().chain(&app.env_file).cloned());
                folders.extend(app.path.clone());
            }
        }
        files.sort();
        files.dedup();
        folders.sort();
        folders.dedup();
        *self = WatchedFiles { files, folders };
    }

    /// A watcher of all files, and the paths that it finds changed.
    fn watcher(&self) -> anyhow::Result<(RecommendedWatcher, UnboundedReceiver<PathBuf>)> {
        let (sender, receiver) = unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Opening a file to read it is no change. Nobody listens any more once a run begins.
            for path in event.into_iter().filter(|event| !event.kind.is_access()).flat_map(|event| event.paths) {
                let _ = sender.send(path);
            }
        })?;
        // Editors replace files, so that a watch on the file itself would end.
        let mut parents: Vec<&Path> = self.files.iter().filter_map(|file| file.parent()).collect();
        parents.sort();
        parents.dedup();
        for folder in &self.folders {
            watcher.watch(folder, RecursiveMode::Recursive).with_context(|| format!("watch {}", folder.display()))?;
        }
        for folder in parents.into_iter().filter(|parent| !self.folders.iter().any(|known| parent.starts_with(known))) {
            watcher
                .watch(folder, RecursiveMode::NonRecursive)
                .with_context(|| format!("watch {}", folder.display()))?;
        }
        Ok((watcher, receiver))
    }

    /// Whether a change of this path may change what the checks see.
    fn concerns(&self, path: &Path) -> bool {
        if self.files.iter().any(|file| file == path) {
            return true;
        }
        let Some(inside) = self.folders.iter().find_map(|folder| path.strip_prefix(folder).ok()) else { return false };
        let is_generated = |part: &std::ffi::OsStr| {
            let part = part.to_string_lossy();
            part.starts_with('.') || GENERATED.contains(&part.as_ref())
        };
        let is_source = inside
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| SOURCES.contains(&extension));
        is_source && !inside.iter().any(is_generated)
    }

    fn summary(&self) -> String {
        let folders = self.folders.iter().map(|folder| format!(" and {}", folder.display()));
        format!("{} files{}", self.files.len(), folders.collect::<String>())
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_concern_the_checks() {
        let watched = WatchedFiles {
            files: vec![PathBuf::from("/site/lab.toml"), PathBuf::from("/site/nginx.conf")],
            folders: vec![PathBuf::from("/site/app")],
        };
        for changed in ["/site/lab.toml", "/site/nginx.conf", "/site/app/shop.py", "/site/app/templates/item.html"] {
            assert!(watched.concerns(Path::new(changed)), "{changed}");
        }
        for ignored in [
            "/site/notes.txt",
            "/site/app/shop.sqlite3",
            "/site/app/__pycache__/shop.py",
            "/site/app/.git/config.txt",
            "/site/app/reports/run.json",
        ] {
            assert!(!watched.concerns(Path::new(ignored)), "{ignored}");
        }
    }
}
