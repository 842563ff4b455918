//! Finds the container engine's endpoint in the order of the docker command: `DOCKER_HOST`, then the context
//! (`DOCKER_CONTEXT`, or `currentContext` of its `config.json`), then the first existing socket of Docker, rootless Docker
//! and Podman. Pure: the caller supplies the environment.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

const DOCKER_SOCKET: &str = "/var/run/docker.sock";
/// The socket of Podman as root.
const PODMAN_SOCKET: &str = "/run/podman/podman.sock";
/// The name that means "no context".
const DEFAULT_CONTEXT: &str = "default";

/// The address of an engine on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Socket(PathBuf),
    /// A loopback port, without TLS.
    Loopback(SocketAddr),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Socket(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Loopback(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// Why there is no usable engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The engine is on another machine, or needs another protocol.
    #[error(
        "the engine at `{host}` ({named_by}) cannot be used: lab mounts files and measures processes, so it must be on \
         this machine; accepted: unix://PATH, or tcp:// with a loopback address"
    )]
    NotLocal {
        /// The address as written.
        host: String,
        /// The variable or file that names it.
        named_by: String,
    },
    #[error("there is no docker context `{name}` ({named_by}); `docker context ls` lists them")]
    NoContext {
        name: String,
        /// The variable or file that names it.
        named_by: String,
    },
    /// A file of docker is malformed.
    #[error("cannot read {document}: {message}")]
    Malformed { document: String, message: String },
    #[error("no container engine is running here: neither {} exists; DOCKER_HOST names another", sockets.join(" nor "))]
    NoSocket { sockets: Vec<String> },
}

/// The inputs of [`resolve`].
pub(super) struct DockerEnvironment<'a> {
    /// An environment variable; empty ones count as unset, as for docker.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Docker's `config.json`, if there is one.
    pub(super) config: Option<String>,
    /// The `meta.json` of the context in the folder of this name.
    pub(super) context: &'a dyn Fn(&str) -> Option<String>,
    pub(super) exists: &'a dyn Fn(&Path) -> bool,
}

pub(super) fn resolve(docker: &DockerEnvironment<'_>) -> Result<Endpoint, EndpointError> {
    let variable = |name: &str| (docker.variable)(name).filter(|value| !value.trim().is_empty());
    if let Some(host) = variable("DOCKER_HOST") {
        return parse(&host, "DOCKER_HOST");
    }
    if let Some((name, named_by)) = context(docker, variable("DOCKER_CONTEXT"))? {
        return context_endpoint(docker, &name, &named_by);
    }
    let sockets = default_sockets(variable("XDG_RUNTIME_DIR"));
    match sockets.iter().find(|path| (docker.exists)(path)) {
        Some(path) => Ok(Endpoint::Socket(path.clone())),
        None => {
            Err(EndpointError::NoSocket { sockets: sockets.iter().map(|path| path.display().to_string()).collect() })
        }
    }
}

/// The context's name, and the variable or file that names it; `None` for docker's default.
fn context(
    docker: &DockerEnvironment<'_>,
    variable: Option<String>,
) -> Result<Option<(String, String)>, EndpointError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        current_context: Option<String>,
    }
    let named = match (variable, &docker.config) {
        (Some(name), _) => Some((name, "DOCKER_CONTEXT".to_owned())),
        (None, Some(text)) => {
            let config: Config = read("docker's config.json", text)?;
            config.current_context.map(|name| (name, "currentContext of docker's config.json".to_owned()))
        }
        (None, None) => None,
    };
    Ok(named.filter(|(name, _)| !name.is_empty() && name != DEFAULT_CONTEXT))
}

fn context_endpoint(
    environment: &DockerEnvironment<'_>,
    name: &str,
    named_by: &str,
) -> Result<Endpoint, EndpointError> {
    #[derive(Deserialize)]
    struct Meta {
        #[serde(rename = "Endpoints")]
        endpoints: Endpoints,
    }
    #[derive(Deserialize)]
    struct Endpoints {
        docker: Option<Docker>,
    }
    #[derive(Deserialize)]
    struct Docker {
        #[serde(rename = "Host")]
        host: String,
    }
    let no_context = || EndpointError::NoContext { name: name.to_owned(), named_by: named_by.to_owned() };
    let text = (environment.context)(&context_folder(name)).ok_or_else(no_context)?;
    let meta: Meta = read(&format!("the docker context `{name}`"), &text)?;
    let docker = meta.endpoints.docker.ok_or_else(no_context)?;
    parse(&docker.host, &format!("the docker context `{name}`"))
}

/// The name of a context's folder: the SHA-256 of the context's name.
fn context_folder(name: &str) -> String {
    use sha2::{Digest as _, Sha256};
    format!("{:x}", Sha256::digest(name))
}

fn read<'t, T: Deserialize<'t>>(document: &str, text: &'t str) -> Result<T, EndpointError> {
    serde_json::from_str(text)
        .map_err(|error| EndpointError::Malformed { document: document.to_owned(), message: error.to_string() })
}

fn parse(host: &str, named_by: &str) -> Result<Endpoint, EndpointError> {
    let not_local = || EndpointError::NotLocal { host: host.to_owned(), named_by: named_by.to_owned() };
    if let Some(path) = host.strip_prefix("unix://") {
        return if path.starts_with('/') { Ok(Endpoint::Socket(path.into())) } else { Err(not_local()) };
    }
    let address = host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://")).ok_or_else(not_local)?;
    let address = address.trim_end_matches('/').replace("localhost", "127.0.0.1");
    let address: SocketAddr = address.parse().map_err(|_| not_local())?;
    let is_local = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    if is_local { Ok(Endpoint::Loopback(address)) } else { Err(not_local()) }
}

/// The sockets of Docker, rootless Docker, rootless Podman and Podman.
fn default_sockets(runtime_folder: Option<String>) -> Vec<PathBuf> {
    let mut sockets = vec![PathBuf::from(DOCKER_SOCKET)];
    if let Some(folder) = runtime_folder.map(PathBuf::from) {
        sockets.push(folder.join("docker.sock"));
        sockets.push(folder.join("podman/podman.sock"));
    }
    sockets.push(PathBuf::from(PODMAN_SOCKET));
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine {
        variables: Vec<(&'static str, &'static str)>,
        config: Option<&'static str>,
        contexts: Vec<(&'static str, &'static str)>,
        sockets: Vec<&'static str>,
    }

    const BARE: Machine = Machine { variables: vec![], config: None, contexts: vec![], sockets: vec![] };

    fn resolved(machine: &Machine) -> Result<String, String> {
        let variable =
            |name: &str| machine.variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        let context = |folder: &str| {
            let found = machine.contexts.iter().find(|(name, _)| context_folder(name) == folder);
            found.map(|(_, host)| format!(r#"{{"Name":"x","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#))
        };
        let exists = |path: &Path| machine.sockets.iter().any(|socket| Path::new(socket) == path);
        let environment = DockerEnvironment {
            variable: &variable,
            config: machine.config.map(str::to_owned),
            context: &context,
            exists: &exists,
        };
        resolve(&environment).map(|endpoint| endpoint.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn order_is_that_of_docker() {
        let all = Machine {
            variables: vec![("DOCKER_HOST", "unix:///host.sock"), ("DOCKER_CONTEXT", "one")],
            config: Some(r#"{"auths":{},"currentContext":"two"}"#),
            contexts: vec![("one", "unix:///one.sock"), ("two", "unix:///two.sock")],
            sockets: vec!["/var/run/docker.sock"],
        };
        assert_eq!(resolved(&all).unwrap(), "unix:///host.sock");
        let context = Machine { variables: vec![("DOCKER_HOST", ""), ("DOCKER_CONTEXT", "one")], ..all };
        assert_eq!(resolved(&context).unwrap(), "unix:///one.sock");
        let config = Machine { variables: vec![], ..context };
        assert_eq!(resolved(&config).unwrap(), "unix:///two.sock");
        let default = Machine { config: Some(r#"{"currentContext":"default"}"#), ..config };
        assert_eq!(resolved(&default).unwrap(), "unix:///var/run/docker.sock");
    }

    #[test]
    fn first_default_socket_is_used() {
        let user = vec![("XDG_RUNTIME_DIR", "/run/user/7")];
        let rootless = vec!["/run/user/7/docker.sock", "/run/user/7/podman/podman.sock", "/run/podman/podman.sock"];
        let mut machine = Machine { variables: user, sockets: rootless, ..BARE };
        assert_eq!(resolved(&machine).unwrap(), "unix:///run/user/7/docker.sock");
        machine.sockets.remove(0);
        assert_eq!(resolved(&machine).unwrap(), "unix:///run/user/7/podman/podman.sock");
        machine.sockets.remove(0);
        assert_eq!(resolved(&machine).unwrap(), "unix:///run/podman/podman.sock");
        assert_eq!(
            resolved(&BARE).unwrap_err(),
            "no container engine is running here: neither /var/run/docker.sock nor /run/podman/podman.sock exists; DOCKER_HOST names another"
        );
    }

    #[test]
    fn remote_engine_is_refused() {
        let named = |host: &'static str| resolved(&Machine { variables: vec![("DOCKER_HOST", host)], ..BARE });
        assert_eq!(named("tcp://127.0.0.1:2375").unwrap(), "tcp://127.0.0.1:2375");
        assert_eq!(named("tcp://localhost:2375/").unwrap(), "tcp://127.0.0.1:2375");
        assert_eq!(named("tcp://[::1]:2375").unwrap(), "tcp://[::1]:2375");
        for host in ["tcp://192.0.2.1:2375", "ssh://me@there", "tcp://127.0.0.1", "unix://relative", "here"] {
            let refusal = named(host).unwrap_err();
            assert!(refusal.starts_with(&format!("the engine at `{host}` (DOCKER_HOST) cannot be used")), "{refusal}");
        }
        let contexts = vec![("far", "ssh://me@there")];
        let config = Some(r#"{"currentContext":"far"}"#);
        let far = resolved(&Machine { contexts, config, ..BARE }).unwrap_err();
        assert!(far.starts_with("the engine at `ssh://me@there` (the docker context `far`) cannot be used"), "{far}");
    }

    #[test]
    fn malformed_docker_files_are_reported() {
        let config = Machine { config: Some("{"), ..BARE };
        assert!(resolved(&config).unwrap_err().starts_with("cannot read docker's config.json: EOF"));
        let missing = Machine { variables: vec![("DOCKER_CONTEXT", "gone")], ..BARE };
        assert_eq!(
            resolved(&missing).unwrap_err(),
            "there is no docker context `gone` (DOCKER_CONTEXT); `docker context ls` lists them"
        );
    }
}
