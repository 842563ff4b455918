//! A kind: what lab knows about one implementation of a role.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::template::{Template, Variable};

/// The role of a component in its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A reverse proxy.
    Proxy,
    /// An app server with its app.
    Server,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Proxy => "proxy",
            Role::Server => "server",
        })
    }
}

/// The interface between an app and its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interface {
    /// A Python callable by PEP 3333.
    Wsgi,
    /// A Python callable by the ASGI specification. <https://asgi.readthedocs.io/en/latest/specs/>
    Asgi,
    /// An app that is built into lab.
    Native,
}

impl Interface {
    /// In the order that lists show.
    pub const ALL: [Interface; 3] = [Interface::Wsgi, Interface::Asgi, Interface::Native];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Interface::Wsgi => "wsgi",
            Interface::Asgi => "asgi",
            Interface::Native => "native",
        }
    }
}

/// The protocol spoken between proxy and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.
    Http,
    /// uWSGI's protocol: the request as variables, the response as HTTP.
    /// <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>
    Uwsgi,
}

impl Protocol {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Uwsgi => "uwsgi",
        }
    }
}

/// An ability that some kinds lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ability {
    /// Serves several HTTP/1.1 requests on one connection.
    KeepAlive,
    /// Runs more than one worker process.
    Workers,
    /// Accepts chunked request bodies.
    ChunkedInput,
    /// Drops the body that an application returns to HEAD (RFC 9110, section 9.3.2).
    Head,
    /// Serves more kept connections than it has workers and threads.
    MoreConnections,
}

impl Ability {
    /// In the order that lists show.
    pub const ALL: [Ability; 5] =
        [Ability::KeepAlive, Ability::Workers, Ability::ChunkedInput, Ability::Head, Ability::MoreConnections];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ability::KeepAlive => "keep_alive",
            Ability::Workers => "workers",
            Ability::ChunkedInput => "chunked_input",
            Ability::Head => "head",
            Ability::MoreConnections => "more_connections",
        }
    }
}

/// One implementation of a role.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The name of its file.
    pub name: String,
    pub role: Role,
    /// One line.
    pub title: String,
    /// SHA-256 of the contents of all its files, in lower-case hexadecimal.
    pub sha256: String,
    pub file: PathBuf,
    pub install: Install,
    pub version: VersionSource,
    /// How to run it, or why it can no longer run.
    pub run: Result<Run, String>,
    /// The abilities it lacks, with the reasons.
    pub cannot: BTreeMap<Ability, String>,
    /// In the file's order.
    pub variants: Vec<Variant>,
    /// Observations that a reader should know.
    pub notes: Vec<String>,
    /// Where the claims come from.
    pub sources: Vec<String>,
    /// Figures that others have published, in the file's order.
    pub published: Vec<Published>,
}

/// A published figure. Its machine, year and method differ, so it is never ranked with measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub figure: u64,
    pub unit: String,
    /// What was measured.
    pub what: String,
    /// The year of publication or measurement.
    pub year: u16,
    /// A URL.
    pub source: String,
    /// The conditions of the measurement, and its caveats.
    pub conditions: String,
    /// The variant that was measured. `None` is the plain kind.
    pub variant: Option<String>,
}

impl Kind {
    /// Whether this is the lab binary, in any role.
    #[must_use]
    pub fn is_lab(&self) -> bool {
        let Ok(run) = &self.run else { return false };
        run.command.first().is_some_and(|program| program.variables().eq([Variable::Lab]))
    }

    /// Why the kind cannot run in lab's own image, which contains only lab and a virtual environment of this machine. `None`
    /// if it can, or if the kind can no longer run at all.
    #[must_use]
    pub fn needs_image(&self) -> Option<&str> {
        let run = self.run.as_ref().ok()?;
        let is_seen = self.is_lab() || matches!(self.install, Install::Environment { .. });
        run.container.needs_image.as_deref().or((!is_seen).then_some("lab's own has only lab and what pip installs"))
    }
}

/// How to install a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Install {
    /// It is part of lab.
    Lab,
    /// In its own virtual environment.
    Environment {
        /// Pinned requirements for pip. May be empty.
        pip: Vec<String>,
        /// Source folders. pip installs the first one, which depends on the others.
        source: Vec<PathBuf>,
        /// The distribution that the source makes. An installed lab brings wheels of it, and has no source.
        wheel: Option<String>,
        /// Debian packages that it needs to be built or to run.
        needs: Vec<String>,
        /// The lock file: everything to install, with hashes. `None` if it does not exist yet.
        lock: Option<String>,
        lock_file: PathBuf,
    },
    /// As a Debian package.
    Debian {
        package: String,
        /// The program in the package, on the path or in `/usr/sbin`.
        program: String,
    },
    /// An image with its tag or digest. It runs only in containers.
    Image(String),
    /// It can no longer be installed.
    Nowhere,
}

/// The name at the start of a requirement.
#[must_use]
pub fn distribution_of(requirement: &str) -> &str {
    let end = requirement.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
    &requirement[..end.unwrap_or(requirement.len())]
}

/// How to determine the version of a kind. A kind with an unknown version does not run.
#[derive(Debug, Clone)]
pub enum VersionSource {
    /// The version of this distribution in the environment's metadata.
    Distribution(String),
    /// The first group of the expression in the output of the command.
    Printed { command: Vec<Template>, matches: Regex },
    /// The kind cannot run, so it has no version.
    None,
}

/// How to run a kind.
#[derive(Debug, Clone)]
pub struct Run {
    /// The program and its fixed arguments.
    pub command: Vec<Template>,
    /// Arguments that set the number of workers. `None` if there is no such setting.
    pub workers: Option<Vec<Template>>,
    /// Arguments that set the number of threads per worker. `None` if there is no such setting.
    pub threads: Option<Vec<Template>>,
    /// Arguments that name a configuration file. `None` if the kind has none.
    pub config: Option<Vec<Template>>,
    /// Arguments that name a WSGI application. `None` if the kind hosts none.
    pub wsgi: Option<Vec<Template>>,
    /// Arguments that name an ASGI application. `None` if the kind hosts none.
    pub asgi: Option<Vec<Template>>,
    /// Whether the name of an application may be the call of a factory.
    pub calls_factories: bool,
    /// Arguments that name an app built into lab. `None` if the kind hosts none.
    pub native: Option<Vec<Template>>,
    /// If lab is root: a program, before the command, that changes the user.
    pub as_root: Vec<Template>,
    /// Added to lab's own environment, in the file's order.
    pub environment: Vec<(String, Template)>,
    /// A script of the kind, which is copied to the run folder.
    pub launcher: Option<BundledFile>,
    pub binds: Binds,
    pub container: ContainerSettings,
    /// The protocol spoken between proxy and server.
    pub speaks: Protocol,
    /// The language of the configuration file.
    pub language: Language,
    /// The configuration file to use if the scenario names none.
    pub default_config: Option<BundledFile>,
    /// The path of the readiness probe.
    pub ready_path: String,
    pub ready_deadline: Duration,
}

/// How to run a kind in a container.
#[derive(Debug, Clone, Default)]
pub struct ContainerSettings {
    /// The program and its fixed arguments in an image other than lab's. `None` if they do not differ.
    pub command: Option<Vec<Template>>,
    /// Folders that it writes to regardless of its settings.
    pub scratch: Vec<PathBuf>,
    /// Why it cannot run in lab's own image. `None` if it can, given an environment.
    pub needs_image: Option<String>,
}

/// A file that comes with a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundledFile {
    /// The file name, without a folder.
    pub name: String,
    pub text: String,
}

/// Which process opens the listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binds {
    /// lab opens it, and the kind inherits it.
    Inherits,
    /// The kind opens it, on a port that lab reserves.
    Itself,
}

/// The language of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Any language. lab passes the file unchanged.
    Own,
    /// nginx's. lab relocates addresses and paths.
    Nginx,
    /// gunicorn's. lab replaces logs, users and folders of another machine.
    Gunicorn,
    /// Any language, with `@listen@` and other marks for the addresses and paths of a run.
    Marks,
}

/// An alternative way to run a kind.
#[derive(Debug, Clone)]
pub struct Variant {
    pub name: String,
    /// One line.
    pub title: String,
    /// Replaces the kind's command.
    pub command: Option<Vec<Template>>,
    /// Appended to the kind's arguments.
    pub arguments: Vec<Template>,
    /// The default number of workers.
    pub workers: Option<Workers>,
    /// The default number of threads per worker.
    pub threads: Option<NonZeroU16>,
    /// Arguments that name an ASGI application, for a variant that hosts nothing else.
    pub asgi: Option<Vec<Template>>,
    /// Replaces the kind's protocol.
    pub speaks: Option<Protocol>,
    /// Replaces the kind's default configuration file.
    pub default_config: Option<BundledFile>,
    /// Abilities that the kind lacks.
    pub can: Vec<Ability>,
    /// The abilities it lacks, with the reasons.
    pub cannot: BTreeMap<Ability, String>,
    /// Observations that a reader should know.
    pub notes: Vec<String>,
}

/// A number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    Count(NonZeroU16),
    /// `times` the cores that the stack may use, plus `plus`.
    PerCore {
        times: NonZeroU16,
        plus: u16,
    },
}

impl Workers {
    /// The number of workers on this number of cores.
    #[must_use]
    pub fn on(self, cores: usize) -> NonZeroU16 {
        match self {
            Workers::Count(count) => count,
            Workers::PerCore { times, plus } => {
                let cores = u16::try_from(cores).unwrap_or(u16::MAX);
                times.saturating_mul(NonZeroU16::new(cores).unwrap_or(NonZeroU16::MIN)).saturating_add(plus)
            }
        }
    }
}

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workers::Count(count) if count.get() == 1 => f.write_str("1 worker"),
            Workers::Count(count) => write!(f, "{count} workers"),
            Workers::PerCore { times, plus: 0 } => write!(f, "{times} x cores workers"),
            Workers::PerCore { times, plus } => write!(f, "{times} x cores + {plus} workers"),
        }
    }
}
