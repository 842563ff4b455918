//! The labels by which lab recognises its containers, networks and images, and tells whether their run still exists.

use std::collections::HashMap;
use std::fs;

use crate::measure::procfs;

/// The run of an object. lab never touches an object without this label.
pub(in crate::stack) const RUN: &str = "dev.lab.run";
/// The process that made an object.
pub(in crate::stack) const OWNER: &str = "dev.lab.owner";
/// A container's name, unique within its run.
pub(in crate::stack) const COMPONENT: &str = "dev.lab.component";
/// The folder from which an image was built. Such images are kept.
pub(in crate::stack) const BUILT: &str = "dev.lab.built";

/// The labels of all objects of a run.
pub(in crate::stack) fn run_labels(run: &str, owner: &Owner) -> HashMap<String, String> {
    HashMap::from([(RUN.to_owned(), run.to_owned()), (OWNER.to_owned(), owner.to_string())])
}

/// The process of a run, identified so that any other process can tell whether it still exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The boot id of the machine (`/proc/sys/kernel/random/boot_id`).
    boot: String,
    /// The pid namespace of `pid` (`/proc/self/ns/pid`).
    namespace: String,
    pid: u32,
    /// The start time in clock ticks: a pid may be reused.
    started_ticks: u64,
}

impl Owner {
    /// # Errors
    /// `/proc` cannot be read.
    pub fn this_process() -> std::io::Result<Owner> {
        let pid = std::process::id();
        let started_ticks = procfs::started_ticks(pid);
        Ok(Owner {
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned(),
            namespace: fs::read_link("/proc/self/ns/pid")?.display().to_string(),
            pid,
            started_ticks: started_ticks
                .ok_or_else(|| std::io::Error::other("/proc has no start time of this process"))?,
        })
    }

    /// Parses the [`Display`](std::fmt::Display) form. `None` if lab did not write it.
    pub(in crate::stack) fn parse(text: &str) -> Option<Owner> {
        let mut parts = text.split('/');
        let owner = Owner {
            boot: parts.next()?.to_owned(),
            namespace: parts.next()?.to_owned(),
            pid: parts.next()?.parse().ok()?,
            started_ticks: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(owner)
    }

    /// The state of this owner's run, as far as `me` can see it. `started_ticks` returns the start time of a process, if
    /// it exists.
    pub(in crate::stack) fn run_state(&self, me: &Owner, started_ticks: impl Fn(u32) -> Option<u64>) -> RunState {
        match () {
            // No process survives a restart of the machine.
            () if self.boot != me.boot => RunState::Ended,
            // For example lab in another container that uses the same engine.
            () if self.namespace != me.namespace => RunState::Unknown,
            () if started_ticks(self.pid) == Some(self.started_ticks) => RunState::Running,
            () => RunState::Ended,
        }
    }
}

/// The state of a run's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunState {
    Ended,
    /// The process is in another namespace.
    Unknown,
    Running,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{}", self.boot, self.namespace, self.pid, self.started_ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_is_parsed_back() {
        let me = Owner::this_process().unwrap();
        assert_eq!(Owner::parse(&me.to_string()), Some(me));
        for text in ["", "a/b/c/d", "a/b/1", "a/b/1/2/3"] {
            assert_eq!(Owner::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn invisible_owner_is_not_ended() {
        let me = Owner { boot: "b".to_owned(), namespace: "n".to_owned(), pid: 1, started_ticks: 10 };
        let alive = |pid: u32| (pid == 7).then_some(70);
        let owner = |boot: &str, namespace: &str, pid, started_ticks| Owner {
            boot: boot.to_owned(),
            namespace: namespace.to_owned(),
            pid,
            started_ticks,
        };
        assert_eq!(owner("b", "n", 7, 70).run_state(&me, alive), RunState::Running);
        assert_eq!(owner("b", "n", 8, 70).run_state(&me, alive), RunState::Ended, "no such process");
        assert_eq!(owner("b", "n", 7, 71).run_state(&me, alive), RunState::Ended, "a reused pid");
        assert_eq!(owner("b", "elsewhere", 8, 70).run_state(&me, alive), RunState::Unknown);
        assert_eq!(owner("before", "elsewhere", 7, 70).run_state(&me, alive), RunState::Ended, "a restarted machine");
    }
}
