//! One use of a scenario's stacks: its folder, its cores, its name, and an orderly end whatever ends it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::places;
use crate::engine::local::Local;
use crate::measure::machine::Machine;
use crate::measure::procfs;
use crate::provision::ToolPaths;
use crate::scenario::model::{Placement, Scenario};
use crate::stack::guard;
use crate::stack::process::Launcher;

/// How long what was started may take to stop after Ctrl-C.
/// A container engine that is busy takes its time.
const STOP_DEADLINE: Duration = Duration::from_secs(45);

/// What to do where there is no container engine.
pub(super) const WITHOUT_CONTAINERS: &str =
    "containers cannot be used here, and `backend = \"process\"` (or `--backend process`) needs none";

/// A run's name, folder and cores.
pub(super) struct Session {
    /// The run's name: its start in UTC and this process's number.
    pub(super) run: String,
    /// `reports/<scenario>/<run>` in the scenario's root.
    pub(super) folder: PathBuf,
    /// When it started.
    pub(super) started: Timestamp,
    /// The machine, as it was before lab moved to its own cores.
    pub(super) machine: Machine,
    /// Cores of the load driver; empty when unpinned.
    pub(super) load_cores: Vec<u16>,
    /// Cores of the stacks; empty when unpinned.
    pub(super) stack_cores: Vec<u16>,
}

impl Session {
    /// Makes the run's folder, or goes back to that of the interrupted run `again`, and moves lab itself to the cores
    /// of the load.
    pub(super) fn open(scenario: &Scenario, again: Option<&str>) -> anyhow::Result<Session> {
        let (load_cores, stack_cores) = cores(&scenario.placement)?;
        let machine = Machine::read();
        let started = Timestamp::now();
        let stamp = started.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        let run = again.map_or_else(|| format!("{stamp}-{}", std::process::id()), str::to_owned);
        let folder = scenario.root.join("reports").join(&scenario.name).join(&run);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        // What lab does beside the driver (probing, sampling) must not take the stacks' time.
        guard::pin(&load_cores).context("move to the cores of the load")?;
        Ok(Session { run, folder, started, machine, load_cores, stack_cores })
    }

    /// The backend that runs stacks in this run's folder and on its cores.
    pub(super) fn local(&self, scenario: &Scenario, places: &ToolPaths) -> anyhow::Result<Local> {
        Ok(Local {
            launcher: Launcher {
                lab: places.lab.clone(),
                app: scenario.app.clone(),
                folder: self.folder.clone(),
                cores: self.stack_cores.clone(),
                installed: places::installed(scenario, places)?,
            },
            load_cores: self.load_cores.clone(),
            run: self.site(),
            containers: None,
        })
    }
}

impl Session {
    /// The name of this run for a container engine: a run that is resumed is another process, and what the interrupted
    /// one has left is not its own.
    fn site(&self) -> String {
        let own = format!("-{}", std::process::id());
        if self.run.ends_with(&own) { self.run.clone() } else { format!("{}{own}", self.run) }
    }
}

/// lab's version and executable in words: another build of the same version is another lab.
pub(super) fn executable() -> std::io::Result<String> {
    let file = fs::metadata(std::env::current_exe()?)?;
    let built = Timestamp::try_from(file.modified()?).map_or_else(|_| "unknown".to_owned(), rfc3339);
    Ok(format!("lab {}, {} bytes of {built}", env!("CARGO_PKG_VERSION"), file.len()))
}

/// A time as records write it.
pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Makes `reports/<scenario>/latest` lead to this run. A link that cannot be made costs a convenience, not the run.
pub(super) fn point_latest_to(folder: &Path) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return Ok(()) };
    // A new link renamed over the old one: at no time is there none.
    let fresh = parent.join(format!(".latest-{}", std::process::id()));
    std::os::unix::fs::symlink(name, &fresh)?;
    fs::rename(&fresh, parent.join("latest"))
}

/// Says what is being waited for.
pub(super) fn say(line: &str) {
    // Whoever does not listen has no need to know.
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Runs `work` on one thread; `None` when Ctrl-C or SIGTERM ended it. Either way it is dropped, which lets go of all that
/// it had started, and this returns once all of that has ended.
pub(super) fn run_until_interrupted<T>(work: impl Future<Output = T>) -> anyhow::Result<Option<T>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let outcome = tokio::select! {
            outcome = work => Some(outcome),
            interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| None)?,
            _ = terminate.recv() => None,
        };
        let settled = async {
            while !procfs::descendants_of(std::process::id())?.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(STOP_DEADLINE, settled).await.context("what was started did not stop in time")??;
        Ok(outcome)
    })
}

/// The cores of the load and of the stacks.
fn cores(placement: &Placement) -> anyhow::Result<(Vec<u16>, Vec<u16>)> {
    let allowed: Vec<u16> = procfs::cores_allowed()?.into_iter().filter_map(|core| u16::try_from(core).ok()).collect();
    match placement {
        Placement::Pinned { load, stack } => {
            if let Some(missing) = load.iter().chain(stack).find(|core| !allowed.contains(core)) {
                let allowed: Vec<String> = allowed.iter().map(u16::to_string).collect();
                anyhow::bail!(
                    "[placement] names core {missing}, which lab may not use here; it may use {}",
                    allowed.join(", ")
                );
            }
            Ok((load.clone(), stack.clone()))
        }
        Placement::Auto => Ok(halves(&allowed)),
    }
}

/// Disjoint halves, the larger one for the stacks; unpinned where there is only one core.
fn halves(allowed: &[u16]) -> (Vec<u16>, Vec<u16>) {
    if allowed.len() < 2 {
        return (Vec::new(), Vec::new());
    }
    let (stack, load) = allowed.split_at(allowed.len().div_ceil(2));
    (load.to_vec(), stack.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_disjoint_and_one_core_is_shared() {
        assert_eq!(halves(&[0]), (vec![], vec![]));
        assert_eq!(halves(&[0, 1]), (vec![1], vec![0]));
        assert_eq!(halves(&[2, 3, 5]), (vec![5], vec![2, 3]));
    }
}
