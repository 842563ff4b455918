//! Containers' limits of open files and processes: lab's own, where the engine's defaults do not fit.

use rustix::process::{Resource, getrlimit};
use testcontainers::bollard::models::ResourcesUlimits;

use super::engine::Engine;

/// What Podman 4 itself lowers its own limit of processes to.
const PODMAN_PROCESSES: i64 = 32_768;

/// lab's own limit of open files, soft and hard, which is that of subprocesses too; a rootless engine cannot raise its own.
pub(super) fn open_files(engine: &Engine) -> Option<(i64, i64)> {
    limit(Resource::Nofile, i64::MAX).filter(|_| !engine.rootless)
}

/// lab's own limit of processes, in Podman: that asks for 1 048 576 where nothing is said, which the kernel refuses a
/// root that may not raise limits.
pub(super) fn processes(engine: &Engine) -> Option<(i64, i64)> {
    limit(Resource::Nproc, PODMAN_PROCESSES).filter(|_| engine.is_podman && !engine.rootless)
}

/// Both, in the engine's words.
pub(super) fn of(engine: &Engine) -> Vec<ResourcesUlimits> {
    let both = [("nofile", open_files(engine)), ("nproc", processes(engine))];
    let told = |(name, limit): (&str, Option<(i64, i64)>)| {
        let (soft, hard) = limit?;
        Some(ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(hard) })
    };
    both.into_iter().filter_map(told).collect()
}

/// A limit of this process, and no more than `most`; `None` where there is none.
fn limit(resource: Resource, most: i64) -> Option<(i64, i64)> {
    let limit = getrlimit(resource);
    let number = |limit: Option<u64>| limit.and_then(|limit| i64::try_from(limit).ok()).map(|limit| limit.min(most));
    number(limit.current).zip(number(limit.maximum))
}
