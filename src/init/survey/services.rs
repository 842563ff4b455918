//! Looks for the services that the application needs, in compose files.

use std::path::{Path, PathBuf};

use super::super::compose::{self, ImageService};
use super::super::deployment::Deployment;
use super::super::{service, variables};
use super::text_of;

/// Finds services with images, and moves the application's variables that lead to them. A compose file that starts no server
/// counts as far as a variable names its services.
pub(super) fn find(files: &[PathBuf], deployment: &mut Deployment) {
    let Some(app) = &deployment.app else { return };
    let mut leading = app.variables.clone();
    let of_file = deployment.env_file.as_ref().and_then(|file| text_of(deployment, file));
    let of_file = of_file.map(|text| variables::env_file(&text)).unwrap_or_default();
    leading.extend(of_file.into_iter().filter(|(name, _)| app.variables.iter().all(|(own, _)| own != name)));
    for file in files.iter().filter(|file| is_compose(file)) {
        let Some(text) = text_of(deployment, file) else { continue };
        let starts_server = compose::compose(&text).is_ok_and(|launch| launch.is_some());
        let name = file.display().to_string();
        for found in compose::image_services(&text) {
            let found = with_values(found, file, deployment);
            let Some(made) = service::service(&found, &name, &leading) else { continue };
            if deployment.services.iter().any(|known| known.name == made.name) {
                continue;
            }
            if !starts_server && !service::is_named(&found, &leading) {
                let what = format!("not used: the service {} ({}): no variable leads to it", found.name, made.place);
                deployment.found.push(what);
                continue;
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
                    "how the service {} ({}, {}) is started here: `[app.services]` takes a command",
                    made.name, made.image, made.place
                )),
            }
            deployment.services.push(made);
        }
    }
    // The others are only proposed.
    let started = || deployment.services.iter().filter(|service| service.kind.is_some());
    let moved = |name: &String| started().any(|service| service.variables.iter().any(|(own, _)| own == name));
    if let Some(app) = &mut deployment.app {
        app.variables.retain(|(name, _)| !moved(name));
    }
}

pub(super) fn is_compose(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.contains("compose") && (name.ends_with(".yml") || name.ends_with(".yaml"))
}

/// The variables that compose replaces in the values of `file`: those of the `.env` beside it.
pub(super) fn compose_variables(file: &Path, deployment: &Deployment) -> Vec<(String, String)> {
    let text = text_of(deployment, &file.with_file_name(".env"));
    text.map(|text| variables::env_file(&text)).unwrap_or_default()
}

/// The service with the variables of its files, and with values as compose passes them.
fn with_values(mut service: ImageService, file: &Path, deployment: &Deployment) -> ImageService {
    let known = compose_variables(file, deployment);
    for (_, value) in &mut service.variables {
        *value = variables::interpolated(value, &known);
    }
    for own in &service.env_files {
        let text = text_of(deployment, &file.with_file_name(own)).unwrap_or_default();
        service.variables.extend(variables::env_file(&text));
    }
    service
}
