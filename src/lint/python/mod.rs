//! Rules for gunicorn.conf.py and the application: which peers and fields they trust, and what they need of gunicorn.

mod module;

mod bind;
mod development;
mod gunicorn;
mod ignored_settings;
mod proxy_fix;
mod secrets;
mod settings;
mod sockets;
mod workers;

use std::path::Path;

use super::finding::Finding;
use super::rule::Rule;
use super::spoofable_field::SpoofableField;

pub use bind::bound_addresses;
pub use module::{PythonModule, ReadError, read};
pub use proxy_fix::{TrustedHops, trusted_hops};
pub use workers::{WorkerSettings, body_limit, worker_settings};

/// The rules for Python files.
pub const RULES: &[&Rule] = &[
    &settings::FORWARDED_FROM_EVERYONE,
    &settings::BIND_EVERYWHERE,
    &proxy_fix::IMPORT_REMOVED,
    &proxy_fix::COUNT_REMOVED,
    &proxy_fix::TRUST_UNSAID,
    &proxy_fix::BELIEVES_CLIENT,
    &gunicorn::MODULE_NOT_PROVIDED,
    &gunicorn::VARIABLE_NOT_PROVIDED,
    &development::RELOAD,
    &development::DEBUG,
    &secrets::SECRET_IN_CODE,
    &sockets::SOCKET_NOT_SHARED,
    &sockets::SOCKET_IN_TMP,
    &workers::ONE_PROCESS,
    &ignored_settings::SETTING_IGNORED,
    &ignored_settings::UNKNOWN_LOG_LEVEL,
];

/// The findings in a Python file, in the order of its lines. `spoofable` comes from the configuration of the proxy in
/// front of the application, if that is known.
#[must_use]
pub fn lint(file: &Path, module: &PythonModule, spoofable: &[SpoofableField]) -> Vec<Finding> {
    let mut findings = Vec::new();
    settings::check(file, module, &mut findings);
    proxy_fix::check(file, module, spoofable, &mut findings);
    gunicorn::check(file, module, &mut findings);
    development::check(file, module, &mut findings);
    secrets::check(file, module, &mut findings);
    sockets::check(file, module, &mut findings);
    workers::check(file, module, &mut findings);
    ignored_settings::check(file, module, &mut findings);
    findings.sort_by_key(|finding| finding.location.span.start);
    findings
}
