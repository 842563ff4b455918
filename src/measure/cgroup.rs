//! Reads a container's resource use from its control group, of version 1, 2, or a mixture.
//!
//! CPU time, throttling and memory are the group's own counters, which include processes that have ended. What a control
//! group does not count (context switches, descriptors) comes from `/proc`, for the processes in the group. The files are
//! documented in cgroups(7), Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. Parsers are pure, in their own files.

mod counters;
mod hierarchy;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::hierarchy::{Controller, Mount, Version};
use super::footprint::Footprint;
use super::procfs;
use super::resources::{ResourceUse, Sample};

/// How many levels below a hierarchy's root a container's group is searched for.
const MAX_DEPTH: usize = 6;

/// The shortest prefix of a container's id that is accepted: the length that `docker ps` shows.
const MIN_ID_LENGTH: usize = 12;

/// Why a control group could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A file is missing, or this process may not read it.
    #[error("cannot read {}", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The kernel refuses the value, or this process may not write the file.
    #[error("cannot write {}", file.display())]
    Unwritable {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("control groups have no cores of their own here: the controller `cpuset` is not enabled")]
    NoCpuset,
    /// A file lacks an expected value.
    #[error("cannot find {what} in {}", file.display())]
    Malformed {
        file: PathBuf,
        /// The expected value.
        what: &'static str,
    },
    /// No hierarchy that counts CPU time is mounted, or none has this group.
    #[error("no control group `{0}` counts CPU time here; /proc/self/mountinfo lists the mounted hierarchies")]
    NoGroup(String),
    #[error("`{0}` is not a container id; accepted: {MIN_ID_LENGTH} or more hexadecimal digits")]
    Id(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    cpu_time: ControllerFolder,
    /// Absent where nothing limits CPU time.
    throttling: Option<ControllerFolder>,
    memory: Option<ControllerFolder>,
    /// Absent where groups have no cores of their own.
    cpuset: Option<ControllerFolder>,
}

/// The group's folder in the hierarchy of one controller.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ControllerFolder {
    version: Version,
    folder: PathBuf,
}

/// One reading of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSample {
    /// CPU time since the group was created.
    pub cpu: CpuUsage,
    /// Throttling since the group was created; `None` where nothing limits its CPU time.
    pub throttled: Option<Throttling>,
    /// The group's processes, from `/proc`.
    pub processes: Sample,
}

/// CPU time of a group, ended processes included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuUsage {
    /// In user mode and in the kernel.
    pub usage_us: u64,
    pub user_us: u64,
    pub system_us: u64,
}

/// How much a limit on CPU time (`cpu.max`, `cpu.cfs_quota_us`) kept a group from running.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttling {
    /// Periods in which the group used up its limit.
    pub throttled_periods: u64,
    /// Time for which the group had to wait, summed over all CPUs.
    pub throttled_us: u64,
}

/// The memory that a group is charged for, including its files in the page cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMemory {
    pub bytes: u64,
    /// The maximum since the group was created; `None` where the kernel does not report it (version 2 before Linux 5.19).
    pub peak_bytes: Option<u64>,
}

impl Cgroup {
    /// The group of a process, whose path may differ between hierarchies.
    ///
    /// # Errors
    /// The process has ended, or no hierarchy counts its CPU time.
    pub fn from_pid(pid: u32) -> Result<Cgroup, CgroupError> {
        let file = PathBuf::from(format!("/proc/{pid}/cgroup"));
        let text = read(&file)?;
        Cgroup::locate(&mounts()?, &format!("of process {pid}"), |mount| hierarchy::path_in(&text, mount))
    }

    /// The group of the container whose id starts with `id`, wherever its runtime has put it: `docker/ID` or
    /// `system.slice/docker-ID.scope`, for example.
    ///
    /// # Errors
    /// `id` is not an id, or no group has it in its name.
    pub fn from_container_id(id: &str) -> Result<Cgroup, CgroupError> {
        if id.len() < MIN_ID_LENGTH || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CgroupError::Id(id.to_owned()));
        }
        Cgroup::locate(&mounts()?, id, |mount| {
            let folder = find(&mount.point, id, MAX_DEPTH)?;
            mount.path_of(&folder)
        })
    }

    /// `path` gives the group's path in a hierarchy.
    fn locate(mounts: &[Mount], name: &str, path: impl Fn(&Mount) -> Option<String>) -> Result<Cgroup, CgroupError> {
        let folder = |controller: Controller| {
            // Version 1 first: where both are mounted, a controller that is bound to it is not in version 2.
            let of_version = |version| mounts.iter().filter(move |mount| mount.has(controller, version));
            of_version(Version::One).chain(of_version(Version::Two)).find_map(|mount| {
                let folder = mount.folder_of(&path(mount)?)?;
                let version = mount.version();
                folder.join(controller.file(version)).exists().then_some(ControllerFolder { version, folder })
            })
        };
        let cpu_time = folder(Controller::CpuTime).ok_or_else(|| CgroupError::NoGroup(name.to_owned()))?;
        Ok(Cgroup {
            cpu_time,
            throttling: folder(Controller::Cpu),
            memory: folder(Controller::Memory),
            cpuset: folder(Controller::Cpuset),
        })
    }

    /// Moves the group's processes to these cores.
    ///
    /// # Errors
    /// Groups have no cores of their own here, the kernel refuses these, or this process may not write the file.
    pub fn set_cores(&self, cores: &[u16]) -> Result<(), CgroupError> {
        let ControllerFolder { folder, .. } = self.cpuset.as_ref().ok_or(CgroupError::NoCpuset)?;
        let file = folder.join("cpuset.cpus");
        let list: Vec<String> = cores.iter().map(u16::to_string).collect();
        fs::write(&file, list.join(",")).map_err(|source| CgroupError::Unwritable { file, source })
    }

    /// Reads the group's counters and its processes.
    ///
    /// # Errors
    /// The group has been removed, or a file is malformed.
    pub fn read(&self) -> Result<GroupSample, CgroupError> {
        let throttled = match &self.throttling {
            Some(ControllerFolder { version, folder }) => {
                let file = folder.join("cpu.stat");
                let text = read(&file)?;
                match version {
                    Version::One => counters::throttling_v1(&text),
                    Version::Two => counters::throttling_v2(&text),
                }
            }
            None => None,
        };
        let processes = procfs::read_processes(&self.processes()?);
        Ok(GroupSample { cpu: self.cpu_time.cpu_usage()?, throttled, processes })
    }

    /// The memory that the group is charged for now; `None` where memory is not counted.
    ///
    /// # Errors
    /// As [`read`](Cgroup::read).
    pub fn memory(&self) -> Result<Option<GroupMemory>, CgroupError> {
        let Some(ControllerFolder { version, folder }) = &self.memory else { return Ok(None) };
        let (now, peak) = match version {
            Version::One => ("memory.usage_in_bytes", "memory.max_usage_in_bytes"),
            Version::Two => ("memory.current", "memory.peak"),
        };
        let peak = folder.join(peak);
        let peak_bytes = if peak.exists() { Some(number(&peak)?) } else { None };
        Ok(Some(GroupMemory { bytes: number(&folder.join(now))?, peak_bytes }))
    }

    /// What the group's processes hold now, without connections.
    ///
    /// # Errors
    /// The group has been removed.
    pub fn footprint(&self) -> Result<Footprint, CgroupError> {
        Ok(procfs::footprint(&self.processes()?))
    }

    /// The ids of the processes in this group and the groups below it, in ascending order.
    ///
    /// # Errors
    /// The group has been removed.
    pub fn processes(&self) -> Result<Vec<u32>, CgroupError> {
        let mut found = Vec::new();
        let mut folders = vec![self.cpu_time.folder.clone()];
        while let Some(folder) = folders.pop() {
            let text = read(&folder.join("cgroup.procs"))?;
            // Processes of another namespace are listed as 0.
            found.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid > 0));
            folders.extend(folders_in(&folder));
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

impl ControllerFolder {
    fn cpu_usage(&self) -> Result<CpuUsage, CgroupError> {
        match self.version {
            Version::One => {
                let file = self.folder.join("cpuacct.stat");
                let malformed = CgroupError::Malformed { file: file.clone(), what: "`user` and `system`" };
                let ticks_per_s = rustix::param::clock_ticks_per_second();
                let (user_us, system_us) = counters::cpuacct_stat(&read(&file)?, ticks_per_s).ok_or(malformed)?;
                Ok(CpuUsage { usage_us: number(&self.folder.join("cpuacct.usage"))? / 1000, user_us, system_us })
            }
            Version::Two => {
                let file = self.folder.join("cpu.stat");
                let malformed = CgroupError::Malformed { file: file.clone(), what: "`usage_usec`" };
                counters::cpu_stat_v2(&read(&file)?).ok_or(malformed)
            }
        }
    }
}

impl GroupSample {
    /// The use between `earlier` and this reading. Context switches of processes that have ended are lost.
    #[must_use]
    pub fn since(&self, earlier: &GroupSample) -> ResourceUse {
        ResourceUse {
            cpu_us: self.cpu.usage_us.saturating_sub(earlier.cpu.usage_us),
            cpu_user_us: self.cpu.user_us.saturating_sub(earlier.cpu.user_us),
            cpu_system_us: self.cpu.system_us.saturating_sub(earlier.cpu.system_us),
            ..self.processes.since(&earlier.processes)
        }
    }

    /// The throttling between `earlier` and this reading; `None` where nothing limits the group's CPU time.
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
    Ok(hierarchy::mounts(&read(Path::new("/proc/self/mountinfo"))?))
}

fn read(file: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(file).map_err(|source| CgroupError::Unreadable { file: file.to_owned(), source })
}

fn number(file: &Path) -> Result<u64, CgroupError> {
    let malformed = || CgroupError::Malformed { file: file.to_owned(), what: "a number" };
    read(file)?.trim().parse().map_err(|_| malformed())
}

/// The folder nearest below `folder` whose name contains `id`.
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

/// Groups come and go: a group that cannot be listed counts as one without subgroups.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests;
