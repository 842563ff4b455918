//! The scenario file as written: one type per table, key for key.
//!
//! These types define the keys, which of them are required, and their types; [`resolve`](super::resolve) validates the
//! values. The doc comments here are the descriptions of the JSON Schema.

mod check;
mod gate;
mod json;
mod load;
mod placement;
mod quantity;
mod request;
mod rule;
mod stack_app;
mod volatile;

use super::model::{App, Backend, Relocate};
use crate::catalog::kind::Interface;
use crate::catalog::service::{SERVICE_KINDS, ServiceKind};
use crate::document::read::{ByName, Integer, List, OneOf, Word};
use crate::document::table::wire_table;

pub(super) use check::{
    AppSaw, Certificate, Check, CheckStep, Expect, FileBody, HeaderTable, JsonTable, PartTable, Request, TextTable,
    Upstream, WhileSlow,
};
pub(super) use gate::{Gate, Limits, Margins};
pub(super) use json::{JsonRule, JsonValue};
pub(super) use load::{ArrivalsKind, DriverKind, Load, Ramp, RateText, Step, StepExpect, Tls, ValueSource};
pub(super) use placement::{LoadPlace, NodePlace};
pub(super) use quantity::{DurationText, WarmupText};
pub(super) use request::{Body, HeaderLine, Headers, PartContent, PartValue, Texts};
pub(super) use rule::{CacheStatuses, ExpectedStatus, HeaderRule, TextRule};
pub(super) use stack_app::StackApp;
pub(super) use volatile::{Filter, VolatileItem};

wire_table! {
    /// A lab scenario: an app, the stacks that serve it, checks of their behaviour and loads that measure their speed.
    Scenario in "the scenario" {
        /// Version of this format: 1.
        required schema: Integer = { "const": 1 },
        /// Name of the scenario, of its reports and of its snapshot: lower-case letters, digits and `-`.
        required name: String = { "pattern": "^[a-z0-9-]+$" },
        /// A title of one line.
        optional title: String,
        /// A folder of kinds, relative to the scenario's root, searched before lab's own: `*.toml` in it and in its
        /// `servers` and `proxies`.
        optional kinds: String,
        /// The application that the stacks serve.
        required app: AppTable,
        /// How to run the components of the stacks: as subprocesses of lab, each in a container, or as services of a swarm.
        /// `--backend` on the command line overrides it.
        optional backend: OneOf<Backend> = { "default": "process" },
        /// Which upstream addresses of proxies lab rewrites to the server's: those where the server's configuration binds,
        /// any other being an error; or `any`.
        optional relocate: OneOf<Relocate> = { "default": "bound" },
        /// The deployments under test, compared with each other.
        optional stack: List<Stack> = { "minItems": 1 },
        /// More stacks: every server of a list behind every proxy of a list.
        optional matrix: List<Matrix> = { "minItems": 1 },
        /// Requests with expectations at the client and at the app.
        optional check: List<Check>,
        /// How to drive the stacks.
        optional load: List<Load>,
        /// How often to measure.
        optional rounds: Rounds,
        /// The cores of the stacks and of the load drivers, or their nodes in a swarm. Default: disjoint halves of the
        /// available cores, and any nodes.
        optional placement: Placement,
        /// The short form that `lab run --quick` runs, for a first impression in minutes.
        optional quick: Quick,
        /// Which changes since the reviewed snapshot fail `lab run --gate`.
        optional gate: Gate,
        /// How facts become the reviewed snapshot.
        optional snapshot: Snapshot,
        /// What is kept of earlier runs.
        optional reports: Reports,
    } = {
        "allOf": [
            { "anyOf": [{ "required": ["check"] }, { "required": ["load"] }] },
            { "anyOf": [{ "required": ["stack"] }, { "required": ["matrix"] }] },
        ]
    }
}

wire_table! {
    /// The application: a WSGI or ASGI application, an app built into lab, or one of each as equivalents of each other.
    AppTable in "`[app]`" {
        /// Name of an app built into lab.
        optional native: OneOf<NativeApp>,
        /// A WSGI application, as `module:callable` or, for a factory, as `module:create_app("literals", only=True)`.
        optional wsgi: String = {
            "pattern": "^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*(\\(.*\\))?$"
        },
        /// Instead of `wsgi`: an ASGI application, named in the same way.
        optional asgi: String = {
            "pattern": "^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*(\\(.*\\))?$"
        },
        /// The folder of its module, relative to the scenario's root. Default: the module is one of lab's own: `pong`,
        /// `echo`, `sleep` or `hello`.
        optional path: String,
        /// Environment variables of every server of the application; they override those of `env_file`.
        optional env: ByName<String>,
        /// The same under its earlier name.
        optional environment: ByName<String>,
        /// A file of environment variables, a `NAME=value` per line, relative to the scenario's root; or a list of such
        /// files, of which the later ones override.
        optional env_file: Texts,
        /// The packages of the application, with their versions: a `requirements.txt`, a `uv.lock`, a `poetry.lock`, a
        /// `Pipfile.lock`, a `Pipfile`, or a `pyproject.toml` with dependencies, relative to the scenario's root. What they pin is
        /// installed, also of the server.
        optional requirements: String,
        /// The application's own virtual environment, relative to the scenario's root, instead of `requirements`. Servers
        /// that it has run from it; for others, lab makes an environment that sees its packages.
        optional venv: String,
        /// The working folder of the servers, relative to the scenario's root. Default: a folder of the run.
        optional cwd: String,
        /// A shell command that prepares the application before each start of a server, such as migrations. It has the
        /// application's variables, and runs in `cwd`.
        optional setup: String,
        /// Services that it needs, such as a database, by name. Each is started before every start of a server, in the order
        /// of the file, with an empty folder for its state, and stopped after it.
        optional services: ByName<Service>,
    } = { "anyOf": [{ "required": ["native"] }, { "required": ["wsgi"] }, { "required": ["asgi"] }] }
}

wire_table! {
    /// A service: a kind that lab knows, a command, or an image. Commands are for a shell, and run in the folder of the
    /// state; `{host}`, `{port}`, `{folder}` and `{root}` in them are the address that the service is to bind, that folder,
    /// and the scenario's root.
    Service in "the service" {
        /// A service that lab knows, if it is installed.
        optional kind: OneOf<&'static ServiceKind>,
        /// Instead of `kind`: the command that runs it, in the foreground.
        optional command: String,
        /// Instead of `kind`: the image that it runs from in a container, as that image starts by itself.
        optional image: String,
        /// With `image`: the port on which it listens in its container.
        optional port: Integer = { "minimum": 1, "maximum": 65535 },
        /// With `image`: variables of the container.
        optional variables: ByName<String>,
        /// A command that prepares its state before it starts.
        optional prepare: String,
        /// When it is ready. Default: once it accepts connections at `{port}`.
        optional ready: Ready = { "minProperties": 1, "maxProperties": 1 },
        /// How long it may take to be ready.
        optional deadline: DurationText = { "default": "30s" },
        /// A command that runs once it is ready, such as one that makes a database.
        optional then: String,
        /// Variables of the application, such as `DATABASE_URL`, with the same placeholders. They override those of
        /// `env_file`, and `env` overrides them.
        optional env: ByName<String>,
    } = { "oneOf": [{ "required": ["kind"] }, { "required": ["command"] }, { "required": ["image", "port"] }] }
}

wire_table! {
    /// When a service is ready; exactly one key.
    Ready in "`ready`" {
        /// Once it accepts connections at this unix socket.
        optional unix: String,
        /// Once this command succeeds.
        optional command: String,
        /// Once it responds at `{port}` to a request for this path with a status below 500.
        optional http: String = { "pattern": "^/" },
    }
}

wire_table! {
    /// One deployment under test.
    Stack in "`[[stack]]`" {
        /// Name of the stack, unique in the scenario: lower-case letters, digits and `-`.
        required name: String = { "pattern": "^[a-z0-9-]+$" },
        /// The reverse proxy in front of the server. Default: none.
        optional proxy: Proxy,
        /// The app server.
        required server: Server,
        /// How to run its components. Default: the scenario's `backend`.
        optional backend: OneOf<Backend>,
        /// Which app of `[app]` to serve, if the server hosts both, or a table such as `[app]` for an app of its own. Default:
        /// `wsgi` or `asgi` if there is one.
        optional app: StackApp,
        /// Whether this is the reference stack of all ratios; at most one is. Default: the first stack.
        optional reference: bool = { "default": false },
        /// Whether to drive it with the loads; `false` if it is only checked and compared.
        optional measured: bool = { "default": true },
    }
}

wire_table! {
    /// Stacks by combination: every server behind every proxy with every number of workers. A combination that is not
    /// available on this machine, or not possible at all, is shown as such in reports and fails nothing.
    Matrix in "`[[matrix]]`" {
        /// A prefix of the stacks' names. The names are made of the components, as in `nginx-gunicorn-gthread`, followed
        /// by `-w2` if `workers` lists several numbers.
        optional name: String = { "pattern": "^[a-z0-9-]+$" },
        /// Server kinds; `kind/variant` for a variant, and `all` for every kind and variant that hosts the app and speaks
        /// HTTP, except variants named `recommended`.
        required server: List<String> = { "minItems": 1 },
        /// Proxy kinds, each with its own default configuration; `none` for no proxy. Default: none.
        optional proxy: List<String> = { "minItems": 1 },
        /// Numbers of workers, 1 to 256. Default: the variant's, otherwise 1.
        optional workers: List<Integer> = { "minItems": 1 },
        /// Threads of each worker. Default: the kind's own.
        optional threads: Integer = { "minimum": 1, "maximum": 1024 },
        /// Which app of `[app]` to serve. Default: `wsgi` or `asgi` if there is one.
        optional app: OneOf<Interface>,
        /// Whether to drive them with the loads; `false` if they are only checked and compared.
        optional measured: bool = { "default": true },
        /// Names of stacks to leave out.
        optional except: List<String>,
        /// Name of the reference stack of all ratios.
        optional reference: String,
    }
}

wire_table! {
    /// The short form of a scenario. Its results are shown and recorded, but not compared with a snapshot.
    Quick in "`[quick]`" {
        /// Blocks, 1 to 10000.
        optional rounds: Integer = { "minimum": 1, "maximum": 10000, "default": 1 },
        /// The warm-up before each measured window, in whole seconds.
        optional warmup: DurationText = { "default": "1s" },
        /// Names of the loads to run. Default: all.
        optional loads: List<String> = { "minItems": 1 },
        /// The maximum number of rates of a ramp, 2 or more: evenly chosen, including the first and the last.
        optional rates: Integer = { "minimum": 2, "maximum": 1000 },
        /// How long each rate of a ramp lasts; at least 100 ms.
        optional hold: DurationText,
        /// The measured window of loads without a ramp, in whole seconds, 1 or more.
        optional duration: DurationText,
    }
}

wire_table! {
    /// A reverse proxy.
    Proxy in "`proxy`" {
        /// The implementation, as listed by `lab servers`; `none` for no proxy.
        required kind: String,
        /// Its configuration file, relative to the scenario's root. Default: the kind's own.
        optional config: String,
        /// Folders of documents that the configuration names and that are elsewhere here, such as those of a container:
        /// `{ "/app/static" = "static" }`, relative to the scenario's root.
        optional folders: ByName<String> = { "minProperties": 1 },
        /// The image of its container, pulled if the engine does not have it. Default: lab builds one for its own kinds.
        optional image: String,
        /// Instead of `image`: a folder with a `Dockerfile`, relative to the scenario's root, from which the engine
        /// builds it.
        optional build: String,
    }
}

wire_table! {
    /// An app server.
    Server in "`server`" {
        /// The implementation, as listed by `lab servers`; `kind/variant` for a variant.
        required kind: String,
        /// Worker processes, 1 to 256. Default: as in the variant or the configuration file, otherwise 1.
        optional workers: Integer = { "minimum": 1, "maximum": 256 },
        /// Threads of each worker, 1 to 1024. Default: the variant's, otherwise the kind's own.
        optional threads: Integer = { "minimum": 1, "maximum": 1024 },
        /// A configuration file, relative to the scenario's root.
        optional config: String,
        /// Additional arguments for its command line.
        optional arguments: List<String>,
        /// The image of its container, pulled if the engine does not have it. Default: lab builds one for its own kinds and
        /// for those in an environment created by `lab provision`.
        optional image: String,
        /// Instead of `image`: a folder with a `Dockerfile`, relative to the scenario's root, from which the engine
        /// builds it.
        optional build: String,
    }
}

wire_table! {
    /// Randomised complete blocks: each block visits every stack under every load once, freshly started.
    Rounds in "`[rounds]`" {
        /// Blocks, 1 to 10000; an exact interval needs 6, and a gate of several metrics a few more.
        optional count: Integer = { "minimum": 1, "maximum": 10000, "default": 10 },
        /// Instead of `count`: the numbers of blocks after which an interim look tests the gate, ascending. The run ends as
        /// soon as a look decides everything. The looks share the error rate.
        optional looks: List<Integer> = { "minItems": 1, "maxItems": 10 },
        /// How long to drive a stack before each measured window: whole seconds (may be `0s`), or `auto`: until the stack
        /// has been steady for five seconds.
        optional warmup: WarmupText = { "default": "1s" },
        /// The maximum length of `warmup = "auto"`, in whole seconds, 5 or more.
        optional warmup_most: DurationText = { "default": "30s" },
        /// The seed of the order of visits.
        optional seed: Integer = { "minimum": 0, "default": 2011 },
    } = { "not": { "required": ["count", "looks"] } }
}

wire_table! {
    /// Where load drivers and stacks run: on disjoint lists of cores of this machine, `load` and `stack`, or on nodes of a
    /// swarm, `load`, `server` and `proxy`.
    Placement in "`[placement]`" {
        /// Cores of the load driver, 0 to 1023; or the nodes of the drivers.
        optional load: LoadPlace,
        /// Cores of every component of the stack, 0 to 1023.
        optional stack: List<Integer> = { "minItems": 1 },
        /// The node of the app server, by its name or its labels: `"worker-1"`, `{ role = "server" }`. `cores` beside labels,
        /// or beside `node`, are its cores there. Default: any node.
        optional server: NodePlace,
        /// The node of the proxy. Default: a node such as the server's.
        optional proxy: NodePlace,
        /// The number of drivers that share each load, every one on a node of its own.
        optional spread: Integer = { "minimum": 1, "maximum": 1000, "default": 1 },
        /// A registry to which lab pushes the images that it makes, and from which the nodes pull them: `10.0.0.1:5000`. Without
        /// one, everything runs on the manager, where the images are made.
        optional registry: String,
    }
}

wire_table! {
    /// How facts become the reviewed snapshot.
    Snapshot in "`[snapshot]`" {
        /// What varies from run to run by nature: names of fields such as `X-Request-Id`, and JSON pointers into bodies such
        /// as `/session/id`, which are compared for presence only; and filters such as `{ matches = 'took \d+ ms' }`, which
        /// replace matches of a regular expression in values of fields and in text bodies.
        optional volatile: List<VolatileItem>,
    }
}

wire_table! {
    /// What is kept of earlier runs.
    Reports in "`[reports]`" {
        /// The number of runs whose folders are kept, 1 to 100000, the newest included. Older ones are removed at the end of
        /// a run.
        optional keep: Integer = { "minimum": 1, "maximum": 100_000, "default": 10 },
        /// Whether nginx and lab proxy write the access logs of their configurations also under load. While they are checked,
        /// they always do.
        optional access_logs: bool = { "default": false },
    }
}

/// A native app's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct NativeApp(pub(super) &'static str);

impl Word for NativeApp {
    const WHAT: &'static str = "native app";
    const ALL: &'static [(&'static str, Self)] = &{
        let mut all = [("", NativeApp("")); App::NATIVE.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = (App::NATIVE[i], NativeApp(App::NATIVE[i]));
            i += 1;
        }
        all
    };
}

impl Word for Interface {
    const WHAT: &'static str = "interface";
    const ALL: &'static [(&'static str, Self)] =
        &[("wsgi", Interface::Wsgi), ("asgi", Interface::Asgi), ("native", Interface::Native)];
}

impl Word for &'static ServiceKind {
    const WHAT: &'static str = "service";
    const ALL: &'static [(&'static str, Self)] = &{
        let mut all = [("", SERVICE_KINDS[0]); SERVICE_KINDS.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = (SERVICE_KINDS[i].name, SERVICE_KINDS[i]);
            i += 1;
        }
        all
    };
}

impl Word for Relocate {
    const WHAT: &'static str = "choice of addresses";
    const ALL: &'static [(&'static str, Self)] = &[("bound", Relocate::Bound), ("any", Relocate::Any)];
}

impl Word for Backend {
    const WHAT: &'static str = "backend";
    const ALL: &'static [(&'static str, Self)] =
        &[("process", Backend::Process), ("container", Backend::Container), ("swarm", Backend::Swarm)];
}
