//! The mounted hierarchies of control groups and the paths of groups in them. Pure: parses `/proc/self/mountinfo` and
//! `/proc/PID/cgroup` (proc(5)).

use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A set of counters; in version 1 each has a hierarchy of its own, or shares one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    CpuTime,
    Cpu,
    Cpuset,
    Memory,
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// The group at the mount point: `/`, except within a container.
    pub(super) root: String,
    /// The mount point.
    pub(super) point: PathBuf,
    /// The controllers of version 1; `None` in version 2.
    pub(super) controllers: Option<Vec<String>>,
}

impl Controller {
    /// The controller's name in version 1.
    fn name(self) -> &'static str {
        match self {
            Controller::CpuTime => "cpuacct",
            Controller::Cpu => "cpu",
            Controller::Cpuset => "cpuset",
            Controller::Memory => "memory",
        }
    }

    /// A file that a group has if the controller is enabled for it.
    pub(super) fn file(self, version: Version) -> &'static str {
        match (self, version) {
            (Controller::CpuTime, Version::One) => "cpuacct.usage",
            (Controller::CpuTime | Controller::Cpu, _) => "cpu.stat",
            (Controller::Cpuset, _) => "cpuset.cpus",
            (Controller::Memory, Version::One) => "memory.usage_in_bytes",
            (Controller::Memory, Version::Two) => "memory.current",
        }
    }
}

impl Mount {
    pub(super) fn version(&self) -> Version {
        if self.controllers.is_some() { Version::One } else { Version::Two }
    }

    /// Whether this hierarchy is of `version` and may have the controller.
    pub(super) fn has(&self, controller: Controller, version: Version) -> bool {
        let is_named = |names: &Vec<String>| names.iter().any(|name| name == controller.name());
        self.version() == version && self.controllers.as_ref().is_none_or(is_named)
    }

    /// The folder of the group at `path`; `None` where the mount does not show it.
    pub(super) fn folder_of(&self, path: &str) -> Option<PathBuf> {
        let within = path.strip_prefix(self.root.trim_end_matches('/'))?;
        let within = if within.is_empty() { within } else { within.strip_prefix('/')? };
        Some(if within.is_empty() { self.point.clone() } else { self.point.join(within) })
    }

    /// The inverse of [`folder_of`](Mount::folder_of).
    pub(super) fn path_of(&self, folder: &Path) -> Option<String> {
        let within = folder.strip_prefix(&self.point).ok()?.to_str()?;
        Some(format!("{}/{within}", self.root.trim_end_matches('/')))
    }
}

/// The hierarchies in a mountinfo: root and mount point are the fourth and fifth words; the type and the options of the
/// file system follow ` - `.
pub(super) fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (mounted, system) = line.split_once(" - ")?;
        let mut mounted = mounted.split(' ').skip(3);
        let (root, point) = (unescaped(mounted.next()?), PathBuf::from(unescaped(mounted.next()?)));
        let mut system = system.split(' ');
        let controllers = match system.next()? {
            "cgroup2" => None,
            "cgroup" => Some(system.nth(1)?.split(',').map(str::to_owned).collect()),
            _ => return None,
        };
        Some(Mount { root, point, controllers })
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Replaces the octal escapes of white space and backslashes.
fn unescaped(word: &str) -> String {
    word.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// The path of a process's group in the hierarchy of `mount`, from the text of its `/proc/PID/cgroup`.
pub(super) fn path_in(text: &str, mount: &Mount) -> Option<String> {
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let is_of_mount = match &mount.controllers {
            None => controllers.is_empty(),
            Some(of_mount) => controllers.split(',').any(|name| of_mount.iter().any(|known| known == name)),
        };
        is_of_mount.then(|| path.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &str = "\
23 1 254:1 / / rw,noatime - ext4 /dev/root rw
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/me\\040mory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:1 master:2 - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn hierarchies_are_found_in_mountinfo() {
        let mounts = mounts(MIXED);
        let points: Vec<_> = mounts.iter().map(|mount| mount.point.to_str().unwrap()).collect();
        assert_eq!(points, ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/me mory", "/sys/fs/cgroup/unified"]);
        let with = |controller, version| mounts.iter().position(|mount| mount.has(controller, version));
        assert_eq!(with(Controller::CpuTime, Version::One), Some(0));
        assert_eq!(with(Controller::Memory, Version::One), Some(1));
        assert_eq!(with(Controller::Memory, Version::Two), Some(2));
    }

    #[test]
    fn process_has_a_group_in_each_hierarchy() {
        let text = "8:cpu,cpuacct:/docker/abc\n4:memory:/other\n1:name=systemd:/x\n0::/system.slice/a:b.scope\n";
        let paths: Vec<_> = mounts(MIXED).iter().map(|mount| path_in(text, mount)).collect();
        let expected = ["/docker/abc", "/other", "/system.slice/a:b.scope"].map(|path| Some(path.to_owned()));
        assert_eq!(paths, expected);
    }

    #[test]
    fn container_mounts_show_part_of_the_hierarchy() {
        let whole = Mount { root: "/".to_owned(), point: "/sys/fs/cgroup".into(), controllers: None };
        assert_eq!(whole.folder_of("/"), Some("/sys/fs/cgroup".into()));
        assert_eq!(whole.folder_of("/docker/abc"), Some("/sys/fs/cgroup/docker/abc".into()));
        assert_eq!(whole.path_of(Path::new("/sys/fs/cgroup/docker/abc")).as_deref(), Some("/docker/abc"));
        let part = Mount { root: "/docker/abc".to_owned(), ..whole };
        assert_eq!(part.folder_of("/docker/abc"), Some("/sys/fs/cgroup".into()));
        assert_eq!(part.folder_of("/docker/abc/x"), Some("/sys/fs/cgroup/x".into()));
        assert_eq!(part.folder_of("/docker/abcdef"), None);
        assert_eq!(part.path_of(Path::new("/sys/fs/cgroup/x")).as_deref(), Some("/docker/abc/x"));
    }
}
