//! A kind, as it was read from its file: what is known of one implementation of a role.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::template::{Template, Value};

/// The part a component plays in its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The reverse proxy.
    Proxy,
    /// The app server, the app within.
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

/// What an app is to its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interface {
    /// A Python callable by PEP 3333.
    Wsgi,
    /// An app that is built into lab.
    Native,
}

impl Interface {
    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Interface::Wsgi => "wsgi",
            Interface::Native => "native",
        }
    }
}

/// What a proxy and a server speak with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1, as clients do.
    Http,
    /// uwsgi, uWSGI's own: the request as variables, the answer as HTTP.
    /// <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>
    Uwsgi,
}

impl Protocol {
    /// The name in kind files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Uwsgi => "uwsgi",
        }
    }
}

/// What some kinds cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ability {
    /// Answer several requests of HTTP/1.1 on one connection.
    KeepAlive,
    /// Run more than one worker process.
    Workers,
    /// Read a request's body that comes in chunks.
    ChunkedInput,
    /// Answer HEAD without the body that an application returns all the same (RFC 9110, section 9.3.2).
    Head,
}

impl Ability {
    /// Every ability, in the order lists show them.
    pub const ALL: [Ability; 4] = [Ability::KeepAlive, Ability::Workers, Ability::ChunkedInput, Ability::Head];

    /// The name in kind files and scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Ability::KeepAlive => "keep_alive",
            Ability::Workers => "workers",
            Ability::ChunkedInput => "chunked_input",
            Ability::Head => "head",
        }
    }
}

/// One implementation of a role.
#[derive(Debug, Clone)]
pub struct Kind {
    /// Its name: that of its file.
    pub name: String,
    /// The role.
    pub role: Role,
    /// What it is, in one line.
    pub title: String,
    /// SHA-256 of everything its files hold, in lower-case hexadecimal.
    pub sha256: String,
    /// Where it was read from.
    pub file: PathBuf,
    /// How it comes to be on a machine.
    pub install: Install,
    /// How its version is found out.
    pub version: Version,
    /// How it is run; or why nobody can any more.
    pub run: Result<Run, String>,
    /// What it cannot do, and why.
    pub cannot: BTreeMap<Ability, String>,
    /// Other ways to run it, by name, in the file's order.
    pub variants: Vec<Variant>,
    /// What was seen of it that a reader should know.
    pub notes: Vec<String>,
    /// Where that is written.
    pub sources: Vec<String>,
    /// Figures that others have published, in the file's order.
    pub published: Vec<Published>,
}

/// A figure that somebody has published. Machines, years and methods differ: it is never ranked with what is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The figure.
    pub figure: u64,
    /// Its unit.
    pub unit: String,
    /// What it is of.
    pub what: String,
    /// The year in which it was published or measured.
    pub year: u16,
    /// Where it is published: an address.
    pub source: String,
    /// Under which conditions, and what is to be said against it.
    pub conditions: String,
    /// The variant it is of; `None` for the kind as it is.
    pub variant: Option<String>,
}

impl Kind {
    /// Whether it is the lab binary, in some role.
    #[must_use]
    pub fn is_lab(&self) -> bool {
        let Ok(run) = &self.run else { return false };
        run.command.first().is_some_and(|program| program.values().eq([Value::Lab]))
    }

    /// Why lab's own image does not do for it, though it runs elsewhere: its containers can see an environment of this
    /// machine, and have nothing else. `None` if it does, or if nobody can run the kind any more.
    #[must_use]
    pub fn needs_image(&self) -> Option<&str> {
        let run = self.run.as_ref().ok()?;
        let is_seen = self.is_lab() || matches!(self.install, Install::Environment { .. });
        run.in_image.needed.as_deref().or((!is_seen).then_some("lab's own has only lab and what pip installs"))
    }
}

/// How a kind comes to be on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Install {
    /// It is lab itself.
    Lab,
    /// In a virtual environment of its own.
    Environment {
        /// Requirements for pip, versions pinned; may be empty.
        pip: Vec<String>,
        /// Folders of source that it is built from: the first is what pip installs, the others are what that depends on.
        source: Vec<PathBuf>,
        /// Debian packages without which it cannot be built or run.
        needs: Vec<String>,
        /// All that is installed, with hashes, as pip reads it; `None` before it was written.
        lock: Option<String>,
        /// Where that is kept.
        lock_file: PathBuf,
    },
    /// By Debian's package manager.
    Debian {
        /// The package.
        package: String,
        /// The program it brings, looked for on the path and in `/usr/sbin`.
        program: String,
    },
    /// As an image, with its tag or digest: it runs in containers only.
    Image(String),
    /// Not at all.
    Nowhere,
}

/// How a kind's version is found out. A kind whose version is unknown is not run.
#[derive(Debug, Clone)]
pub enum Version {
    /// It is what the environment's metadata say of this distribution.
    Distribution(String),
    /// It is what this expression's first group finds in what the command prints.
    Printed {
        /// The command.
        command: Vec<Template>,
        /// The expression.
        matches: Regex,
    },
    /// It has none, for it cannot be run.
    None,
}

/// How a kind is run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The program and the arguments it always has.
    pub command: Vec<Template>,
    /// Arguments that set the number of workers; `None`: it cannot be set.
    pub workers: Option<Vec<Template>>,
    /// Arguments that set the number of threads of a worker; `None`: it cannot be set.
    pub threads: Option<Vec<Template>>,
    /// Arguments that name a configuration file; `None`: it has none.
    pub config: Option<Vec<Template>>,
    /// Arguments that name a WSGI application; `None`: it hosts none.
    pub wsgi: Option<Vec<Template>>,
    /// Arguments that name an app built into lab; `None`: it hosts none.
    pub native: Option<Vec<Template>>,
    /// What its command line begins with where lab is root: a program that starts it as somebody else.
    pub as_root: Vec<Template>,
    /// Variables on top of lab's own environment, in the file's order.
    pub environment: Vec<(String, Template)>,
    /// A script that belongs to the kind, written beside the logs of a run: its name and text.
    pub launcher: Option<Attached>,
    /// Who opens the listening socket.
    pub binds: Binds,
    /// What is different in a container.
    pub in_image: InImage,
    /// What a server is spoken to in, and what a proxy speaks to its server.
    pub speaks: Protocol,
    /// The language of its configuration file.
    pub language: Language,
    /// The configuration it has where the scenario names none.
    pub default_config: Option<Attached>,
    /// The path that is asked for until it is answered.
    pub ready_path: String,
    /// How long that may take.
    pub ready_deadline: Duration,
}

/// How a kind is run in a container.
#[derive(Debug, Clone, Default)]
pub struct InImage {
    /// The program and the arguments it always has in an image of others; `None`: the same as elsewhere.
    pub command: Option<Vec<Template>>,
    /// Folders it writes into, whatever it is told.
    pub scratch: Vec<PathBuf>,
    /// Why lab's own image does not do for it; `None`: it does, if the kind is in an environment at all.
    pub needed: Option<String>,
}

/// A file that belongs to a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// Its name, without folder.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Who opens the listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binds {
    /// lab, which hands it over.
    Inherits,
    /// The kind, on a port that lab holds for it.
    Itself,
}

/// The language of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Whatever it is, lab hands over the file as it is.
    Own,
    /// nginx's: addresses and paths are relocated.
    Nginx,
    /// Any, with `@listen@` and other marks where the run's addresses and paths belong.
    Marks,
}

/// Another way to run a kind.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its name.
    pub name: String,
    /// What it is, in one line.
    pub title: String,
    /// The program and the arguments it always has, in place of the kind's.
    pub command: Option<Vec<Template>>,
    /// Arguments after the kind's own.
    pub arguments: Vec<Template>,
    /// Workers, unless the scenario says how many.
    pub workers: Option<Workers>,
    /// Threads of each worker, unless the scenario says how many.
    pub threads: Option<NonZeroU16>,
    /// What it speaks, in place of what the kind does.
    pub speaks: Option<Protocol>,
    /// The configuration it has where the scenario names none, in place of the kind's.
    pub default_config: Option<Attached>,
    /// What it can, though the kind cannot.
    pub can: Vec<Ability>,
    /// What it cannot do, and why.
    pub cannot: BTreeMap<Ability, String>,
    /// What was seen of it.
    pub notes: Vec<String>,
}

/// A number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// So many.
    Count(NonZeroU16),
    /// So many for each core the stack may use, and some more.
    PerCore {
        /// For each core.
        times: NonZeroU16,
        /// More.
        plus: u16,
    },
}

impl Workers {
    /// How many they are on so many cores.
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

/// A kind, and which of its variants, as a scenario names them: `gunicorn`, `gunicorn/gthread`.
#[derive(Clone)]
pub struct Chosen {
    kind: Arc<Kind>,
    variant: Option<usize>,
}

impl Chosen {
    /// A kind as it is, or its variant of that name.
    pub(super) fn new(kind: Arc<Kind>, variant: Option<usize>) -> Chosen {
        Chosen { kind, variant }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The variant.
    #[must_use]
    pub fn variant(&self) -> Option<&Variant> {
        self.variant.and_then(|at| self.kind.variants.get(at))
    }

    /// The published figures that are of it, and not of another of the kind's variants.
    pub fn published(&self) -> impl Iterator<Item = &Published> {
        let own = self.variant().map(|variant| variant.name.as_str());
        self.kind.published.iter().filter(move |figure| figure.variant.as_deref() == own)
    }

    /// Why it cannot do something; `None` if it can.
    #[must_use]
    pub fn cannot(&self, ability: Ability) -> Option<&str> {
        let variant = self.variant();
        let own = variant.and_then(|variant| variant.cannot.get(&ability));
        let is_able = variant.is_some_and(|variant| variant.can.contains(&ability));
        own.or_else(|| self.kind.cannot.get(&ability).filter(|_| !is_able)).map(String::as_str)
    }

    /// Whether it hosts apps of that interface. One that cannot be run hosts whatever it is asked to: that it cannot be
    /// run is the better answer.
    #[must_use]
    pub fn hosts(&self, interface: Interface) -> bool {
        self.kind.run.as_ref().map_or(true, |run| match interface {
            Interface::Wsgi => run.wsgi.is_some(),
            Interface::Native => run.native.is_some(),
        })
    }

    /// What it speaks: as a server with whoever is in front of it, as a proxy with its server.
    #[must_use]
    pub fn speaks(&self) -> Protocol {
        let own = self.variant().and_then(|variant| variant.speaks);
        own.or(self.kind.run.as_ref().ok().map(|run| run.speaks)).unwrap_or(Protocol::Http)
    }

    /// The configuration it has where the scenario names none.
    #[must_use]
    pub fn default_config(&self) -> Option<&Attached> {
        let own = self.variant().and_then(|variant| variant.default_config.as_ref());
        own.or(self.kind.run.as_ref().ok().and_then(|run| run.default_config.as_ref()))
    }

    /// The name with a dash, as stacks, files and folders are named.
    #[must_use]
    pub fn slug(&self) -> String {
        self.to_string().replace('/', "-")
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.name)?;
        self.variant().map_or(Ok(()), |variant| write!(f, "/{}", variant.name))
    }
}

/// A kind is long, and its name says all.
impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for Chosen {
    fn eq(&self, other: &Chosen) -> bool {
        self.variant == other.variant && self.kind.role == other.kind.role && self.kind.sha256 == other.kind.sha256
    }
}

impl Eq for Chosen {}
