//! Reaping orphans, which is the duty of process 1 (in a container, `lab serve` often is that process) and of a subreaper,
//! which `lab serve` is as soon as it has a fork server.

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use rustix::process::child_subreaper;

/// The id that a container's first process has.
const INIT: u32 = 1;

/// Reaps orphans that have ended, if this process adopts them.
pub(super) fn reap(is_own_child: impl Fn(u32) -> bool) {
    if std::process::id() != INIT && !child_subreaper().is_ok_and(|subreaper| subreaper.is_some()) {
        return;
    }
    // WNOWAIT leaves the process to be waited for, so that a child's status is still there for its handle.
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _)) = waitid(Id::All, flags) {
        if u32::try_from(pid.as_raw()).is_ok_and(&is_own_child) {
            // The kernel names the same process until it is waited for, which its handle does next.
            return;
        }
        if waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG).is_err() {
            return;
        }
    }
}
