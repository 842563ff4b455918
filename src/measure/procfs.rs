//! Reads a component's resource use from `/proc`: every process below a root, with every thread.
//!
//! proc(5) documents the files. Parsers are pure functions over text. Processes and threads may end while they are being
//! read; these are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use super::footprint::Footprint;
use super::resources::{ProcessKey, ProcessSample, Sample, ThreadSample};

/// Why a component could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ProcfsError {
    #[error("process {pid} has ended")]
    Ended { pid: u32 },
    #[error("cannot list /proc")]
    Unreadable(#[source] io::Error),
    #[error("cannot read this process's CPU affinity")]
    Affinity(#[source] io::Error),
}

/// Reads the process `root` and all its descendants.
///
/// A descendant whose parent has ended belongs to init and is not found.
///
/// # Errors
/// The root has ended, or `/proc` cannot be listed.
pub fn read_component(root: u32) -> Result<Sample, ProcfsError> {
    Ok(sample(read_tree(root)?))
}

/// Reads these processes; those that have ended are skipped.
#[must_use]
pub fn read_processes(pids: &[u32]) -> Sample {
    sample(pids.iter().filter_map(|pid| Some((*pid, read_stat(*pid)?))))
}

fn sample(stats: impl IntoIterator<Item = (u32, Stat)>) -> Sample {
    let ticks_per_s = rustix::param::clock_ticks_per_second();
    let mut sample = Sample::default();
    for (pid, stat) in stats {
        let key = ProcessKey { pid, started_ticks: stat.started_ticks };
        sample.processes.insert(key, read_process(pid, &stat, ticks_per_s));
    }
    sample
}

fn read_stat(pid: u32) -> Option<Stat> {
    read(&format!("/proc/{pid}/stat")).as_deref().and_then(parse_stat)
}

/// Reads all descendants of the process `root` without `root` itself, which is a guard.
///
/// # Errors
/// As [`read_component`].
pub fn read_descendants(root: u32) -> Result<Sample, ProcfsError> {
    let mut sample = read_component(root)?;
    sample.processes.retain(|key, _| key.pid != root);
    Ok(sample)
}

/// What all descendants of `root` hold now, without connections.
///
/// # Errors
/// As [`read_component`].
pub fn descendants_footprint(root: u32) -> Result<Footprint, ProcfsError> {
    Ok(footprint(&descendants_of(root)?))
}

/// What these processes hold now, without connections; those that have ended are skipped.
#[must_use]
pub fn footprint(pids: &[u32]) -> Footprint {
    let mut held = Footprint { pss_bytes: Some(0), ..Footprint::default() };
    for pid in pids {
        let Some(status) = read(&format!("/proc/{pid}/status")).map(|text| parse_status(&text)) else { continue };
        held.rss_bytes += status.rss_bytes;
        held.threads += status.threads;
        held.processes += 1;
        held.open_fds += fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |fds| fds.count() as u64);
        // A process that has just ended has no memory, and no `smaps_rollup` either.
        if status.rss_bytes > 0 {
            let pss = read(&format!("/proc/{pid}/smaps_rollup")).as_deref().and_then(parse_pss);
            held.pss_bytes = held.pss_bytes.zip(pss).map(|(sum, pss)| sum + pss);
        }
    }
    held
}

/// The ids of all descendants of `root`, in ascending order.
///
/// # Errors
/// As [`read_component`].
pub fn descendants_of(root: u32) -> Result<Vec<u32>, ProcfsError> {
    Ok(read_tree(root)?.into_keys().filter(|&pid| pid != root).collect())
}

/// The children of the process `parent`.
///
/// # Errors
/// As [`read_component`].
pub fn children_of(parent: u32) -> Result<Vec<u32>, ProcfsError> {
    Ok(read_tree(parent)?.into_iter().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| pid).collect())
}

/// The cores that this process may run on (`sched_getaffinity(2)`), in ascending order; never empty.
///
/// # Errors
/// The kernel refuses, which it does not do on Linux.
pub fn cores_allowed() -> Result<Vec<usize>, ProcfsError> {
    let allowed = rustix::thread::sched_getaffinity(None).map_err(|errno| ProcfsError::Affinity(errno.into()))?;
    Ok((0..rustix::thread::CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect())
}

/// When a process started, in clock ticks since boot; `None` if there is no such process.
#[must_use]
pub fn started_ticks(pid: u32) -> Option<u64> {
    read_stat(pid).map(|stat| stat.started_ticks)
}

fn read_tree(root: u32) -> Result<BTreeMap<u32, Stat>, ProcfsError> {
    let mut stats = BTreeMap::new();
    for entry in fs::read_dir("/proc").map_err(ProcfsError::Unreadable)?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(stat) = read_stat(pid) {
            stats.insert(pid, stat);
        }
    }
    if !stats.contains_key(&root) {
        return Err(ProcfsError::Ended { pid: root });
    }
    let tree = descendants(root, stats.iter().map(|(&pid, stat)| (pid, stat.parent)));
    stats.retain(|pid, _| tree.contains(pid));
    Ok(stats)
}

fn read_process(pid: u32, stat: &Stat, ticks_per_s: u64) -> ProcessSample {
    let us = |ticks: u64| ticks.saturating_mul(1_000_000) / ticks_per_s;
    let mut threads = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let folder = format!("/proc/{pid}/task/{tid}");
        let Some(status) = read(&format!("{folder}/status")) else { continue };
        let switches = parse_status(&status);
        threads.insert(
            tid,
            ThreadSample {
                cpu_ns: read(&format!("{folder}/schedstat")).as_deref().and_then(parse_schedstat).unwrap_or(0),
                voluntary_context_switches: switches.voluntary_context_switches,
                involuntary_context_switches: switches.involuntary_context_switches,
            },
        );
    }
    ProcessSample {
        user_us: us(stat.user_ticks),
        system_us: us(stat.system_ticks),
        children_user_us: us(stat.children_user_ticks),
        children_system_us: us(stat.children_system_ticks),
        threads,
    }
}

/// Reads a file of `/proc` as text. Program names need not be UTF-8.
fn read(path: &str) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The used fields of `/proc/PID/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stat {
    parent: u32,
    user_ticks: u64,
    system_ticks: u64,
    children_user_ticks: u64,
    children_system_ticks: u64,
    started_ticks: u64,
}

/// Fields 4, 14-17 and 22. The second field is the program's name in parentheses, which may itself contain spaces and
/// parentheses, so the fields are counted from the last parenthesis.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        user_ticks: number(14)?,
        system_ticks: number(15)?,
        children_user_ticks: number(16)?,
        children_system_ticks: number(17)?,
        started_ticks: number(22)?,
    })
}

/// The first field of `schedstat`: nanoseconds on a CPU (Documentation/scheduler/sched-stats.rst).
fn parse_schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// The used lines of `status`; 0 where a line is missing, as `VmRSS` is for a zombie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Status {
    rss_bytes: u64,
    threads: u64,
    voluntary_context_switches: u64,
    involuntary_context_switches: u64,
}

fn parse_status(text: &str) -> Status {
    let mut status = Status::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let number = || value.split_ascii_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        match name {
            // "kB" here is 1024 bytes.
            "VmRSS" => status.rss_bytes = number() * 1024,
            "Threads" => status.threads = number(),
            "voluntary_ctxt_switches" => status.voluntary_context_switches = number(),
            "nonvoluntary_ctxt_switches" => status.involuntary_context_switches = number(),
            _ => {}
        }
    }
    status
}

/// The proportional set size of `smaps_rollup`, in bytes.
fn parse_pss(text: &str) -> Option<u64> {
    let kib = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    kib.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// `root` and its descendants, given every process with its parent.
fn descendants(root: u32, parents: impl Iterator<Item = (u32, u32)>) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, parent) in parents {
        children.entry(parent).or_default().push(pid);
    }
    let mut tree = BTreeSet::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        if tree.insert(pid) {
            open.extend(children.get(&pid).into_iter().flatten());
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn program_names_may_contain_spaces_and_parentheses() {
        let line = "4711 (evil) S 1 (x) R 42 4711 4711 0 -1 4194304 99 0 0 0 12 34 56 78 20 0 1 0 126149 3133440 395 1";
        assert_eq!(
            parse_stat(line),
            Some(Stat {
                parent: 42,
                user_ticks: 12,
                system_ticks: 34,
                children_user_ticks: 56,
                children_system_ticks: 78,
                started_ticks: 126_149,
            })
        );
        assert_eq!(parse_stat("4711 (short) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn schedstat_and_status() {
        assert_eq!(parse_schedstat("60343468 11667312 218\n"), Some(60_343_468));
        assert_eq!(parse_schedstat(""), None);
        let text = "Name:\tsh\nVmHWM:\t    3000 kB\nVmRSS:\t    1900 kB\nThreads:\t2\nvoluntary_ctxt_switches:\t195\n\
                    nonvoluntary_ctxt_switches:\t23\n";
        assert_eq!(
            parse_status(text),
            Status {
                rss_bytes: 1900 * 1024,
                threads: 2,
                voluntary_context_switches: 195,
                involuntary_context_switches: 23
            }
        );
        let rollup = "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:    1200 kB\nPss:     700 kB\nPss_Dirty: 9 kB\n";
        assert_eq!(parse_pss(rollup), Some(700 * 1024));
        assert_eq!(parse_pss(""), None);
        assert_eq!(parse_status("Name:\tgone\nState:\tZ (zombie)\n"), Status::default());
    }

    #[test]
    fn descendants_of_a_root() {
        let parents = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 3), (6, 4)];
        assert_eq!(descendants(2, parents.into_iter()), BTreeSet::from([2, 3, 5]));
        assert_eq!(descendants(9, parents.into_iter()), BTreeSet::from([9]));
        assert_eq!(descendants(7, [(7, 7)].into_iter()), BTreeSet::from([7]), "a loop ends");
    }

    #[test]
    fn cpu_time_of_this_process_grows() {
        let me = std::process::id();
        let before = read_component(me).unwrap();
        let mut x = 0_u64;
        // Work until the scheduler's counter has moved, however coarse it is here.
        let used = loop {
            x = std::hint::black_box((0..100_000).fold(x, |x, i| x.wrapping_mul(31).wrapping_add(i)));
            let used = read_component(me).unwrap().since(&before);
            if used.cpu_us > 2_000 {
                break used;
            }
        };
        assert!(used.cpu_user_us + used.cpu_system_us < 60_000_000);
    }

    #[test]
    fn children_and_grandchildren_belong_to_a_component() {
        // A shell with a shell below it; both wait for their standard input to end.
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'echo ready; read line; exit 0'; exit 0"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let sample = read_component(shell.id()).unwrap();
        assert_eq!(sample.processes.len(), 2);
        assert!(sample.processes.values().all(|process| process.threads.len() == 1));
        let inner = descendants_footprint(shell.id()).unwrap();
        assert_eq!((inner.processes, inner.threads), (1, 1));
        assert!(inner.rss_bytes > 0 && inner.open_fds >= 3, "{inner:?}");
        assert!(inner.pss_bytes.is_none_or(|pss| pss <= inner.rss_bytes), "{inner:?}");
        drop(shell.stdin.take());
        shell.wait().unwrap();
        let gone = read_component(shell.id()).unwrap_err();
        assert_eq!(gone.to_string(), format!("process {} has ended", shell.id()));
    }

    #[test]
    fn at_least_one_core_is_allowed() {
        let cores = cores_allowed().unwrap();
        assert!(!cores.is_empty() && cores.is_sorted());
    }
}
