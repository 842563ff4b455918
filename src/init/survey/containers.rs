//! Which folders of the project are the folders of nginx's container, and which variables that container has, by compose files
//! and Dockerfiles.

use std::path::{Path, PathBuf};

use super::super::compose::{self, ComposeService};
use super::super::deployment::Deployment;
use super::super::{image_files, launch_files, variables};
use super::launch::{cleaned, compose_variables, folder_of, is_compose, stage};
use super::text_of;

/// The services of the project's compose files, those for production first, each with its file.
fn services(files: &[PathBuf], deployment: &Deployment) -> Vec<(PathBuf, ComposeService)> {
    let mut compose_files: Vec<&PathBuf> = files.iter().filter(|file| is_compose(file)).collect();
    compose_files.sort_by_key(|file| stage(file));
    let read = |file: &PathBuf| {
        let services = text_of(deployment, file).and_then(|text| compose::services(&text).ok()).unwrap_or_default();
        services.into_iter().map(|service| (file.clone(), service)).collect::<Vec<_>>()
    };
    compose_files.into_iter().flat_map(read).collect()
}

/// The Dockerfile of a service, with its path.
fn dockerfile(file: &Path, service: &ComposeService, deployment: &Deployment) -> Option<String> {
    text_of(deployment, &cleaned(&folder_of(file).join(&service.build.as_ref()?.dockerfile)))
}

/// Whether the image of a service is nginx's, or made from it; by the service's name if its image is not known.
fn is_nginx(file: &Path, service: &ComposeService, deployment: &Deployment) -> bool {
    let base = dockerfile(file, service, deployment).and_then(|text| launch_files::base_image(&text));
    let is_named = |image: &Option<String>| image.as_ref().is_some_and(|image| image.contains("nginx"));
    match (&base, &service.image) {
        (Some(_), _) => is_named(&base),
        (None, Some(_)) => is_named(&service.image),
        (None, None) => service.name.contains("nginx"),
    }
}

/// The variables that nginx's containers have.
pub(super) fn variables_of_nginx(files: &[PathBuf], deployment: &Deployment) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (file, service) in services(files, deployment) {
        if !is_nginx(&file, &service, deployment) {
            continue;
        }
        let known = compose_variables(&file, deployment);
        let own = service.variables.iter().map(|(name, value)| (name.clone(), variables::interpolated(value, &known)));
        let env_files =
            service.env_files.iter().filter_map(|own| text_of(deployment, &cleaned(&folder_of(&file).join(own))));
        let of_files = env_files.flat_map(|text| variables::env_file(&text));
        let of_image = dockerfile(&file, &service, deployment).map(|text| launch_files::environment(&text));
        for (name, value) in own.chain(of_files).chain(of_image.unwrap_or_default()) {
            if found.iter().all(|(known, _)| *known != name) {
                found.push((name, value));
            }
        }
    }
    found
}

/// The folder of the project that has what nginx's container has at `path`, with the file that says so. It may not be here.
pub(super) fn folder_here(path: &Path, files: &[PathBuf], deployment: &Deployment) -> Option<(PathBuf, PathBuf)> {
    let services = services(files, deployment);
    let nginx = services.iter().filter(|(file, service)| is_nginx(file, service, deployment));
    let of_services = nginx.flat_map(|(file, service)| {
        let mut found = shared_folders(path, file, service, &services, deployment);
        found.extend(folders_of_image(path, file, service, deployment));
        found.into_iter().map(move |here| (here, file.clone()))
    });
    let candidates: Vec<(PathBuf, PathBuf)> = of_services.chain(in_dockerfiles(path, files, deployment)).collect();
    let is_here = |(here, _): &&(PathBuf, PathBuf)| deployment.folder.join(here).is_dir();
    candidates.iter().find(is_here).or(candidates.first()).cloned()
}

/// The folders of the project that images made from nginx's have at `path`, without regard to compose files.
fn in_dockerfiles(path: &Path, files: &[PathBuf], deployment: &Deployment) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for file in files {
        let is_dockerfile =
            file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.contains("Dockerfile"));
        let Some(text) = is_dockerfile.then(|| text_of(deployment, file)).flatten() else { continue };
        if launch_files::base_image(&text).is_some_and(|base| base.contains("nginx")) {
            let origins = image_files::origins(&text, path);
            found.extend(origins.iter().map(|origin| (cleaned(&folder_of(file).join(origin)), file.clone())));
        }
    }
    found
}

/// The folders that the volumes of a service have at `path`: one of the project, or one of another service's container.
fn shared_folders(
    path: &Path,
    file: &Path,
    service: &ComposeService,
    services: &[(PathBuf, ComposeService)],
    deployment: &Deployment,
) -> Vec<PathBuf> {
    let mut found = bound_folders(path, file, service);
    for volume in service.volumes.iter().filter(|volume| !volume.is_bind()) {
        let Ok(rest) = path.strip_prefix(&volume.target) else { continue };
        for (other_file, other) in services.iter().filter(|(_, other)| other.name != service.name) {
            for shared in other.volumes.iter().filter(|shared| shared.source == volume.source) {
                let inside = shared.target.join(rest);
                found.extend(bound_folders(&inside, other_file, other));
                found.extend(folders_of_image(&inside, other_file, other, deployment));
            }
        }
    }
    found
}

/// The folders of the project that a service mounts at `path`.
fn bound_folders(path: &Path, file: &Path, service: &ComposeService) -> Vec<PathBuf> {
    let binds = service.volumes.iter().filter(|volume| volume.is_bind() && !volume.source.starts_with(['/', '~']));
    let here = binds.filter_map(|volume| {
        let rest = path.strip_prefix(&volume.target).ok()?;
        Some(cleaned(&folder_of(file).join(&volume.source).join(rest)))
    });
    here.collect()
}

/// The folders of the project that the image of a service has at `path`.
fn folders_of_image(path: &Path, file: &Path, service: &ComposeService, deployment: &Deployment) -> Vec<PathBuf> {
    let (Some(build), Some(text)) = (&service.build, dockerfile(file, service, deployment)) else { return Vec::new() };
    let context = folder_of(file).join(&build.context);
    image_files::origins(&text, path).iter().map(|origin| cleaned(&context.join(origin))).collect()
}
