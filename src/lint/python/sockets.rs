//! gunicorn's unix sockets: who may connect to them.

use std::path::Path;

use super::module::PythonModule;
use crate::lint::finding::Finding;
use crate::lint::rule::{Rule, Severity};

pub(super) const SOCKET_NOT_SHARED: Rule = Rule {
    name: "socket-not-shared",
    severity: Severity::Error,
    why: "nginx's workers run as another user, so connecting fails with \"Permission denied\" and clients get a 502",
    source: "unix(7): connecting needs write permission; gunicorn, umask and bind",
};

pub(super) const SOCKET_IN_TMP: Rule = Rule {
    name: "socket-in-tmp",
    severity: Severity::Warning,
    why: "any local user can put a socket of this name there first, and systemd's PrivateTmp hides it from nginx",
    source: "CWE-377; systemd.exec(5), PrivateTmp",
};

/// The permissions that a connecting process of the socket's group, or of no such group, needs.
const OTHERS_WRITE: u32 = 0o022;

pub(super) fn check(file: &Path, module: &PythonModule, findings: &mut Vec<Finding>) {
    let Some(bind) = module.assignment("bind") else { return };
    let addresses = bind.value.as_deref().unwrap_or_default().split(',').map(str::trim);
    let paths: Vec<&str> = addresses.filter_map(|address| address.strip_prefix("unix:")).collect();
    for path in &paths {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.starts_with("/tmp/") || path.starts_with("/var/tmp/") {
            let name = path.rsplit('/').next().unwrap_or(path);
            let message = format!("{path} is in a folder where everybody can write");
            let fix = format!("bind = \"unix:/run/NAME/{name}\", with RuntimeDirectory=NAME in the unit");
            findings.push(Finding::new(&SOCKET_IN_TMP, bind.position.in_file(file), message, fix));
        }
    }
    let Some(umask) = module.assignment("umask").filter(|_| !paths.is_empty()) else { return };
    let value = umask.value.as_deref().and_then(|value| value.parse::<u32>().ok());
    if value.is_some_and(|value| value & OTHERS_WRITE == OTHERS_WRITE) && module.assignment("group").is_none() {
        let message = "only the server's own user can connect to the socket";
        let fix = "umask = 0o007, with the group of nginx's user as gunicorn's group";
        findings.push(Finding::new(&SOCKET_NOT_SHARED, umask.position.in_file(file), message, fix));
    }
}
