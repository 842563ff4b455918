//! The processes that a killed guard leaves behind.
//!
//! A guard that is killed cannot end its program's daemons. lab is a subreaper itself, so they become its children, and it
//! ends them as soon as it notices that the guard is gone.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};

use crate::measure::procfs;

/// The guards and keepers that are running.
static GUARDS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Whether orphans come to this process. A process that only uses lab's library may have other children.
static IS_PARENT: AtomicBool = AtomicBool::new(false);

fn guards() -> MutexGuard<'static, BTreeSet<u32>> {
    GUARDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the parent of every orphan among its descendants.
///
/// # Errors
/// The kernel refuses, which it does not do on Linux.
pub fn adopt() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    IS_PARENT.store(true, Ordering::Relaxed);
    Ok(())
}

/// Enters a guard that has been started.
pub(super) fn enter(guard: u32) {
    guards().insert(guard);
}

/// Removes a guard that has ended.
pub(super) fn remove(guard: u32) {
    guards().remove(&guard);
}

/// Kills the orphans and all below them, until none is left.
///
/// Whatever lab starts without a guard stays in lab's own process group, and guards start groups of their own. So a child in
/// another group that is no guard is an orphan.
pub(super) fn end() {
    if !IS_PARENT.load(Ordering::Relaxed) {
        return;
    }
    // A daemon may start others while it is being killed; a bound keeps a fork bomb from holding us.
    for _ in 0..100 {
        let orphans = find();
        if orphans.is_empty() {
            return;
        }
        for orphan in orphans {
            let below = procfs::descendants_of(orphan).unwrap_or_default();
            for pid in below.into_iter().chain([orphan]).filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
                // An error means that it has ended, which is the aim.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            let _ = rustix::process::waitpid(Pid::from_raw(orphan.cast_signed()), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn find() -> Vec<u32> {
    let guards = guards();
    let own_group = rustix::process::getpgrp();
    let is_in_own_group = |pid: u32| {
        let group = rustix::process::getpgid(Pid::from_raw(pid.cast_signed()));
        group.is_ok_and(|group| group == own_group)
    };
    let children = procfs::children_of(std::process::id()).unwrap_or_default();
    children.into_iter().filter(|pid| !guards.contains(pid) && !is_in_own_group(*pid)).collect()
}
