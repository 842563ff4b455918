//! gunicorn's workers: how many requests run at a time, and how long.

use std::path::Path;
use std::time::Duration;

use super::module::PythonModule;
use crate::lint::finding::{Finding, SourceLocation};
use crate::lint::rule::{Rule, Severity};

pub(super) const ONE_PROCESS: Rule = Rule {
    name: "one-process",
    severity: Severity::Advice,
    why: "CPython runs one thread at a time (its global interpreter lock), so the threads of one process use one core",
    source: "Python, Glossary: global interpreter lock; gunicorn, workers",
};

/// gunicorn's defaults.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(2);

pub(super) fn check(file: &Path, module: &PythonModule, findings: &mut Vec<Finding>) {
    let Some(threads) = module.assignment("threads") else { return };
    let count = threads.value.as_deref().and_then(|value| value.parse::<u32>().ok()).unwrap_or(1);
    // Without `workers`, WEB_CONCURRENCY or a flag may say it.
    if count > 1 && module.value("workers") == Some("1") {
        let message = format!("{count} threads of one process run Python code on one core");
        let fix = "workers = 2 or more, unless the application keeps state in memory";
        findings.push(Finding::new(&ONE_PROCESS, threads.position.in_file(file), message, fix));
    }
}

/// gunicorn's workers, as far as its configuration tells.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    pub location: SourceLocation,
    /// Whether a worker serves one request at a time, and closes each connection after it.
    pub is_sync: bool,
    pub workers: Option<u32>,
    /// After this time a sync worker is killed. None: never.
    pub timeout: Option<Duration>,
    /// Where `timeout` is set.
    pub timeout_location: Option<SourceLocation>,
    /// How long an idle connection is kept.
    pub keepalive: Duration,
    pub keepalive_location: Option<SourceLocation>,
}

/// The workers of a gunicorn.conf.py. None if the file is something else, or only a run can tell.
#[must_use]
pub fn worker_settings(file: &Path, module: &PythonModule) -> Option<WorkerSettings> {
    const NAMES: [&str; 5] = ["bind", "workers", "worker_class", "threads", "wsgi_app"];
    let first = NAMES.iter().find_map(|name| module.assignment(name))?;
    let class = match module.assignment("worker_class") {
        None => "sync",
        Some(assignment) => assignment.value.as_deref()?,
    };
    let threads = match module.assignment("threads") {
        None => 1,
        Some(assignment) => assignment.value.as_deref()?.parse::<u32>().ok()?,
    };
    let seconds = |name: &str, default: Duration| match module.assignment(name) {
        None => Some(default),
        Some(assignment) => {
            assignment.value.as_deref()?.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok())
        }
    };
    let located = |name: &str| module.assignment(name).map(|assignment| assignment.position.in_file(file));
    Some(WorkerSettings {
        location: first.position.in_file(file),
        // With threads, gunicorn makes of sync gthread.
        is_sync: class == "sync" && threads <= 1,
        workers: module.value("workers").and_then(|value| value.parse().ok()),
        timeout: Some(seconds("timeout", DEFAULT_TIMEOUT)?).filter(|timeout| !timeout.is_zero()),
        timeout_location: located("timeout"),
        keepalive: seconds("keepalive", DEFAULT_KEEPALIVE)?,
        keepalive_location: located("keepalive"),
    })
}

/// The largest body that the application accepts, by Flask's `MAX_CONTENT_LENGTH`.
#[must_use]
pub fn body_limit(file: &Path, module: &PythonModule) -> Option<(u64, SourceLocation)> {
    let mut assignments = module.settings.iter().chain(&module.assignments);
    let limit = assignments.rfind(|setting| setting.name == "MAX_CONTENT_LENGTH")?;
    Some((limit.value.as_deref()?.parse().ok()?, limit.position.in_file(file)))
}
