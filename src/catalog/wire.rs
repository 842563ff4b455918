//! A kind file as it is written: one type per table, key for key. What the values may be is [`resolve`](super::resolve)'s
//! to say. The doc comments are what messages say of a key that is missing, and the descriptions of the JSON Schema.

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
        /// What it is, in one line.
        required title: String,
        /// Why nobody can run it any more; then it has neither `[install]` nor `[start]`.
        optional unavailable: String,
        /// How it comes to be on a machine. Default: it is lab itself.
        optional install: Install,
        /// How its version is found out. Default: that of the first distribution of `pip`.
        optional version: Version,
        /// How it is run.
        optional start: Start,
        /// What is different about that in a container of an image that the scenario names.
        optional container: Container,
        /// When it is ready.
        optional ready: Ready,
        /// What it cannot do, and why.
        optional cannot: Cannot,
        /// Other ways to run it, by name: `[variant.gthread]` of `gunicorn` is chosen as `gunicorn/gthread`.
        optional variant: ByName<Variant>,
        /// What was seen of it that a reader should know.
        optional notes: List<String>,
        /// Where that is written.
        optional sources: List<String>,
        /// Figures that others have published of it, for reports to show beside what is measured.
        optional published: List<Published>,
    }
}

wire_table! {
    /// A figure that somebody has published. It is shown with its source, and never ranked with what is measured.
    Published in "`[[published]]`" {
        /// The figure.
        required figure: Integer = { "minimum": 1 },
        /// Its unit: `requests/s`.
        required unit: String,
        /// What it is of: `peak, at 200 connections`.
        required what: String,
        /// The year in which it was published, or was measured.
        required year: Integer = { "minimum": 1990, "maximum": 2100 },
        /// Where: an address that starts with `https://`.
        required source: String,
        /// Under which conditions, and what is to be said against it.
        required conditions: String,
        /// Which of the kind's variants it is of. Default: the kind as it is.
        optional variant: String,
    }
}

wire_table! {
    /// How a kind comes to be on a machine: one of `pip`, `source`, `debian` and `image`.
    Install in "`[install]`" {
        /// Requirements for pip, each with its version (`==`); may be empty, for what Python brings.
        optional pip: List<String>,
        /// Folders of source, relative to the kind's own: pip installs the first, which depends on the others.
        optional source: List<String> = { "minItems": 1 },
        /// Debian packages without which it cannot be built or run.
        optional needs: List<String>,
        /// The Debian package.
        optional debian: String,
        /// The program that package brings.
        optional program: String,
        /// The image, for containers.
        optional image: String,
    }
}

wire_table! {
    /// How a kind's version is found out: a `distribution`, or what a `command` prints.
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
    /// How a kind is run. The command line is `command`, then `workers`, `threads` and `config` as far as they are set,
    /// the variant's and the scenario's `arguments`, then `wsgi` or `native`; where lab is root, `as_root` before it.
    Start in "`[start]`" {
        /// The program and the arguments it always has.
        required command: List<String> = { "minItems": 1 },
        /// Arguments that set the number of workers. Default: it has one.
        optional workers: List<String> = { "minItems": 1 },
        /// Arguments that set the number of threads of each worker. Default: it cannot be set.
        optional threads: List<String> = { "minItems": 1 },
        /// Arguments that name a configuration file. Default: it has none.
        optional config: List<String> = { "minItems": 1 },
        /// Arguments that name a WSGI application. Default: it hosts none.
        optional wsgi: List<String>,
        /// Arguments that name an app built into lab. Default: it hosts none.
        optional native: List<String>,
        /// What starts it as somebody else where lab is root, for a kind that does not serve as root: a program and its
        /// arguments, before `command`.
        optional as_root: List<String>,
        /// Variables set for it.
        optional environment: ByName<String>,
        /// A script beside the kind's file.
        optional launcher: String,
        /// Who opens the listening socket: `itself`, or lab, from whom it `inherits` it.
        optional binds: OneOf<Binds> = { "default": "itself" },
        /// What a server is spoken to in, and what a proxy speaks to its server: `http`, or `uwsgi`, uWSGI's own. A server
        /// that does not speak HTTP is asked for behind a proxy that speaks what it does.
        optional speaks: OneOf<Protocol> = { "default": "http" },
        /// The language of its configuration file: `nginx`, where addresses and paths are relocated; `marks`, where
        /// `@listen@`, `@host@`, `@port@`, `@upstream@`, `@workers@` and `@folder@` are replaced; `own`, which is handed
        /// over as it is.
        optional language: OneOf<Language> = { "default": "own" },
        /// A configuration file beside the kind's, for where the scenario names none.
        optional default_config: String,
    }
}

wire_table! {
    /// How a kind is run in a container. In an image that the scenario names, what `command` says of programs with
    /// `{program}`, `{python}` and `{bin}/` is looked up on the image's own path.
    Container in "`[container]`" {
        /// The program and the arguments it always has, where they are others: images have other versions than the one
        /// that `[install]` pins.
        optional command: List<String> = { "minItems": 1 },
        /// Folders that it writes into wherever its files are said to be: they are in memory, for nothing else of an
        /// image can be written.
        optional scratch: List<String> = { "minItems": 1 },
        /// Why it does not run in the image that lab makes, which has no shell and no programs but lab and those of the
        /// kind's environment: what follows "for". Default: it does.
        optional needs_image: String = { "minLength": 1 },
    }
}

wire_table! {
    /// When a kind is ready: when it answers a request with anything but 502, 503 or 504.
    Ready in "`[ready]`" {
        /// The path that is asked for.
        optional path: String = { "default": "/" },
        /// The longest it may take, 1 to 300 seconds.
        optional deadline_s: Integer = { "minimum": 1, "maximum": 300, "default": 30 },
    }
}

wire_table! {
    /// What a kind cannot do, and why.
    Cannot in "`cannot`" {
        /// Answer several requests of HTTP/1.1 on one connection.
        optional keep_alive: String,
        /// Run more than one worker.
        optional workers: String,
        /// Read a request's body that comes in chunks.
        optional chunked_input: String,
        /// Answer HEAD without the body that an application returns all the same.
        optional head: String,
    }
}

wire_table! {
    /// Another way to run a kind.
    Variant in "the variant" {
        /// What it is, in one line.
        required title: String,
        /// The program and the arguments it always has, in place of the kind's.
        optional command: List<String> = { "minItems": 1 },
        /// Arguments after the kind's own.
        optional arguments: List<String>,
        /// Workers, unless the scenario says how many.
        optional workers: Integer = { "minimum": 1, "maximum": 256 },
        /// Instead: workers for each core of the stack.
        optional workers_per_core: Integer = { "minimum": 1, "maximum": 16 },
        /// Workers on top of those.
        optional workers_plus: Integer = { "minimum": 0, "maximum": 256, "default": 0 },
        /// Threads of each worker, unless the scenario says how many.
        optional threads: Integer = { "minimum": 1, "maximum": 1024 },
        /// What it speaks, in place of what the kind does.
        optional speaks: OneOf<Protocol>,
        /// A configuration file beside the kind's, in place of the kind's own.
        optional default_config: String,
        /// What it can do though the kind cannot.
        optional can: List<OneOf<super::kind::Ability>>,
        /// What it cannot do, and why.
        optional cannot: Cannot,
        /// What was seen of it.
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
    const ALL: &'static [(&'static str, Self)] =
        &[("own", Language::Own), ("nginx", Language::Nginx), ("marks", Language::Marks)];
}

impl Word for super::kind::Ability {
    const WHAT: &'static str = "ability";
    const ALL: &'static [(&'static str, Self)] = &[
        ("keep_alive", super::kind::Ability::KeepAlive),
        ("workers", super::kind::Ability::Workers),
        ("chunked_input", super::kind::Ability::ChunkedInput),
        ("head", super::kind::Ability::Head),
    ];
}
