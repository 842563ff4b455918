//! Labels: how lab knows its own containers, networks and images again, and whether the run they belong to still lives.

use std::collections::HashMap;
use std::fs;

use crate::measure::procfs;

/// Every object of lab's carries the name of its run under this label; what does not is never touched.
pub(super) const RUN: &str = "dev.lab.run";
/// … and who made it.
pub(super) const OWNER: &str = "dev.lab.owner";
/// A container's name within its run; unique there.
pub(super) const COMPONENT: &str = "dev.lab.component";
/// An image that was built from a folder, and is kept: the folder.
pub(super) const BUILT: &str = "dev.lab.built";

/// The labels of everything a run makes.
pub(super) fn of_run(run: &str, owner: &Owner) -> HashMap<String, String> {
    HashMap::from([(RUN.to_owned(), run.to_owned()), (OWNER.to_owned(), owner.to_string())])
}

/// The process that a run is, so that any other process can tell whether it still lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The machine since its last start (`/proc/sys/kernel/random/boot_id`).
    boot: String,
    /// The namespace in which `pid` is a number (`/proc/self/ns/pid`).
    namespace: String,
    /// The process.
    pid: u32,
    /// When it started, in clock ticks: a number may be given again.
    started_ticks: u64,
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    /// `/proc` does not tell.
    pub fn this_process() -> std::io::Result<Owner> {
        let pid = std::process::id();
        let started_ticks = procfs::started_ticks(pid);
        Ok(Owner {
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned(),
            namespace: fs::read_link("/proc/self/ns/pid")?.display().to_string(),
            pid,
            started_ticks: started_ticks.ok_or_else(|| std::io::Error::other("/proc does not tell"))?,
        })
    }

    /// As [`Display`](std::fmt::Display) writes it; `None` if it is nothing that lab wrote.
    pub(super) fn parse(text: &str) -> Option<Owner> {
        let mut parts = text.split('/');
        let owner = Owner {
            boot: parts.next()?.to_owned(),
            namespace: parts.next()?.to_owned(),
            pid: parts.next()?.parse().ok()?,
            started_ticks: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(owner)
    }

    /// What `me` can tell of this owner's run. `started_ticks` returns the start time of a process id, if there is
    /// one.
    pub(super) fn life(&self, me: &Owner, started_ticks: impl Fn(u32) -> Option<u64>) -> RunState {
        match () {
            // After a restart of the machine nothing lives any more.
            () if self.boot != me.boot => RunState::Ended,
            // Another container that uses the same engine, print.
            () if self.namespace != me.namespace => RunState::Unknown,
            () if started_ticks(self.pid) == Some(self.started_ticks) => RunState::Running,
            () => RunState::Ended,
        }
    }
}

/// What is known of the process that a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunState {
    /// It has ended: what is left of its run belongs to nobody.
    Ended,
    /// It cannot be seen from here.
    Unknown,
    /// It runs.
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
    fn an_owner_is_written_and_read() {
        let me = Owner::this_process().unwrap();
        assert_eq!(Owner::parse(&me.to_string()), Some(me));
        for text in ["", "a/b/c/d", "a/b/1", "a/b/1/2/3"] {
            assert_eq!(Owner::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_owner_that_might_live_is_not_called_ended() {
        let me = Owner { boot: "b".to_owned(), namespace: "n".to_owned(), pid: 1, started_ticks: 10 };
        let alive = |pid: u32| (pid == 7).then_some(70);
        let owner = |boot: &str, namespace: &str, pid, started_ticks| Owner {
            boot: boot.to_owned(),
            namespace: namespace.to_owned(),
            pid,
            started_ticks,
        };
        assert_eq!(owner("b", "n", 7, 70).life(&me, alive), RunState::Running);
        assert_eq!(owner("b", "n", 8, 70).life(&me, alive), RunState::Ended, "no such process");
        assert_eq!(owner("b", "n", 7, 71).life(&me, alive), RunState::Ended, "another process of that number");
        assert_eq!(owner("b", "elsewhere", 8, 70).life(&me, alive), RunState::Unknown);
        assert_eq!(owner("before", "elsewhere", 7, 70).life(&me, alive), RunState::Ended, "the machine was restarted");
    }
}
