//! A kind file as written: one type per table, key for key. [`resolve`](super::resolve) validates the values. The doc
//! comments appear in messages about missing keys, and are the descriptions of the JSON Schema.

use super::kind::{Binds, Language, Protocol, Role};
use crate::document::read::{ByName, Integer, List, OneOf, Word};
use crate::document::table::wire_table;

wire_table! {
    /// One implementation of a role.
    Kind in "the kind" {
        /// Version of this format: 1.
        required schema: Integer = { "const": 1 },
        /// The role: `server` or `proxy`.
        required role: OneOf<Role>,
        /// A description of one line.
        required title: String,
        /// Why it can no longer be run; excludes `[install]` and `[start]`.
        optional unavailable: String,
        /// How to install it. Default: it is lab itself.
        optional install: Install,
        /// How to determine its version. Default: the version of the first distribution of `pip`.
        optional version: Version,
        /// How to run it.
        optional start: Start,
        /// Differences from `[start]` in a container.
        optional container: Container,
        /// When it is ready.
        optional ready: Ready,
        /// Abilities it lacks, with the reasons.
        optional cannot: Cannot,
        /// Alternative ways to run it, by name: `[variant.gthread]` of `gunicorn` is `gunicorn/gthread` in scenarios.
        optional variant: ByName<Variant>,
        /// Observations that a reader should know.
        optional notes: List<String>,
        /// The sources of the notes.
        optional sources: List<String>,
        /// Published figures, which reports show beside the measured ones.
        optional published: List<Published>,
    }
}

wire_table! {
    /// A published figure. Reports show it with its source and never rank it with measured ones.
    Published in "`[[published]]`" {
        /// The figure.
        required figure: Integer = { "minimum": 1 },
        /// Its unit: `requests/s`.
        required unit: String,
        /// What the figure measures: `peak, at 200 connections`.
        required what: String,
        /// The year of the publication or measurement.
        required year: Integer = { "minimum": 1990, "maximum": 2100 },
        /// The address of the publication, starting with `https://`.
        required source: String,
        /// The conditions of the measurement, and its limitations.
        required conditions: String,
        /// The measured variant. Default: the kind without a variant.
        optional variant: String,
    }
}

wire_table! {
    /// How to install a kind: by `pip`, `source`, `debian` or `image`.
    Install in "`[install]`" {
        /// Requirements for pip, each pinned by `==`; may be empty for a kind that is part of Python.
        optional pip: List<String>,
        /// Source folders, relative to the kind's folder: pip installs the first, which depends on the others.
        optional source: List<String> = { "minItems": 1 },
        /// The distribution that the source makes. An installed lab brings wheels of it, and has no source.
        optional wheel: String,
        /// Debian packages that it needs to be built or to run.
        optional needs: List<String>,
        /// The Debian package.
        optional debian: String,
        /// The program in that package.
        optional program: String,
        /// The image, for containers.
        optional image: String,
    }
}

wire_table! {
    /// How to determine a kind's version: from a `distribution`, or from the output of a `command`.
    Version in "`[version]`" {
        /// A distribution in the kind's environment.
        optional distribution: String,
        /// A command that prints it.
        optional command: List<String> = { "minItems": 1 },
        /// A regular expression whose first group is the version.
        optional matches: String,
    }
}

wire_table! {
    /// How to run a kind. The command line is `command`, then `workers`, `threads` and `config` if they are set, the
    /// variant's and the scenario's `arguments`, then `wsgi`, `asgi` or `native`; preceded by `as_root` if lab is root.
    Start in "`[start]`" {
        /// The program and its fixed arguments.
        required command: List<String> = { "minItems": 1 },
        /// Arguments that set the number of workers. Default: always one worker.
        optional workers: List<String> = { "minItems": 1 },
        /// Arguments that set the number of threads of each worker. Default: no such setting.
        optional threads: List<String> = { "minItems": 1 },
        /// Arguments that name a configuration file. Default: no configuration file.
        optional config: List<String> = { "minItems": 1 },
        /// Arguments that name a WSGI application. Default: it hosts none.
        optional wsgi: List<String>,
        /// Arguments that name an ASGI application. Default: it hosts none.
        optional asgi: List<String>,
        /// Whether `{app}` may be the call of a factory, `module:create_app()`. Default: lab makes a module that calls it.
        optional calls_factories: bool = { "default": false },
        /// Arguments that name an app built into lab. Default: it hosts none.
        optional native: List<String>,
        /// A program and its arguments, before `command`, that changes the user if lab is root, for a kind that does not
        /// serve as root.
        optional as_root: List<String>,
        /// Environment variables.
        optional environment: ByName<String>,
        /// A script in the kind's folder.
        optional launcher: String,
        /// How it gets its listening socket: it opens it `itself`, or `inherits` it from lab.
        optional binds: OneOf<Binds> = { "default": "itself" },
        /// The protocol between proxy and server: `http`, or `uwsgi`, uWSGI's own. A server that does not speak HTTP needs a
        /// proxy that speaks its protocol.
        optional speaks: OneOf<Protocol> = { "default": "http" },
        /// The language of its configuration file: `nginx`, in which addresses and paths are relocated; `gunicorn`, in which
        /// logs, users and folders of another machine are replaced; `marks`, in which `@listen@`, `@host@`,
        /// `@port@`, `@upstream@`, `@workers@` and `@folder@` are replaced, and for a proxy with TLS `@tls_listen@`,
        /// `@tls_port@`, `@certificate@` and `@key@`; `own`, which is passed unchanged.
        optional language: OneOf<Language> = { "default": "own" },
        /// A configuration file in the kind's folder, for scenarios that name none.
        optional default_config: String,
    }
}

wire_table! {
    /// How to run a kind in a container. In the scenario's images, `{program}`, `{python}` and `{bin}/` refer to programs on
    /// the image's path.
    Container in "`[container]`" {
        /// The program and its fixed arguments, if they differ: images may have another version than `[install]` pins.
        optional command: List<String> = { "minItems": 1 },
        /// Folders that it writes to regardless of its settings. They are in memory, because images are read-only.
        optional scratch: List<String> = { "minItems": 1 },
        /// Why it cannot run in lab's own image, which has no shell and only the programs of lab and of the kind's
        /// environment; continues a sentence after "for". Default: it can.
        optional needs_image: String = { "minLength": 1 },
    }
}

wire_table! {
    /// When a kind is ready: as soon as it responds to a request with a status other than 502, 503 and 504.
    Ready in "`[ready]`" {
        /// The path of the request.
        optional path: String = { "default": "/" },
        /// The deadline, 1 to 300 seconds.
        optional deadline_s: Integer = { "minimum": 1, "maximum": 300, "default": 30 },
    }
}

wire_table! {
    /// Abilities that a kind lacks, with the reasons.
    Cannot in "`cannot`" {
        /// Serve several HTTP/1.1 requests on one connection.
        optional keep_alive: String,
        /// Run more than one worker.
        optional workers: String,
        /// Accept chunked request bodies.
        optional chunked_input: String,
        /// Drop the body that an application returns to HEAD.
        optional head: String,
        /// Serve more kept connections than it has workers and threads.
        optional more_connections: String,
    }
}

wire_table! {
    /// An alternative way to run a kind.
    Variant in "the variant" {
        /// A description of one line.
        required title: String,
        /// The program and its fixed arguments; replaces the kind's.
        optional command: List<String> = { "minItems": 1 },
        /// Arguments after the kind's own.
        optional arguments: List<String>,
        /// The default number of workers.
        optional workers: Integer = { "minimum": 1, "maximum": 256 },
        /// Instead of `workers`: workers for each core of the stack.
        optional workers_per_core: Integer = { "minimum": 1, "maximum": 16 },
        /// Workers in addition to `workers_per_core`.
        optional workers_plus: Integer = { "minimum": 0, "maximum": 256, "default": 0 },
        /// The default number of threads of each worker.
        optional threads: Integer = { "minimum": 1, "maximum": 1024 },
        /// Arguments that name an ASGI application, for a variant that hosts nothing else.
        optional asgi: List<String>,
        /// Replaces the kind's protocol.
        optional speaks: OneOf<Protocol>,
        /// A configuration file in the kind's folder; replaces the kind's own.
        optional default_config: String,
        /// Abilities that it has and the kind lacks.
        optional can: List<OneOf<super::kind::Ability>>,
        /// Abilities it lacks, with the reasons.
        optional cannot: Cannot,
        /// Observations that a reader should know.
        optional notes: List<String>,
    }
}

impl Word for Role {
    const WHAT: &'static str = "role";
    const ALL: &'static [(&'static str, Self)] = &[("server", Role::Server), ("proxy", Role::Proxy)];
}

impl Word for Binds {
    const WHAT: &'static str = "way to bind";
    const ALL: &'static [(&'static str, Self)] = &[("itself", Binds::Itself), ("inherits", Binds::Inherits)];
}

impl Word for Protocol {
    const WHAT: &'static str = "protocol";
    const ALL: &'static [(&'static str, Self)] =
        &[(Protocol::Http.name(), Protocol::Http), (Protocol::Uwsgi.name(), Protocol::Uwsgi)];
}

impl Word for Language {
    const WHAT: &'static str = "configuration language";
    const ALL: &'static [(&'static str, Self)] = &[
        ("own", Language::Own),
        ("nginx", Language::Nginx),
        ("gunicorn", Language::Gunicorn),
        ("marks", Language::Marks),
    ];
}

impl Word for super::kind::Ability {
    const WHAT: &'static str = "ability";
    const ALL: &'static [(&'static str, Self)] = &[
        ("keep_alive", super::kind::Ability::KeepAlive),
        ("workers", super::kind::Ability::Workers),
        ("chunked_input", super::kind::Ability::ChunkedInput),
        ("head", super::kind::Ability::Head),
        ("more_connections", super::kind::Ability::MoreConnections),
    ];
}
