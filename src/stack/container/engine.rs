//! The container engine: finds it, connects to it and checks its API version.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testcontainers::bollard::errors::Error;
use testcontainers::bollard::{API_DEFAULT_VERSION, Docker};
use tokio::time::Instant;

use super::endpoint::{self, DockerEnvironment, Endpoint, EndpointError};

/// The oldest supported API: Docker 20.10's.
pub const OLDEST_API: (u32, u32) = (1, 41);

/// The deadline of a request; importing and building images takes long.
const REQUEST_DEADLINE: Duration = Duration::from_secs(300);
/// The deadline for the engine's version.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);

/// How long to retry while responses cannot be decoded.
const RETRY_DEADLINE: Duration = Duration::from_secs(5);
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Repeats a request while its response cannot be decoded: between a container's end and its cleanup, Podman reports the
/// state `stopped`, which Docker's API does not have.
pub(super) async fn retry_undecodable<T, F>(mut request: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let until = Instant::now() + RETRY_DEADLINE;
    loop {
        match request().await {
            Err(Error::JsonDataError { .. } | Error::JsonSerdeError { .. }) if Instant::now() < until => {
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            response => return response,
        }
    }
}

/// A connected engine.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) docker: Docker,
    pub endpoint: Endpoint,
    /// The name and version, as in `Docker 20.10.24`.
    pub version: String,
    /// Whether it is Podman, which differs from Docker in details of the API.
    pub(super) is_podman: bool,
    /// Whether it runs without root privileges: the user `root` of its containers is the engine's user.
    pub rootless: bool,
    /// Whether the engine maps users of containers to other users of the machine by default.
    remaps_users: bool,
}

/// Why containers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("no container engine responds at {endpoint}; `lab doctor` says which one lab uses, and why")]
    Unreachable { endpoint: Endpoint, source: Error },
    #[error(
        "the engine at {endpoint} speaks API {}; lab needs {}.{} (Docker 20.10) or newer",
        api,
        OLDEST_API.0,
        OLDEST_API.1
    )]
    TooOld { endpoint: Endpoint, api: String },
    #[error("the engine cannot {operation}")]
    Refused {
        /// In the imperative, as in "list networks".
        operation: String,
        source: Error,
    },
}

impl EngineError {
    pub(super) fn refused(operation: impl Into<String>) -> impl FnOnce(Error) -> EngineError {
        let operation = operation.into();
        move |source| EngineError::Refused { operation, source }
    }
}

impl Engine {
    /// Connects to the engine that the docker command would use.
    ///
    /// # Errors
    /// There is none, it does not respond, or it is too old.
    pub async fn find() -> Result<Engine, EngineError> {
        Engine::connect(find_endpoint()?).await
    }

    async fn connect(endpoint: Endpoint) -> Result<Engine, EngineError> {
        let unreachable = |source| EngineError::Unreachable { endpoint: endpoint.clone(), source };
        let seconds = REQUEST_DEADLINE.as_secs();
        let docker = match &endpoint {
            Endpoint::Socket(path) => {
                Docker::connect_with_unix(&path.display().to_string(), seconds, API_DEFAULT_VERSION)
            }
            Endpoint::Loopback(_) => Docker::connect_with_http(&endpoint.to_string(), seconds, API_DEFAULT_VERSION),
        };
        let docker = docker.map_err(unreachable)?;
        let requests = async { Ok((docker.version().await?, docker.info().await?)) };
        let (version, info) = match tokio::time::timeout(VERSION_DEADLINE, requests).await {
            Ok(responses) => responses.map_err(unreachable)?,
            Err(_) => return Err(unreachable(Error::RequestTimeoutError)),
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
            rootless: has("name=rootless") || (is_podman && is_users_socket(&endpoint)),
            remaps_users: has("name=userns"),
            endpoint,
        })
    }

    /// The user namespace mode in which a container's users are the machine's; `None` if that is the default.
    pub(super) fn users(&self) -> Option<&'static str> {
        match (self.rootless, self.is_podman) {
            (false, _) => self.remaps_users.then_some("host"),
            // This maps only the engine's own user, who also runs lab.
            (true, true) => Some("keep-id"),
            (true, false) => None,
        }
    }
}

/// Whether the socket belongs to a user other than root. Docker's API has no field for rootless Podman.
fn is_users_socket(endpoint: &Endpoint) -> bool {
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

/// Finds the endpoint by this machine's environment and files.
fn find_endpoint() -> Result<Endpoint, EndpointError> {
    let variable = |name: &str| std::env::var(name).ok();
    let folder = variable("DOCKER_CONFIG")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".docker")));
    let file = |inside: &str| fs::read_to_string(folder.as_ref()?.join(inside)).ok();
    let context = |name: &str| file(&format!("contexts/meta/{name}/meta.json"));
    let exists = |path: &Path| path.exists();
    let config = file("config.json");
    endpoint::resolve(&DockerEnvironment { variable: &variable, config, context: &context, exists: &exists })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (api, is_new) in
            [("1.41", true), ("1.53", true), ("2.0", true), ("1.40", false), ("1.9", false), ("", false)]
        {
            assert_eq!(is_new_enough(api), is_new, "{api}");
        }
    }
}
