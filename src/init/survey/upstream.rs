//! Tells the locations of nginx that pass requests to the application from those that pass them to other servers.

use super::super::deployment::Deployment;
use super::super::launch_files::Launch;
use super::super::nginx::PassedPrefix;

/// Whether it is known where nginx passes requests.
pub(super) fn has_addresses(deployment: &Deployment) -> bool {
    let servers = deployment.nginx.iter().flat_map(|nginx| &nginx.servers);
    servers.flat_map(|server| &server.passed).any(|passed| !passed.addresses.is_empty())
}

/// Whether nginx passes requests to the server of this launch.
pub(super) fn is_passed_to(launch: &Launch, deployment: &Deployment) -> bool {
    let servers = deployment.nginx.iter().flat_map(|nginx| &nginx.servers);
    servers.flat_map(|server| &server.passed).any(|passed| leads_to(launch, passed))
}

fn leads_to(launch: &Launch, passed: &PassedPrefix) -> bool {
    passed.addresses.iter().any(|address| launch.is_reached_by(address))
}

/// Marks the locations that pass requests to other servers. If none is known to pass them to this launch, nothing is marked: its
/// address may be one that only a run knows.
pub(super) fn mark_others(launch: &Launch, deployment: &mut Deployment) {
    if !is_passed_to(launch, deployment) {
        return;
    }
    let Some(nginx) = &mut deployment.nginx else { return };
    let mut marked = Vec::new();
    for passed in nginx.servers.iter_mut().flat_map(|server| &mut server.passed) {
        passed.leads_elsewhere = !passed.addresses.is_empty() && !leads_to(launch, passed);
        if passed.leads_elsewhere {
            marked.push(format!("{} (line {})", passed.prefix, passed.line));
        }
    }
    if !marked.is_empty() {
        let (file, marked) = (nginx.file.display(), marked.join(", "));
        deployment.found.push(format!("not checked: locations of {file} that pass to other servers: {marked}"));
    }
}
