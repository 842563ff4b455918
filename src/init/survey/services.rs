//! Looks for the services that the application needs, in compose files.

use std::path::{Path, PathBuf};

use super::super::compose::{self, ComposeService};
use super::super::deployment::Deployment;
use super::super::{command_line, launch_files, service, variables};
use super::launch::{DEVELOPMENT, compose_variables, is_compose, stage};
use super::text_of;

/// Finds services, and moves the application's variables that lead to them. A compose file that starts no application counts
/// as far as a variable names its services.
pub(super) fn find(files: &[PathBuf], deployment: &mut Deployment) {
    if deployment.app.is_none() {
        return;
    }
    let leading = known_variables(deployment);
    let mut compose_files: Vec<(u8, &PathBuf)> =
        files.iter().filter(|file| is_compose(file)).map(|file| (stage(file), file)).collect();
    compose_files.sort_by_key(|(stage, _)| *stage);
    let has_other = compose_files.iter().any(|(stage, _)| *stage < DEVELOPMENT);
    compose_files.retain(|(stage, _)| *stage < DEVELOPMENT || !has_other);
    for (_, file) in compose_files {
        // A file that cannot be read was named before.
        let services = text_of(deployment, file).and_then(|text| compose::services(&text).ok()).unwrap_or_default();
        let is_server = |service: &ComposeService| command_line::from_words(&service.command).is_some();
        let starts_application = services.iter().any(|service| service.build.is_some() || is_server(service));
        let own: Vec<String> =
            services.iter().filter(|one| is_server(one)).filter_map(|one| one.image.clone()).collect();
        let name = file.display().to_string();
        for found in services {
            let Some(image) = image_of(&found, file, deployment).filter(|image| !own.contains(image)) else { continue };
            let found = with_values(found, file, deployment);
            add(&found, &image, &name, starts_application, &leading, deployment);
        }
    }
    // The others are only proposed.
    let started = || deployment.services.iter().filter(|service| service.kind.is_some());
    let moved = |name: &String| started().any(|service| service.variables.iter().any(|(own, _)| own == name));
    if let Some(app) = &mut deployment.app {
        app.variables.retain(|(name, _)| !moved(name));
    }
}

/// The application's variables: its own, then those of its files, without those that are overridden.
fn known_variables(deployment: &Deployment) -> Vec<(String, String)> {
    let mut known = deployment.app.as_ref().map(|app| app.variables.clone()).unwrap_or_default();
    for file in deployment.env_files.iter().rev() {
        let of_file = text_of(deployment, file).map(|text| variables::env_file(&text)).unwrap_or_default();
        let new: Vec<_> = of_file.into_iter().filter(|(name, _)| known.iter().all(|(own, _)| own != name)).collect();
        known.extend(new);
    }
    known
}

/// The image of a service that is not the application: its own, or the one that its build starts from, if lab knows that.
fn image_of(service: &ComposeService, file: &Path, deployment: &Deployment) -> Option<String> {
    let Some(build) = &service.build else { return service.image.clone() };
    let dockerfile = text_of(deployment, &file.parent().unwrap_or(Path::new("")).join(&build.dockerfile))?;
    launch_files::base_image(&dockerfile).filter(|image| service::is_known(image))
}

/// Adds a service of the compose file `file`, unless nothing leads to it.
fn add(
    found: &ComposeService,
    image: &str,
    file: &str,
    starts_application: bool,
    leading: &[(String, String)],
    deployment: &mut Deployment,
) {
    let Some(made) = service::service(found, image, file, leading) else { return };
    if deployment.services.iter().any(|known| known.name == made.name) {
        return;
    }
    // A database of the same file is the application's. Any other image may be a tool.
    let is_needed = starts_application && made.kind.is_some() || service::is_named(found, leading);
    if !is_needed {
        let what = format!("not used: the service {} ({}): no variable leads to it", found.name, made.place);
        deployment.found.push(what);
        return;
    }
    if service::has_account(&made) && made.then.is_none() {
        deployment.missing.push(format!(
            "the user of the service {} ({}): names with special characters are left to you, in `then`",
            made.name, made.place
        ));
    }
    match made.kind {
        Some(kind) => deployment.found.push(format!("the service {}: {kind} ({})", made.name, made.place)),
        None => deployment.missing.push(format!(
            "how the service {} ({}, {}) is started here: `[app.services]` takes a command, or the image with its port",
            made.name, made.image, made.place
        )),
    }
    deployment.services.push(made);
}

/// The service with the variables of its files, and with values as compose passes them.
fn with_values(mut service: ComposeService, file: &Path, deployment: &Deployment) -> ComposeService {
    let known = compose_variables(file, deployment);
    for (_, value) in &mut service.variables {
        *value = variables::interpolated(value, &known);
    }
    for own in &service.env_files {
        let path = file.parent().unwrap_or(Path::new("")).join(own);
        let text = text_of(deployment, &path).unwrap_or_default();
        service.variables.extend(variables::env_file(&text));
    }
    service
}
