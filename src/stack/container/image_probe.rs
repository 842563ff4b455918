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
use crate::catalog::template::Value;
use crate::provision::Installation;
use crate::stack::image_programs::{self, PYTHON, strip_bin};

/// How long a kind may take to print its version.
const DEADLINE: Duration = Duration::from_secs(30);
/// The most memory the answer may take, in bytes.
const MEMORY_BYTES: i64 = 512 << 20;
/// Why a kind cannot be run from an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageProbeError {
    /// The engine refuses.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The kind's version is unknown.
    #[error("the image {image} has no `{kind}`: `{command}` {said}")]
    Unknown {
        /// The image.
        image: String,
        /// The kind.
        kind: String,
        /// What was run in it.
        command: String,
        /// What came of that.
        said: String,
    },
    /// Nothing could be asked.
    #[error("the version of `{kind}` in the image {image} cannot be asked: {reason}")]
    Unasked {
        /// The image.
        image: String,
        /// The kind.
        kind: String,
        /// Why.
        reason: String,
    },
}

/// Finds a kind in an image; `id` is the image's, `image` what the user calls it.
///
/// # Errors
/// It is not there, or its version is unknown: such a kind is not run.
pub(super) async fn find(
    engine: &Engine,
    kind: &Kind,
    (id, image): (&str, &str),
    labels: &HashMap<String, String>,
) -> Result<Installation, ImageProbeError> {
    let unasked =
        |reason: String| ImageProbeError::Unasked { image: image.to_owned(), kind: kind.name.clone(), reason };
    let command = question(kind).map_err(unasked)?;
    let unknown = |said: String| ImageProbeError::Unknown {
        image: image.to_owned(),
        kind: kind.name.clone(),
        command: command.join(" "),
        said,
    };
    let printed = match tokio::time::timeout(DEADLINE, printed(engine, id, &command, labels)).await {
        Err(_) => return Err(unknown(format!("is not done within {} s", DEADLINE.as_secs()))),
        // Most often there is no such program.
        Ok(Err(Asked::StartedContainer(error))) => return Err(unknown(format!("cannot be started: {error}"))),
        Ok(Err(Asked::Engine(error))) => return Err(error.into()),
        Ok(Ok(printed)) => printed,
    };
    let version = answer(kind, &printed);
    let first = || format!("says {:?}", printed.trim().lines().last().unwrap_or_default());
    let version = version.ok_or_else(|| unknown(first()))?;
    Ok(Installation { version, venv: None, program: image_programs::value(kind)(Value::Program).map(Into::into) })
}

/// The command that prints a kind's version.
fn question(kind: &Kind) -> Result<Vec<String>, String> {
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

/// The version in what was printed.
fn answer(kind: &Kind, printed: &str) -> Option<String> {
    match &kind.version {
        VersionSource::None => None,
        VersionSource::Distribution(_) => {
            printed.lines().find_map(|line| line.strip_prefix("version ")).map(|version| version.trim().to_owned())
        }
        VersionSource::Printed { matches, .. } => {
            let group = matches.captures(printed).and_then(|groups| groups.get(1));
            group.map(|version| version.as_str().to_owned())
        }
    }
}

/// Why nothing was printed.
enum Asked {
    /// The engine refused.
    Engine(EngineError),
    /// The program cannot be started.
    StartedContainer(testcontainers::bollard::errors::Error),
}

/// What a command prints on either stream.
async fn printed(
    engine: &Engine,
    image: &str,
    command: &[String],
    labels: &HashMap<String, String>,
) -> Result<String, Asked> {
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
            ulimits: Some(limits::of(engine)),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let docker = &engine.docker;
    let refused = |what: &'static str| move |error| Asked::Engine(EngineError::refused(what)(error));
    let made = docker.create_container(None::<CreateContainerOptions>, body).await;
    let id = made.map_err(refused("make a container"))?.id;
    let outcome = async {
        docker.start_container(&id, None::<StartContainerOptions>).await.map_err(Asked::StartedContainer)?;
        // Its exit code is not asked for: some programs print their version and exit with 1.
        let _ = docker.wait_container(&id, None::<WaitContainerOptions>).next().await;
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).build();
        let said: Vec<_> = docker.logs(&id, Some(options)).try_collect().await.map_err(refused("tell a log"))?;
        let bytes: Vec<u8> = said.into_iter().flat_map(|line| line.into_bytes().to_vec()).collect();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
    .await;
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    // What is still there has the run's label, and the reaper removes it.
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
        assert_eq!(question(&nginx).unwrap(), ["nginx", "-v"]);
        assert_eq!(answer(&nginx, "nginx version: nginx/1.26.3\n").as_deref(), Some("1.26.3"));
        let gunicorn = kind(Role::Server, "gunicorn");
        assert_eq!(question(&gunicorn).unwrap()[0], "python3");
        assert_eq!(answer(&gunicorn, "a warning\nversion 23.0.0\n").as_deref(), Some("23.0.0"));
        assert_eq!(answer(&gunicorn, "importlib.metadata.PackageNotFoundError: gunicorn\n"), None);
    }
}
