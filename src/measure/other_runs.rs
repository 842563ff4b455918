//! The runs that lab measures on this machine at one time, which disturb each other.
//!
//! Each listens on an abstract unix socket whose name says what it is. The kernel removes it with its process, and lists it
//! for everybody in the network namespace (unix(7)).

use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

/// What the names start with. The kernel shows an abstract name after an `@`.
const PREFIX: &str = "lab/run/";

/// Makes this process's run known to others, until it is dropped.
#[derive(Debug)]
pub struct RunPresence {
    _listener: Option<UnixListener>,
}

impl RunPresence {
    /// Where the socket cannot be bound, others do not learn of this run; that is no reason not to make it.
    #[must_use]
    pub fn announce(scenario: &str) -> RunPresence {
        let name = format!("{PREFIX}{}/{scenario}", std::process::id());
        let bound = SocketAddr::from_abstract_name(name).and_then(|address| UnixListener::bind_addr(&address));
        RunPresence { _listener: bound.ok() }
    }
}

/// The runs of other processes, each in words.
#[must_use]
pub fn others() -> Vec<String> {
    parse(&fs::read_to_string("/proc/net/unix").unwrap_or_default(), std::process::id())
}

fn parse(table: &str, own: u32) -> Vec<String> {
    let names =
        table.lines().filter_map(|line| line.split_whitespace().nth(7)?.strip_prefix('@')?.strip_prefix(PREFIX));
    let others = names.filter_map(|name| {
        let (pid, scenario) = name.split_once('/')?;
        let pid: u32 = pid.parse().ok()?;
        (pid != own).then(|| format!("{scenario} (process {pid})"))
    });
    let mut others: Vec<String> = others.collect();
    others.sort();
    others.dedup();
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_runs_are_found_in_the_kernels_table() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 22222 @lab/run/42/default\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 22223 @lab/run/7/own\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 22224 /run/lab/run/9/x\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 22225\n";
        assert_eq!(parse(table, 7), ["default (process 42)"]);
    }

    #[test]
    fn announced_run_is_in_the_table() {
        let own = std::process::id();
        let presence = RunPresence::announce("mine");
        let is_listed = || fs::read_to_string("/proc/net/unix").unwrap().contains(&format!("@{PREFIX}{own}/mine"));
        assert!(is_listed());
        assert_eq!(others().iter().filter(|other| other.contains("mine")).count(), 0, "it is no other run");
        drop(presence);
        assert!(!is_listed());
    }
}
