//! The container engine: found, spoken to, and old enough to be trusted with a run.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testcontainers::bollard::errors::Error;
use testcontainers::bollard::{API_DEFAULT_VERSION, Docker};
use tokio::time::Instant;

use super::endpoint::{self, Endpoint, EndpointError, Surroundings};

/// The oldest API lab speaks: Docker 20.10's.
pub const OLDEST_API: (u32, u32) = (1, 41);

/// How long the engine may take for an answer; importing and building images takes long.
const ANSWER_DEADLINE: Duration = Duration::from_secs(300);
/// How long it may take to report its version.
const GREETING_DEADLINE: Duration = Duration::from_secs(10);

/// How long an engine may tell of containers in words that are not Docker's.
const SETTLING: Duration = Duration::from_secs(5);
/// Between two questions meanwhile.
const INTERVAL: Duration = Duration::from_millis(50);

/// Asks again while the answer cannot be read: in the moment between a container's end and its cleaning up, Podman calls
/// it `stopped`, which Docker's API has not.
pub(super) async fn settled<T, F>(mut ask: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let until = Instant::now() + SETTLING;
    loop {
        match ask().await {
            Err(Error::JsonDataError { .. } | Error::JsonSerdeError { .. }) if Instant::now() < until => {
                tokio::time::sleep(INTERVAL).await;
            }
            answer => return answer,
        }
    }
}

/// An engine that answers.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Its API.
    pub(super) docker: Docker,
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its name and version, as in `Docker Engine 20.10.24`.
    pub version: String,
    /// Whether it is Podman, which does not understand everything as Docker does.
    pub(super) is_podman: bool,
    /// Whether it runs without root's rights: the user `root` of its containers is whoever runs it.
    pub rootless: bool,
    /// Whether users of containers are mapped to others on the machine, unless a container asks for none of that.
    remaps_users: bool,
}

/// Why containers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is none, or none that can be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// It is named, and does not answer.
    #[error("no container engine answers at {endpoint}")]
    Silent {
        /// Where.
        endpoint: Endpoint,
        /// What happened.
        source: Error,
    },
    /// It is too old.
    #[error(
        "the engine at {endpoint} speaks API {}; lab needs {}.{} (Docker 20.10) or newer",
        api,
        OLDEST_API.0,
        OLDEST_API.1
    )]
    TooOld {
        /// Where.
        endpoint: Endpoint,
        /// What it speaks.
        api: String,
    },
    /// It refused something.
    #[error("the engine cannot {what}")]
    Refused {
        /// What it was asked for.
        what: String,
        /// What it said.
        source: Error,
    },
}

impl EngineError {
    /// Context for what the engine refused.
    pub(super) fn refused(what: impl Into<String>) -> impl FnOnce(Error) -> EngineError {
        let what = what.into();
        move |source| EngineError::Refused { what, source }
    }
}

impl Engine {
    /// Finds the engine that the docker command would use, and asks it who it is.
    ///
    /// # Errors
    /// There is none, it does not answer, or it is too old.
    pub async fn find() -> Result<Engine, EngineError> {
        Engine::at(find()?).await
    }

    async fn at(endpoint: Endpoint) -> Result<Engine, EngineError> {
        let silent = |source| EngineError::Silent { endpoint: endpoint.clone(), source };
        let seconds = ANSWER_DEADLINE.as_secs();
        let docker = match &endpoint {
            Endpoint::Socket(path) => {
                Docker::connect_with_unix(&path.display().to_string(), seconds, API_DEFAULT_VERSION)
            }
            Endpoint::Loopback(_) => Docker::connect_with_http(&endpoint.to_string(), seconds, API_DEFAULT_VERSION),
        };
        let docker = docker.map_err(silent)?;
        let greeting = async { Ok((docker.version().await?, docker.info().await?)) };
        let (version, info) = match tokio::time::timeout(GREETING_DEADLINE, greeting).await {
            Ok(said) => said.map_err(silent)?,
            Err(_) => return Err(silent(Error::RequestTimeoutError)),
        };
        let api = version.api_version.unwrap_or_default();
        if !is_new_enough(&api) {
            return Err(EngineError::TooOld { endpoint, api });
        }
        let options = info.security_options.unwrap_or_default();
        let has = |name: &str| options.iter().any(|option| option.split(',').any(|part| part == name));
        let components = version.components.unwrap_or_default();
        let is_podman = components.iter().any(|component| component.name.starts_with("Podman"));
        let name = match is_podman {
            true => "Podman",
            false => "Docker",
        };
        Ok(Engine {
            docker,
            version: format!("{name} {}", version.version.unwrap_or_default()),
            is_podman,
            rootless: has("name=rootless") || (is_podman && is_somebodys(&endpoint)),
            remaps_users: has("name=userns"),
            endpoint,
        })
    }
}

impl Engine {
    /// The user namespace in which a container's users are the machine's, where that takes a word.
    pub(super) fn users(&self) -> Option<&'static str> {
        match (self.rootless, self.is_podman) {
            (false, _) => self.remaps_users.then_some("host"),
            // Its user alone is the machine's, and that is whoever runs lab.
            (true, true) => Some("keep-id"),
            (true, false) => None,
        }
    }
}

/// Whether the socket is not root's. Podman says that it is rootless in a field that Docker's API does not have.
fn is_somebodys(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Socket(path) => fs::metadata(path).is_ok_and(|found| found.uid() != 0),
        Endpoint::Loopback(_) => false,
    }
}

/// Whether an API version such as `1.41` is at least [`OLDEST_API`].
fn is_new_enough(api: &str) -> bool {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u32>().ok());
    let mut parts = api.split('.');
    let version = number(parts.next()).zip(number(parts.next()));
    version.is_some_and(|version| version >= OLDEST_API)
}

/// Chooses the engine by this machine's environment and files.
fn find() -> Result<Endpoint, EndpointError> {
    let variable = |name: &str| std::env::var(name).ok();
    let folder = variable("DOCKER_CONFIG")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".docker")));
    let file = |inside: &str| fs::read_to_string(folder.as_ref()?.join(inside)).ok();
    let context = |name: &str| file(&format!("contexts/meta/{name}/meta.json"));
    let exists = |path: &Path| path.exists();
    let here = Surroundings { variable: &variable, config: file("config.json"), context: &context, exists: &exists };
    endpoint::resolve(&here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_not_texts() {
        for (api, is_new) in
            [("1.41", true), ("1.53", true), ("2.0", true), ("1.40", false), ("1.9", false), ("", false)]
        {
            assert_eq!(is_new_enough(api), is_new, "{api}");
        }
    }
}
