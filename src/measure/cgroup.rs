//! Reads a component's resource use from its control group, of version 1, 2, or a mixture: what `/proc` gives for a
//! process and its descendants, for a container.
//!
//! CPU time, throttling and memory are the group's own accounts, which hold what ended processes used; what a control
//! group does not count (context switches, descriptors) comes from `/proc` for the processes that are in it. Where things
//! stand is in cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/; parsers and places are pure and apart.

mod places;
mod texts;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::places::{Controller, Mount, Version};
use super::footprint::Level;
use super::procfs;
use super::resources::{ResourceUse, Sample};

/// How far below a hierarchy's root a container's group is looked for.
const DEPTH: usize = 6;

/// The shortest beginning of a container's id that is accepted: what `docker ps` shows.
const SHORTEST_ID: usize = 12;

/// Why a control group could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// Something is not there, or not for this process to read.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file or folder.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file does not say what it should.
    #[error("cannot find {what} in {}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What it should say.
        what: &'static str,
    },
    /// No hierarchy that counts CPU time is mounted, or none has this group.
    #[error("no control group `{0}` counts CPU time here; mounted hierarchies are those of /proc/self/mountinfo")]
    NoGroup(String),
    /// Not an id.
    #[error("`{0}` is no container's id; accepted: {SHORTEST_ID} hexadecimal digits or more")]
    Id(String),
}

/// A control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    cpu_time: Account,
    /// Absent where nothing limits CPU time.
    throttling: Option<Account>,
    memory: Option<Account>,
}

/// Where one of a group's accounts is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Account {
    version: Version,
    folder: PathBuf,
}

/// One reading of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSample {
    /// Its CPU time since it was made.
    pub cpu: CpuAccount,
    /// How often and how long it was kept from running since it was made; `None` where nothing limits it.
    pub throttled: Option<Throttling>,
    /// Its processes, by `/proc`.
    pub processes: Sample,
}

/// CPU time of a group, ended processes included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuAccount {
    /// All of it.
    pub usage_us: u64,
    /// … in user mode.
    pub user_us: u64,
    /// … in the kernel.
    pub system_us: u64,
}

/// How much a limit on CPU time (`cpu.max`, `cpu.cfs_quota_us`) kept a group from running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// Periods in which it used its limit up.
    pub throttled_periods: u64,
    /// Time for which it had to wait, over all CPUs.
    pub throttled_us: u64,
}

/// The memory that a group is charged for, its files in the page cache included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMemory {
    /// Now.
    pub bytes: u64,
    /// The most since it was made; `None` where the kernel does not tell (version 2 before Linux 5.19).
    pub peak_bytes: Option<u64>,
}

impl Cgroup {
    /// The group at `path`, from the root of the hierarchies on, as in `/proc/PID/cgroup`.
    ///
    /// # Errors
    /// No hierarchy has such a group.
    pub fn at(path: &str) -> Result<Cgroup, CgroupError> {
        Cgroup::with(&mounts()?, path, |_| Some(path.to_owned()))
    }

    /// The group of a process; another one in each hierarchy, possibly.
    ///
    /// # Errors
    /// The process has ended, or no hierarchy counts its CPU time.
    pub fn of_process(pid: u32) -> Result<Cgroup, CgroupError> {
        let file = PathBuf::from(format!("/proc/{pid}/cgroup"));
        let text = read(&file)?;
        Cgroup::with(&mounts()?, &format!("of process {pid}"), |mount| places::path_in(&text, mount))
    }

    /// The group of the container whose id is or begins with `id`, wherever its runtime has put it: `docker/ID` or
    /// `system.slice/docker-ID.scope`, for example.
    ///
    /// # Errors
    /// Not an id, or no group goes by it.
    pub fn of_container(id: &str) -> Result<Cgroup, CgroupError> {
        if id.len() < SHORTEST_ID || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CgroupError::Id(id.to_owned()));
        }
        Cgroup::with(&mounts()?, id, |mount| {
            let folder = find(&mount.point, id, DEPTH)?;
            mount.path_of(&folder)
        })
    }

    /// With the group's path in each hierarchy.
    fn with(mounts: &[Mount], name: &str, path: impl Fn(&Mount) -> Option<String>) -> Result<Cgroup, CgroupError> {
        let account = |controller: Controller| {
            // Version 1 first: where both are mounted, a controller that is bound to it is not in version 2.
            let of_version = |version| mounts.iter().filter(move |mount| mount.has(controller, version));
            of_version(Version::One).chain(of_version(Version::Two)).find_map(|mount| {
                let folder = mount.folder_of(&path(mount)?)?;
                let version = mount.version();
                folder.join(controller.file(version)).exists().then_some(Account { version, folder })
            })
        };
        let cpu_time = account(Controller::CpuTime).ok_or_else(|| CgroupError::NoGroup(name.to_owned()))?;
        Ok(Cgroup { cpu_time, throttling: account(Controller::Cpu), memory: account(Controller::Memory) })
    }

    /// Reads its accounts and its processes.
    ///
    /// # Errors
    /// It has been removed, or an account is not what it should be.
    pub fn read(&self) -> Result<GroupSample, CgroupError> {
        let throttled = match &self.throttling {
            Some(Account { version, folder }) => {
                let file = folder.join("cpu.stat");
                let text = read(&file)?;
                match version {
                    Version::One => texts::throttling_v1(&text),
                    Version::Two => texts::throttling_v2(&text),
                }
            }
            None => None,
        };
        Ok(GroupSample { cpu: self.cpu_time.cpu()?, throttled, processes: procfs::read_processes(&self.processes()?) })
    }

    /// What it is charged for now; `None` where memory is not counted.
    ///
    /// # Errors
    /// As [`read`](Cgroup::read).
    pub fn memory(&self) -> Result<Option<GroupMemory>, CgroupError> {
        let Some(Account { version, folder }) = &self.memory else { return Ok(None) };
        let (now, peak) = match version {
            Version::One => ("memory.usage_in_bytes", "memory.max_usage_in_bytes"),
            Version::Two => ("memory.current", "memory.peak"),
        };
        let peak = folder.join(peak);
        let peak_bytes = if peak.exists() { Some(number(&peak)?) } else { None };
        Ok(Some(GroupMemory { bytes: number(&folder.join(now))?, peak_bytes }))
    }

    /// What its processes hold now; the connections are not `/proc`'s to tell.
    ///
    /// # Errors
    /// It has been removed.
    pub fn level(&self) -> Result<Level, CgroupError> {
        Ok(procfs::level_of(&self.processes()?))
    }

    /// Its processes and those of the groups below it, by their numbers here, in ascending order.
    ///
    /// # Errors
    /// It has been removed.
    pub fn processes(&self) -> Result<Vec<u32>, CgroupError> {
        let mut found = Vec::new();
        let mut folders = vec![self.cpu_time.folder.clone()];
        while let Some(folder) = folders.pop() {
            let text = read(&folder.join("cgroup.procs"))?;
            // Processes of another namespace are called 0.
            found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid > 0));
            folders.extend(folders_in(&folder));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

impl Account {
    fn cpu(&self) -> Result<CpuAccount, CgroupError> {
        match self.version {
            Version::One => {
                let file = self.folder.join("cpuacct.stat");
                let malformed = CgroupError::Malformed { file: file.clone(), what: "`user` and `system`" };
                let ticks_per_s = rustix::param::clock_ticks_per_second();
                let (user_us, system_us) = texts::cpuacct_stat(&read(&file)?, ticks_per_s).ok_or(malformed)?;
                Ok(CpuAccount { usage_us: number(&self.folder.join("cpuacct.usage"))? / 1000, user_us, system_us })
            }
            Version::Two => {
                let file = self.folder.join("cpu.stat");
                let malformed = CgroupError::Malformed { file: file.clone(), what: "`usage_usec`" };
                texts::cpu_stat_v2(&read(&file)?).ok_or(malformed)
            }
        }
    }
}

impl GroupSample {
    /// What the group used between `earlier` and this reading. Context switches of processes that have ended are lost.
    #[must_use]
    pub fn since(&self, earlier: &GroupSample) -> ResourceUse {
        ResourceUse {
            cpu_us: self.cpu.usage_us.saturating_sub(earlier.cpu.usage_us),
            cpu_user_us: self.cpu.user_us.saturating_sub(earlier.cpu.user_us),
            cpu_system_us: self.cpu.system_us.saturating_sub(earlier.cpu.system_us),
            ..self.processes.since(&earlier.processes)
        }
    }

    /// How much it was kept from running between `earlier` and this reading; `None` where nothing limits it.
    #[must_use]
    pub fn throttled_since(&self, earlier: &GroupSample) -> Option<Throttling> {
        let (now, then) = (self.throttled?, earlier.throttled.unwrap_or_default());
        Some(Throttling {
            throttled_periods: now.throttled_periods.saturating_sub(then.throttled_periods),
            throttled_us: now.throttled_us.saturating_sub(then.throttled_us),
        })
    }
}

fn mounts() -> Result<Vec<Mount>, CgroupError> {
    Ok(places::mounts(&read(Path::new("/proc/self/mountinfo"))?))
}

fn read(file: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(file).map_err(|source| CgroupError::Unreadable { file: file.to_owned(), source })
}

fn number(file: &Path) -> Result<u64, CgroupError> {
    let malformed = || CgroupError::Malformed { file: file.to_owned(), what: "a number" };
    read(file)?.trim().parse().map_err(|_| malformed())
}

/// The first folder below `folder` whose name holds `id`, the nearest to it first.
fn find(folder: &Path, id: &str, depth: usize) -> Option<PathBuf> {
    let mut level = vec![folder.to_owned()];
    for _ in 0..depth {
        let below: Vec<PathBuf> = level.iter().flat_map(|folder| folders_in(folder)).collect();
        let has_id = |folder: &&PathBuf| folder.file_name().is_some_and(|name| name.to_string_lossy().contains(id));
        if let Some(found) = below.iter().find(has_id) {
            return Some(found.clone());
        }
        level = below;
    }
    None
}

/// Groups come and go: one that cannot be listed has none below it.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests;
