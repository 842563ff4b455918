//! Containers' limits of open files and processes: lab's own limits, where the engine's defaults do not fit.

use rustix::process::{Resource, getrlimit};
use testcontainers::bollard::models::ResourcesUlimits;

use super::engine::Engine;

/// The limit of processes to which Podman 4 lowers its own.
const PODMAN_PROCESSES: i64 = 32_768;

/// lab's own limit of open files, soft and hard, as for subprocesses. `None` in a rootless engine, which cannot raise
/// limits.
pub(super) fn open_files(engine: &Engine) -> Option<(i64, i64)> {
    limit(Resource::Nofile, i64::MAX).filter(|_| !engine.rootless)
}

/// lab's own limit of processes, soft and hard, in Podman. Podman's default is 1 048 576, which the kernel refuses if root
/// may not raise limits.
pub(super) fn processes(engine: &Engine) -> Option<(i64, i64)> {
    limit(Resource::Nproc, PODMAN_PROCESSES).filter(|_| engine.is_podman && !engine.rootless)
}

/// Both limits, for the engine's API.
pub(super) fn ulimits(engine: &Engine) -> Vec<ResourcesUlimits> {
    let both = [("nofile", open_files(engine)), ("nproc", processes(engine))];
    let ulimit = |(name, limit): (&str, Option<(i64, i64)>)| {
        let (soft, hard) = limit?;
        Some(ResourcesUlimits { name: Some(name.to_owned()), soft: Some(soft), hard: Some(hard) })
    };
    both.into_iter().filter_map(ulimit).collect()
}

/// A limit of this process, at most `most`. `None` if it is unlimited.
fn limit(resource: Resource, most: i64) -> Option<(i64, i64)> {
    let limit = getrlimit(resource);
    let number = |limit: Option<u64>| limit.and_then(|limit| i64::try_from(limit).ok()).map(|limit| limit.min(most));
    number(limit.current).zip(number(limit.maximum))
}
