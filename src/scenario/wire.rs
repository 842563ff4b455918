//! The scenario file as it is written: one type per table, key for key.
//!
//! Says which keys there are, which must be there, and of what type they are; what the values may be is
//! [`resolve`](super::resolve)'s to say. The doc comments here are the descriptions of the JSON Schema.

mod load;
mod quantity;
mod rule;

use super::model::{Against, App, Backend, SlowPart};
use crate::catalog::kind::{Ability, Interface};
use crate::document::read::{ByName, Integer, List, OneOf, Word};
use crate::document::table::wire_table;

pub(super) use load::{
    ArrivalsKind, DriverKind, HttpVersion, Load, Ramp, RateText, Step, StepExpect, Tls, ValueSource,
};
pub(super) use quantity::{DurationText, PercentText, WarmupText};
pub(super) use rule::{HeaderLine, HeaderRule, TextRule};

wire_table! {
    /// A lab scenario: what is served, who serves it, is it right, and how fast is it.
    Scenario in "the scenario" {
        /// Version of this format: 1.
        required schema: Integer = { "const": 1 },
        /// Name of the scenario, of its reports and of its snapshot: lower-case letters, digits and `-`.
        required name: String = { "pattern": "^[a-z0-9-]+$" },
        /// One line for people.
        optional title: String,
        /// A folder of kinds, relative to the scenario's root, searched before lab's own: `*.toml` in it and in its
        /// `servers` and `proxies`.
        optional kinds: String,
        /// What is served.
        required app: AppTable,
        /// How the components of the stacks are run: as subprocesses of lab, or each in a container. `--backend` on the
        /// command line has the last word.
        optional backend: OneOf<Backend> = { "default": "process" },
        /// Who serves it: the deployments under test, compared with each other.
        optional stack: List<Stack> = { "minItems": 1 },
        /// More of them: every server of a list behind every proxy of a list.
        optional matrix: List<Matrix> = { "minItems": 1 },
        /// Is it right? Requests with what is expected at the client and at the app.
        optional check: List<Check>,
        /// How fast is it? How the stacks are driven.
        optional load: List<Load>,
        /// How often everything is measured.
        optional rounds: Rounds,
        /// Which cores the stacks and the load drivers run on. Default: disjoint halves of what is there.
        optional placement: Placement,
        /// What `lab run --quick` leaves of it: a first look, in minutes.
        optional quick: Quick,
        /// Which changes against the reviewed snapshot fail `lab run --gate`.
        optional gate: Gate,
    } = {
        "allOf": [
            { "anyOf": [{ "required": ["check"] }, { "required": ["load"] }] },
            { "anyOf": [{ "required": ["stack"] }, { "required": ["matrix"] }] },
        ]
    }
}

wire_table! {
    /// What is served: a WSGI application, an app built into lab, or one as the twin of the other.
    AppTable in "`[app]`" {
        /// Name of an app built into lab.
        optional native: OneOf<NativeApp>,
        /// A WSGI application, as `module:callable`.
        optional wsgi: String = { "pattern": "^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$" },
        /// The folder its module is in, relative to the scenario's root. Default: the module is one of lab's own, which
        /// are `pong`, `echo`, `sleep` and `hello`.
        optional path: String,
        /// Variables set for every server of the application.
        optional environment: ByName<String>,
        /// A requirements file of pip with what the application needs, versions pinned; relative to the scenario's root.
        optional requirements: String,
    } = { "anyOf": [{ "required": ["native"] }, { "required": ["wsgi"] }] }
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
        /// How its components are run. Default: as the scenario's `backend` says.
        optional backend: OneOf<Backend>,
        /// Which of the two `[app]` names, where the server hosts both. Default: `wsgi` if there is one.
        optional app: OneOf<Interface>,
        /// Whether ratios are against this stack; at most one is. Default: the first stack is the reference.
        optional reference: bool = { "default": false },
        /// Whether it is put under the loads; `false` for one that is only checked and compared.
        optional measured: bool = { "default": true },
    }
}

wire_table! {
    /// Stacks by combination: every server behind every proxy with every number of workers. What of them this machine
    /// does not have, or cannot do what is asked, is a row that says so, and fails nothing.
    Matrix in "`[[matrix]]`" {
        /// What the names of the stacks start with. They are named after their parts: `nginx-gunicorn-gthread`, with
        /// `-w2` behind where `workers` lists several numbers.
        optional name: String = { "pattern": "^[a-z0-9-]+$" },
        /// Server kinds; `kind/variant` for a variant, and `all` for every kind and variant that hosts the app and
        /// speaks HTTP, those named `recommended` apart.
        required server: List<String> = { "minItems": 1 },
        /// Proxy kinds, each with its own default configuration; `none` for no proxy. Default: none.
        optional proxy: List<String> = { "minItems": 1 },
        /// Numbers of workers, 1 to 256. Default: what the variant says, else 1.
        optional workers: List<Integer> = { "minItems": 1 },
        /// Threads of each worker. Default: what the kind has by itself.
        optional threads: Integer = { "minimum": 1, "maximum": 1024 },
        /// Which of the two `[app]` names. Default: `wsgi` if there is one.
        optional app: OneOf<Interface>,
        /// Whether they are put under the loads; `false` for ones that are only checked and compared.
        optional measured: bool = { "default": true },
        /// Names of stacks that are left out.
        optional except: List<String>,
        /// Name of the stack that ratios are against.
        optional reference: String,
    }
}

wire_table! {
    /// The short form of a scenario. What it measures is shown and recorded, and compared with no snapshot.
    Quick in "`[quick]`" {
        /// Blocks, 1 to 10000.
        optional rounds: Integer = { "minimum": 1, "maximum": 10000, "default": 1 },
        /// The warm-up before each measured window; whole seconds.
        optional warmup: DurationText = { "default": "1s" },
        /// Names of the loads that are driven. Default: all.
        optional loads: List<String> = { "minItems": 1 },
        /// The most rates that are left of a ramp, 2 or more: evenly chosen, the first and the last among them.
        optional rates: Integer = { "minimum": 2, "maximum": 1000 },
        /// How long each rate of a ramp lasts, from 100 ms on.
        optional hold: DurationText,
        /// The measured window of loads that are no ramps; whole seconds, 1 or more.
        optional duration: DurationText,
    }
}

wire_table! {
    /// A reverse proxy.
    Proxy in "`proxy`" {
        /// Which implementation, as `lab servers` lists them; `none` for no proxy.
        required kind: String,
        /// Its configuration file, relative to the scenario's root. Default: what comes with the kind.
        optional config: String,
        /// The image its container is made from, as the engine names it; pulled where the engine has it not. Default:
        /// lab makes one for its own kinds.
        optional image: String,
        /// Instead of `image`: a folder with a `Dockerfile`, relative to the scenario's root, from which the engine
        /// builds it.
        optional build: String,
    }
}

wire_table! {
    /// An app server.
    Server in "`server`" {
        /// Which implementation, as `lab servers` lists them; `kind/variant` for a variant.
        required kind: String,
        /// Worker processes, 1 to 256. Default: what the variant or the configuration file says, else 1.
        optional workers: Integer = { "minimum": 1, "maximum": 256 },
        /// Threads of each worker, 1 to 1024. Default: what the variant says, else what the kind has by itself.
        optional threads: Integer = { "minimum": 1, "maximum": 1024 },
        /// A configuration file, relative to the scenario's root.
        optional config: String,
        /// More arguments for its command line.
        optional arguments: List<String>,
        /// The image its container is made from, as the engine names it; pulled where the engine has it not. Default:
        /// lab makes one for its own kinds, and for those in an environment that `lab provision` has made.
        optional image: String,
        /// Instead of `image`: a folder with a `Dockerfile`, relative to the scenario's root, from which the engine
        /// builds it.
        optional build: String,
    }
}

wire_table! {
    /// A request with what is expected at the client and at the app.
    Check in "`[[check]]`" {
        /// What the check asserts, in words; unique in the scenario.
        required name: String,
        /// Names of the stacks this is asked of. Default: every stack.
        optional stacks: List<String> = { "minItems": 1 },
        /// What a stack must be able to do to be asked this; others are not.
        optional needs: List<OneOf<Ability>> = { "minItems": 1 },
        /// What is sent.
        required request: Request,
        /// What must come back, and what the app must have seen; at least one thing.
        required expect: Expect = { "minProperties": 1 },
    }
}

wire_table! {
    /// What a check sends: composed from `method`, `path`, `headers` and `body`, or `raw` bytes.
    Request in "`request`" {
        /// The method, as sent.
        optional method: String = { "default": "GET" },
        /// The request target, as sent: from `/` on, percent-encoding and all; or `*` with OPTIONS.
        optional path: String = { "pattern": "^(/[!-~]*|\\*)$" },
        /// Header lines in order, as pairs of name and value; names may repeat. Values may hold the placeholders
        /// `{client}`, `{host}` and `{port}`.
        optional headers: List<HeaderLine>,
        /// The body.
        optional body: String,
        /// How often it is sent on one connection, 1 to 100, each answered before the next; the last answer is judged.
        optional times: Integer = { "minimum": 1, "maximum": 100, "default": 1 },
        /// How long the whole exchange may take.
        optional within: DurationText = { "default": "10s" },
        /// Clients that keep the stack waiting meanwhile.
        optional while_slow: WhileSlow,
        /// The whole request, byte for byte, after placeholders are filled in.
        optional raw: String = { "minLength": 1 },
    } = { "oneOf": [{ "required": ["path"] }, { "required": ["raw"] }] }
}

wire_table! {
    /// Clients that each send a request, or read its answer, a byte at a time and do not come to the end while the check
    /// is asked: before it is, every one of them has begun.
    WhileSlow in "`while_slow`" {
        /// How many, 1 to 1000, each on a connection of its own.
        required clients: Integer = { "minimum": 1, "maximum": 1000 },
        /// What they are slow with: the `head`, the `body` of a POST to the check's path, or the `answer` to a GET,
        /// which has to be larger than what systems and proxies take up for their clients.
        optional part: OneOf<SlowPart> = { "default": "head" },
        /// The path they ask for. Default: the check's own.
        optional path: String = { "pattern": "^/[!-~]*$" },
    }
}

wire_table! {
    /// What a check expects; what is not named is not looked at.
    Expect in "`expect`" {
        /// That no answer comes within the time the request allows; nothing else can be expected beside it.
        optional unanswered: bool = { "const": true },
        /// The status code at the client, 100 to 599.
        optional status: Integer = { "minimum": 100, "maximum": 599 },
        /// The response's header lines at the client, by name.
        optional headers: ByName<HeaderRule>,
        /// The response's body at the client.
        optional body: TextRule,
        /// What arrived at the app server, before any middleware.
        optional upstream: Upstream = { "minProperties": 1 },
        /// What the app saw after its middleware; named as in Flask.
        optional app: AppSaw = { "minProperties": 1 },
    }
}

wire_table! {
    /// What must have arrived at the app server, before any middleware.
    Upstream in "`expect.upstream`" {
        /// The method.
        optional method: TextRule,
        /// The request target as it stood in the request line.
        optional target: TextRule,
        /// The request's header lines, by name.
        optional headers: ByName<HeaderRule>,
        /// Header names in the order their lines arrived, a name once per line; other names are not looked at.
        optional order: List<String> = { "minItems": 1 },
    }
}

wire_table! {
    /// What the app saw of the request, after its middleware (ProxyFix).
    AppSaw in "`expect.app`" {
        /// `request.remote_addr`: the client's address.
        optional remote_addr: TextRule,
        /// `request.scheme`: `http` or `https`.
        optional scheme: TextRule,
        /// `request.host`: with the port, unless it is the scheme's own.
        optional host: TextRule,
        /// `request.root_path`: WSGI's SCRIPT_NAME.
        optional root_path: TextRule,
        /// `request.path`: decoded, without the query.
        optional path: TextRule,
        /// `request.query_string`: as sent, without the `?`.
        optional query_string: TextRule,
        /// `request.url_root`: scheme, host and root path, with a slash at the end.
        optional url_root: TextRule,
    }
}

wire_table! {
    /// A rule for one text; exactly one key.
    TextTable in "the rule" {
        /// Holds this text. May hold placeholders.
        optional contains: String,
        /// Matches this regular expression somewhere (anchor it to match as a whole).
        optional matches: String,
        /// Holds nothing at all.
        optional empty: bool = { "const": true },
    } = { "minProperties": 1, "maxProperties": 1 }
}

wire_table! {
    /// A rule for the lines of one header name; exactly one key.
    HeaderTable in "the rule" {
        /// Exactly one line, which holds this text. May hold placeholders.
        optional contains: String,
        /// Exactly one line, which matches this regular expression somewhere.
        optional matches: String,
        /// Exactly one line, which holds nothing at all.
        optional empty: bool = { "const": true },
        /// No line of that name.
        optional absent: bool = { "const": true },
        /// At least one line.
        optional present: bool = { "const": true },
        /// Exactly this many lines, 1 to 1000.
        optional count: Integer = { "minimum": 1, "maximum": 1000 },
    } = { "minProperties": 1, "maxProperties": 1 }
}

wire_table! {
    /// Randomised complete blocks: each block visits every stack under every load once, freshly started.
    Rounds in "`[rounds]`" {
        /// Blocks, 1 to 10000; an exact interval needs 6, and a gate of several metrics some more.
        optional count: Integer = { "minimum": 1, "maximum": 10000, "default": 10 },
        /// Instead of `count`: after how many blocks the run is looked at, ascending. It ends as soon as a look leaves
        /// nothing undecided; each look may err by its share only.
        optional looks: List<Integer> = { "minItems": 1, "maxItems": 10 },
        /// Driven but not measured, before each measured window: whole seconds (may be `0s`), or `auto`: until five
        /// seconds in a row are alike.
        optional warmup: WarmupText = { "default": "1s" },
        /// The longest that `warmup = "auto"` may take; whole seconds, 5 or more.
        optional warmup_most: DurationText = { "default": "30s" },
        /// Seeds the order of visits.
        optional seed: Integer = { "minimum": 0, "default": 2011 },
    } = { "not": { "required": ["count", "looks"] } }
}

wire_table! {
    /// Which cores load drivers and stacks run on: disjoint lists.
    Placement in "`[placement]`" {
        /// Cores of the load driver, 0 to 1023.
        required load: List<Integer> = { "minItems": 1 },
        /// Cores of every component of the stack, 0 to 1023.
        required stack: List<Integer> = { "minItems": 1 },
    }
}

wire_table! {
    /// Which changes are worth failing for.
    Gate in "`[gate]`" {
        /// What the ratio to the reference stack is compared with: the committed `snapshot` (has it changed?) or the
        /// `reference` stack itself (is it worse?).
        optional against: OneOf<Against> = { "default": "snapshot" },
        /// How much worse each metric may get. Default: no metric is gated.
        optional margins: Margins,
    }
}

wire_table! {
    /// Margins by metric, as percentages above zero.
    Margins in "`margins`" {
        /// Requests answered well per second of the measured window; more is better.
        optional throughput: PercentText,
        /// CPU time of every component of the stack per request answered well; less is better.
        optional cpu_per_request: PercentText,
        /// Median service time; less is better.
        optional p50: PercentText,
        /// 99th percentile of the service time; less is better.
        optional p99: PercentText,
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
    const ALL: &'static [(&'static str, Self)] = &[("wsgi", Interface::Wsgi), ("native", Interface::Native)];
}

impl Word for Backend {
    const WHAT: &'static str = "backend";
    const ALL: &'static [(&'static str, Self)] = &[("process", Backend::Process), ("container", Backend::Container)];
}

impl Word for SlowPart {
    const WHAT: &'static str = "part of an exchange";
    const ALL: &'static [(&'static str, Self)] =
        &[("head", SlowPart::Head), ("body", SlowPart::Body), ("answer", SlowPart::Answer)];
}

impl Word for Against {
    const WHAT: &'static str = "comparison";
    const ALL: &'static [(&'static str, Self)] = &[("snapshot", Against::Snapshot), ("reference", Against::Reference)];
}
