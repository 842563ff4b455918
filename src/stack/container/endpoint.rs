//! Which engine: the socket that `docker` itself would use, and where none is named, the usual ones.
//!
//! The order is the docker command's: `DOCKER_HOST`, then the context (`DOCKER_CONTEXT`, or `currentContext` of its
//! `config.json`), then the first socket that is there of Docker's, rootless Docker's and Podman's. Pure: what the
//! machine has is handed in.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Where Docker's own socket is, unless told otherwise.
const DOCKER_SOCKET: &str = "/var/run/docker.sock";
/// Where Podman's is when it runs as root.
const PODMAN_SOCKET: &str = "/run/podman/podman.sock";
/// The context that means "no context".
const DEFAULT_CONTEXT: &str = "default";

/// How an engine on this machine is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Socket(PathBuf),
    /// A loopback port, in the clear.
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

/// Why there is no engine to speak to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The engine is elsewhere, or spoken to in another way.
    #[error(
        "the engine at `{host}` ({named_by}) cannot be used: files are mounted and processes are measured, so it must be \
         on this machine; accepted: unix://PATH, or tcp:// with a loopback address"
    )]
    NotHere {
        /// The address as written.
        host: String,
        /// What names it.
        named_by: String,
    },
    /// A context is named that docker does not know.
    #[error("there is no docker context `{name}` ({named_by})")]
    NoContext {
        /// Its name.
        name: String,
        /// What names it.
        named_by: String,
    },
    /// A file of docker's is not what docker writes.
    #[error("cannot read {what}: {message}")]
    Unreadable {
        /// Which.
        what: String,
        /// What is wrong.
        message: String,
    },
    /// No socket is where one usually is.
    #[error("no container engine is running here: neither {} exists", looked_at.join(" nor "))]
    None {
        /// Where one was looked for.
        looked_at: Vec<String>,
    },
}

/// What the choice depends on.
pub(super) struct Surroundings<'a> {
    /// A variable of the environment; empty ones count as not set, as for docker.
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    /// Docker's `config.json`, if there is one.
    pub(super) config: Option<String>,
    /// The `meta.json` of the context whose folder has this name.
    pub(super) context: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a path exists.
    pub(super) exists: &'a dyn Fn(&Path) -> bool,
}

/// Chooses the engine.
///
/// # Errors
/// [`EndpointError`], in one sentence each.
pub(super) fn resolve(here: &Surroundings<'_>) -> Result<Endpoint, EndpointError> {
    let variable = |name: &str| (here.variable)(name).filter(|value| !value.trim().is_empty());
    if let Some(host) = variable("DOCKER_HOST") {
        return parse(&host, "DOCKER_HOST");
    }
    if let Some((name, named_by)) = context(here, variable("DOCKER_CONTEXT"))? {
        return in_context(here, &name, &named_by);
    }
    let sockets = usual_sockets(variable("XDG_RUNTIME_DIR"));
    match sockets.iter().find(|path| (here.exists)(path)) {
        Some(path) => Ok(Endpoint::Socket(path.clone())),
        None => Err(EndpointError::None { looked_at: sockets.iter().map(|path| path.display().to_string()).collect() }),
    }
}

/// The context's name and what names it; `None` for docker's default.
fn context(here: &Surroundings<'_>, variable: Option<String>) -> Result<Option<(String, String)>, EndpointError> {
    /// As far as it is used here.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        current_context: Option<String>,
    }
    let chosen = match (variable, &here.config) {
        (Some(name), _) => Some((name, "DOCKER_CONTEXT".to_owned())),
        (None, Some(text)) => {
            let config: Config = read("docker's config.json", text)?;
            config.current_context.map(|name| (name, "currentContext of docker's config.json".to_owned()))
        }
        (None, None) => None,
    };
    Ok(chosen.filter(|(name, _)| !name.is_empty() && name != DEFAULT_CONTEXT))
}

fn in_context(here: &Surroundings<'_>, name: &str, named_by: &str) -> Result<Endpoint, EndpointError> {
    /// As far as it is used here.
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
    let text = (here.context)(&folder_of(name)).ok_or_else(no_context)?;
    let meta: Meta = read(&format!("the docker context `{name}`"), &text)?;
    let docker = meta.endpoints.docker.ok_or_else(no_context)?;
    parse(&docker.host, &format!("the docker context `{name}`"))
}

/// The name of a context's folder: docker takes the SHA-256 of its name.
fn folder_of(name: &str) -> String {
    use sha2::{Digest as _, Sha256};
    format!("{:x}", Sha256::digest(name))
}

fn read<'t, T: Deserialize<'t>>(what: &str, text: &'t str) -> Result<T, EndpointError> {
    serde_json::from_str(text)
        .map_err(|error| EndpointError::Unreadable { what: what.to_owned(), message: error.to_string() })
}

fn parse(host: &str, named_by: &str) -> Result<Endpoint, EndpointError> {
    let elsewhere = || EndpointError::NotHere { host: host.to_owned(), named_by: named_by.to_owned() };
    if let Some(path) = host.strip_prefix("unix://") {
        return if path.starts_with('/') { Ok(Endpoint::Socket(path.into())) } else { Err(elsewhere()) };
    }
    let address = host.strip_prefix("tcp://").or_else(|| host.strip_prefix("http://")).ok_or_else(elsewhere)?;
    let address = address.trim_end_matches('/').replace("localhost", "127.0.0.1");
    let address: SocketAddr = address.parse().map_err(|_| elsewhere())?;
    let is_here = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback(),
    };
    if is_here { Ok(Endpoint::Loopback(address)) } else { Err(elsewhere()) }
}

/// Docker's own, rootless Docker's, rootless Podman's, Podman's.
fn usual_sockets(runtime_folder: Option<String>) -> Vec<PathBuf> {
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

    fn chosen(machine: &Machine) -> Result<String, String> {
        let variable =
            |name: &str| machine.variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        let context = |folder: &str| {
            let found = machine.contexts.iter().find(|(name, _)| folder_of(name) == folder);
            found.map(|(_, host)| format!(r#"{{"Name":"x","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#))
        };
        let exists = |path: &Path| machine.sockets.iter().any(|socket| Path::new(socket) == path);
        let here = Surroundings {
            variable: &variable,
            config: machine.config.map(str::to_owned),
            context: &context,
            exists: &exists,
        };
        resolve(&here).map(|endpoint| endpoint.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_order_is_the_docker_commands() {
        let all = Machine {
            variables: vec![("DOCKER_HOST", "unix:///host.sock"), ("DOCKER_CONTEXT", "one")],
            config: Some(r#"{"auths":{},"currentContext":"two"}"#),
            contexts: vec![("one", "unix:///one.sock"), ("two", "unix:///two.sock")],
            sockets: vec!["/var/run/docker.sock"],
        };
        assert_eq!(chosen(&all).unwrap(), "unix:///host.sock");
        let context = Machine { variables: vec![("DOCKER_HOST", ""), ("DOCKER_CONTEXT", "one")], ..all };
        assert_eq!(chosen(&context).unwrap(), "unix:///one.sock");
        let config = Machine { variables: vec![], ..context };
        assert_eq!(chosen(&config).unwrap(), "unix:///two.sock");
        let default = Machine { config: Some(r#"{"currentContext":"default"}"#), ..config };
        assert_eq!(chosen(&default).unwrap(), "unix:///var/run/docker.sock");
    }

    #[test]
    fn without_a_name_the_first_usual_socket_that_is_there() {
        let user = vec![("XDG_RUNTIME_DIR", "/run/user/7")];
        let rootless = vec!["/run/user/7/docker.sock", "/run/user/7/podman/podman.sock", "/run/podman/podman.sock"];
        let mut machine = Machine { variables: user, sockets: rootless, ..BARE };
        assert_eq!(chosen(&machine).unwrap(), "unix:///run/user/7/docker.sock");
        machine.sockets.remove(0);
        assert_eq!(chosen(&machine).unwrap(), "unix:///run/user/7/podman/podman.sock");
        machine.sockets.remove(0);
        assert_eq!(chosen(&machine).unwrap(), "unix:///run/podman/podman.sock");
        assert_eq!(
            chosen(&BARE).unwrap_err(),
            "no container engine is running here: neither /var/run/docker.sock nor /run/podman/podman.sock exists"
        );
    }

    #[test]
    fn an_engine_elsewhere_is_refused_by_name() {
        let named = |host: &'static str| chosen(&Machine { variables: vec![("DOCKER_HOST", host)], ..BARE });
        assert_eq!(named("tcp://127.0.0.1:2375").unwrap(), "tcp://127.0.0.1:2375");
        assert_eq!(named("tcp://localhost:2375/").unwrap(), "tcp://127.0.0.1:2375");
        assert_eq!(named("tcp://[::1]:2375").unwrap(), "tcp://[::1]:2375");
        for host in ["tcp://192.0.2.1:2375", "ssh://me@there", "tcp://127.0.0.1", "unix://relative", "here"] {
            let refusal = named(host).unwrap_err();
            assert!(refusal.starts_with(&format!("the engine at `{host}` (DOCKER_HOST) cannot be used")), "{refusal}");
        }
        let contexts = vec![("far", "ssh://me@there")];
        let config = Some(r#"{"currentContext":"far"}"#);
        let far = chosen(&Machine { contexts, config, ..BARE }).unwrap_err();
        assert!(far.starts_with("the engine at `ssh://me@there` (the docker context `far`) cannot be used"), "{far}");
    }

    #[test]
    fn what_docker_wrote_and_cannot_be_read_is_said() {
        let config = Machine { config: Some("{"), ..BARE };
        assert!(chosen(&config).unwrap_err().starts_with("cannot read docker's config.json: EOF"));
        let missing = Machine { variables: vec![("DOCKER_CONTEXT", "gone")], ..BARE };
        assert_eq!(chosen(&missing).unwrap_err(), "there is no docker context `gone` (DOCKER_CONTEXT)");
    }
}
