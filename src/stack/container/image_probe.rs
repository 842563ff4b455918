//! Finds a kind in an image: its version command runs in a short-lived container without network or writable files.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig};
use testcontainers::bollard::query_parameters::{
    CreateContainerOptions, LogsOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    WaitContainerOptions,
};

use super::engine::{Engine, EngineError};
use super::limits;
use crate::catalog::kind::{Kind, VersionSource};
use crate::catalog::template::Variable;
use crate::provision::Installation;
use crate::stack::image_programs::{self, PYTHON, strip_bin};

/// How long a kind may take to print its version.
const DEADLINE: Duration = Duration::from_secs(30);
/// The memory limit of the version command.
const MEMORY_BYTES: i64 = 512 << 20;

/// Why a kind cannot be run from an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageProbeError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the image {image} has no `{kind}`: `{command}` {outcome}")]
    NotFound {
        image: String,
        kind: String,
        /// The version command.
        command: String,
        /// As a predicate, as in "did not finish within 30 s".
        outcome: String,
    },
    #[error("cannot determine the version of `{kind}` in the image {image}: {reason}")]
    NoCommand { image: String, kind: String, reason: String },
}

/// Finds a kind in an image. `id` is the image's, `image` the scenario's name for it.
///
/// # Errors
/// The image does not have the kind, or its version is unknown.
pub(super) async fn find(
    engine: &Engine,
    kind: &Kind,
    (id, image): (&str, &str),
    labels: &HashMap<String, String>,
) -> Result<Installation, ImageProbeError> {
    let no_command =
        |reason: String| ImageProbeError::NoCommand { image: image.to_owned(), kind: kind.name.clone(), reason };
    let command = version_command(kind).map_err(no_command)?;
    let not_found = |outcome: String| ImageProbeError::NotFound {
        image: image.to_owned(),
        kind: kind.name.clone(),
        command: command.join(" "),
        outcome,
    };
    let output = match tokio::time::timeout(DEADLINE, run(engine, id, &command, labels)).await {
        Err(_) => return Err(not_found(format!("did not finish within {} s", DEADLINE.as_secs()))),
        // Most often there is no such program.
        Ok(Err(RunError::Start(error))) => return Err(not_found(format!("cannot be started: {error}"))),
        Ok(Err(RunError::Engine(error))) => return Err(error.into()),
        Ok(Ok(output)) => output,
    };
    let version = version(kind, &output);
    let last_line = || format!("prints {:?}", output.trim().lines().last().unwrap_or_default());
    let version = version.ok_or_else(|| not_found(last_line()))?;
    Ok(Installation { version, venv: None, program: image_programs::value(kind)(Variable::Program).map(Into::into) })
}

/// The command that prints a kind's version.
fn version_command(kind: &Kind) -> Result<Vec<String>, String> {
    match &kind.version {
        VersionSource::None => Err("it has none".to_owned()),
        VersionSource::Distribution(name) => {
            let program = format!("import importlib.metadata as m; print('version', m.version('{name}'))");
            Ok(vec![PYTHON.to_owned(), "-c".to_owned(), program])
        }
        VersionSource::Printed { command, .. } => {
            let filled =
                command.iter().map(|part| part.fill(&image_programs::value(kind))).collect::<Result<Vec<_>, _>>();
            let mut line = filled.map_err(|missing| format!("an image has no `{{{}}}`", missing.name()))?;
            strip_bin(&mut line);
            Ok(line)
        }
    }
}

/// The version in the output of the version command.
fn version(kind: &Kind, output: &str) -> Option<String> {
    match &kind.version {
        VersionSource::None => None,
        VersionSource::Distribution(_) => {
            output.lines().find_map(|line| line.strip_prefix("version ")).map(|version| version.trim().to_owned())
        }
        VersionSource::Printed { matches, .. } => {
            let group = matches.captures(output).and_then(|groups| groups.get(1));
            group.map(|version| version.as_str().to_owned())
        }
    }
}

enum RunError {
    Engine(EngineError),
    /// The program cannot be started.
    Start(testcontainers::bollard::errors::Error),
}

/// Runs a command in the image. Returns its standard output and standard error.
async fn run(
    engine: &Engine,
    image: &str,
    command: &[String],
    labels: &HashMap<String, String>,
) -> Result<String, RunError> {
    let (program, arguments) = command.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec![program.to_owned()]),
        cmd: Some(arguments.to_vec()),
        labels: Some(labels.clone()),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
            memory: Some(MEMORY_BYTES),
            memory_swap: Some(MEMORY_BYTES),
            ulimits: Some(limits::ulimits(engine)),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let docker = &engine.docker;
    let refused = |operation: &'static str| move |error| RunError::Engine(EngineError::refused(operation)(error));
    let created = docker.create_container(None::<CreateContainerOptions>, body).await;
    let id = created.map_err(refused("create a container"))?.id;
    let outcome = async {
        docker.start_container(&id, None::<StartContainerOptions>).await.map_err(RunError::Start)?;
        // The exit code is ignored: some programs print their version and exit with 1.
        let _ = docker.wait_container(&id, None::<WaitContainerOptions>).next().await;
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let lines: Vec<_> = docker.logs(&id, Some(options)).try_collect().await.map_err(refused("read a log"))?;
        let bytes: Vec<u8> = lines.into_iter().flat_map(|line| line.into_bytes().to_vec()).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
    .await;
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    // If this fails, the reaper removes the container by the run's label.
    let _ = docker.remove_container(&id, Some(options)).await;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Role};

    fn kind(role: Role, name: &str) -> Kind {
        Catalog::builtin().choose(role, name).unwrap().kind().clone()
    }

    #[test]
    fn version_is_read_from_image_programs() {
        let nginx = kind(Role::Proxy, "nginx");
        assert_eq!(version_command(&nginx).unwrap(), ["nginx", "-v"]);
        assert_eq!(version(&nginx, "nginx version: nginx/1.26.3\n").as_deref(), Some("1.26.3"));
        let gunicorn = kind(Role::Server, "gunicorn");
        assert_eq!(version_command(&gunicorn).unwrap()[0], "python3");
        assert_eq!(version(&gunicorn, "a warning\nversion 23.0.0\n").as_deref(), Some("23.0.0"));
        assert_eq!(version(&gunicorn, "importlib.metadata.PackageNotFoundError: gunicorn\n"), None);
    }
}
