//! The validated scenario: what the rest of lab works with.
//!
//! Everything here has passed [`load`](super::load()): names are unique, references lead somewhere,
//! files exist, values are possible. No serde, no I/O: a value of these types can be built in a test as it is.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;

use crate::catalog::Chosen;
use crate::catalog::kind::{Ability, Interface, Workers};

mod load;

pub use load::{
    Arrival, Arrivals, Driver, External, Http, Load, OnErrors, OpenLoop, Rate, Source, Step, StepExpectation, StepText,
    TextPiece, TimerKind, Tls, Trust,
};

/// One scenario file, resolved.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The scenario's name; also the folder of its reports and the name of its snapshot.
    pub name: String,
    /// One line for people.
    pub title: Option<String>,
    /// The file this was read from.
    pub file: PathBuf,
    /// What relative paths in the file are relative to, and where `reports/` is.
    pub root: PathBuf,
    /// SHA-256 of the file's bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// What is served.
    pub app: App,
    /// Who serves it, in the file's order; never empty, and at most one is the reference.
    pub stacks: Vec<Stack>,
    /// Is it right?
    pub checks: Vec<Check>,
    /// How fast is it?
    pub loads: Vec<Load>,
    /// How often, and in which order.
    pub rounds: Rounds,
    /// Who runs where.
    pub placement: Placement,
    /// What is a change worth failing for.
    pub gate: Gate,
    /// Its short form, if it has one.
    pub quick: Option<Quick>,
    /// Whether this is the short form already.
    pub is_short: bool,
}

impl Scenario {
    /// The stack that ratios are against: the one marked `reference`, else the first that is measured and not known to be
    /// impossible.
    #[must_use]
    pub fn reference(&self) -> &Stack {
        let marked = self.stacks.iter().find(|stack| stack.reference);
        marked
            .or_else(|| self.stacks.iter().find(|stack| stack.measured && stack.is_possible()))
            .unwrap_or(&self.stacks[0])
    }

    /// Leaves the short form of it; false if it has none.
    pub fn quicken(&mut self) -> bool {
        let Some(quick) = &self.quick else { return false };
        if let Some(names) = &quick.loads {
            self.loads.retain(|load| names.contains(&load.name));
        }
        for load in &mut self.loads {
            quick.shorten(load);
        }
        self.rounds.looks = vec![quick.blocks];
        self.rounds.warmup = Warmup::Fixed(quick.warmup);
        self.is_short = true;
        true
    }

    /// The names of the loads whose errors are counted and nothing more.
    #[must_use]
    pub fn counted_loads(&self) -> Vec<&str> {
        let counted = self.loads.iter().filter(|load| load.errors == OnErrors::Count);
        counted.map(|load| load.name.as_str()).collect()
    }

    /// The checks that apply to `stack`, in the file's order.
    pub fn checks_for<'a>(&'a self, stack: &'a Stack) -> impl Iterator<Item = &'a Check> {
        self.checks.iter().filter(|check| check.applies_to(stack))
    }
}

/// What is served: at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The name of a native app built into lab (`hello`).
    pub native: Option<String>,
    /// A WSGI application.
    pub wsgi: Option<WsgiApp>,
}

impl App {
    /// The names of the native apps.
    pub const NATIVE: [&str; 1] = ["hello"];

    /// The native app of that name, alone.
    #[must_use]
    pub fn native(name: &str) -> App {
        App { native: Some(name.to_owned()), wsgi: None }
    }

    /// Which of the two is served where nobody says.
    #[must_use]
    pub fn interface(&self) -> Interface {
        if self.wsgi.is_some() { Interface::Wsgi } else { Interface::Native }
    }

    /// Whether there is one of that interface.
    #[must_use]
    pub fn has(&self, interface: Interface) -> bool {
        match interface {
            Interface::Wsgi => self.wsgi.is_some(),
            Interface::Native => self.native.is_some(),
        }
    }
}

/// A WSGI application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsgiApp {
    /// The module, dots and all.
    pub module: String,
    /// The callable in it.
    pub callable: String,
    /// The folder the module is in, absolute; `None`: it is one of lab's own.
    pub path: Option<PathBuf>,
    /// Variables set for its server.
    pub environment: Vec<(String, String)>,
    /// A requirements file with what it needs, absolute.
    pub requirements: Option<PathBuf>,
}

/// One deployment under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Unique within the scenario.
    pub name: String,
    /// The reverse proxy in front, if any.
    pub proxy: Option<Proxy>,
    /// The app server.
    pub server: Server,
    /// How its components are run.
    pub backend: Backend,
    /// Which of the scenario's apps it serves.
    pub app: Interface,
    /// Whether ratios are against this stack.
    pub reference: bool,
    /// Whether it is put under the loads, and not only checked and compared.
    pub measured: bool,
    /// Whether it may be missing: it was not asked for by itself, but is a cell of a matrix.
    pub is_optional: bool,
    /// Why it can never run as it is asked for, whatever the machine.
    pub impossible: Option<String>,
}

impl Stack {
    /// Whether some machine could run it.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let proxy = self.proxy.as_ref().is_none_or(|proxy| proxy.kind.kind().run.is_ok());
        self.impossible.is_none() && self.server.kind.kind().run.is_ok() && proxy
    }
}

/// How a stack's components are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Backend {
    /// As subprocesses of lab.
    #[default]
    Process,
    /// As containers.
    Container,
}

impl Backend {
    /// Everything there is.
    pub const ALL: [Backend; 2] = [Backend::Process, Backend::Container];

    /// The name in scenario files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Backend::Process => "process",
            Backend::Container => "container",
        }
    }
}

/// A reverse proxy: its kind and its configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Which implementation.
    pub kind: Chosen,
    /// An existing file, absolute; `None`: what comes with the kind.
    pub config: Option<PathBuf>,
}

/// An app server: its kind and settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Which implementation.
    pub kind: Chosen,
    /// Worker processes; `None`: as the configuration file says.
    pub workers: Option<Workers>,
    /// Threads of each; `None`: what the kind has by itself.
    pub threads: Option<NonZeroU16>,
    /// An existing configuration file, absolute.
    pub config: Option<PathBuf>,
    /// More arguments.
    pub arguments: Vec<String>,
}

impl Server {
    /// A kind as it is by itself, with the workers and threads its variant says.
    #[must_use]
    pub fn new(kind: Chosen) -> Server {
        let variant = kind.variant();
        let workers = variant.and_then(|variant| variant.workers).unwrap_or(Workers::Count(NonZeroU16::MIN));
        let threads = variant.and_then(|variant| variant.threads);
        Server { kind, workers: Some(workers), threads, config: None, arguments: Vec::new() }
    }
}

/// A request with what is expected at the client and at the app.
#[derive(Debug, Clone)]
pub struct Check {
    /// Unique within the scenario.
    pub name: String,
    /// The stacks this is asked of; `None` is every stack.
    pub stacks: Option<Vec<String>>,
    /// What a stack must be able to do to be asked this.
    pub needs: Vec<Ability>,
    /// What is sent.
    pub request: CheckRequest,
    /// What must come back, and what the app must have seen.
    pub expect: Expectation,
}

impl Check {
    /// Whether this check is asked of `stack`.
    #[must_use]
    pub fn applies_to(&self, stack: &Stack) -> bool {
        let is_named = self.stacks.as_ref().is_none_or(|names| names.contains(&stack.name));
        is_named && self.needs.iter().all(|ability| stack.server.kind.cannot(*ability).is_none())
    }
}

/// What a check sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckRequest {
    /// Composed from its parts; `Host` is added unless given, `Content-Length` when there is a body and no
    /// framing header is given, `Connection: close` unless Connection is given or it is sent several times.
    Composed {
        /// The method, as sent.
        method: String,
        /// The request target, as sent: percent-encoding and all.
        target: String,
        /// Header lines in order, duplicates kept. Values may hold placeholders.
        headers: Vec<(String, Template)>,
        /// The body's bytes.
        body: Vec<u8>,
        /// How often it is sent on one connection.
        times: NonZeroU16,
        /// How long the whole exchange may take.
        within: Duration,
        /// The clients that keep the stack waiting meanwhile.
        slow: Option<SlowClients>,
    },
    /// Sent as it is, byte for byte, after placeholders are filled in.
    Raw(Template),
}

impl CheckRequest {
    /// How long an exchange may take where nobody says.
    pub const WITHIN: Duration = Duration::from_secs(10);
}

/// Clients that are sending a request for as long as a check is asked, and never come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowClients {
    /// How many, each on a connection of its own.
    pub clients: NonZeroU16,
    /// What they are slow with.
    pub part: SlowPart,
}

/// The part of a request that a slow client sends a byte at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SlowPart {
    /// The head: a header line that does not end.
    #[default]
    Head,
    /// The body, behind a head that says its length.
    Body,
}

impl SlowPart {
    /// Both.
    pub const ALL: [SlowPart; 2] = [SlowPart::Head, SlowPart::Body];

    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SlowPart::Head => "head",
            SlowPart::Body => "body",
        }
    }
}

/// Text with placeholders `{client}`, `{host}`, `{port}`; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The pieces in order.
    pub parts: Vec<TemplatePart>,
}

/// One piece of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text as it is.
    Text(String),
    /// Filled in when the check runs.
    Placeholder(Placeholder),
}

/// What a [`Template`] can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The address the check's connection comes from, without port.
    Client,
    /// The address the check connects to, without port.
    Host,
    /// The port the check connects to.
    Port,
}

/// What a [`Template`] is filled in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholders {
    /// For `{client}`.
    pub client: String,
    /// For `{host}`.
    pub host: String,
    /// For `{port}`.
    pub port: u16,
}

impl Template {
    /// The text with every placeholder filled in.
    #[must_use]
    pub fn fill(&self, values: &Placeholders) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Text(piece) => text.push_str(piece),
                TemplatePart::Placeholder(Placeholder::Client) => text.push_str(&values.client),
                TemplatePart::Placeholder(Placeholder::Host) => text.push_str(&values.host),
                TemplatePart::Placeholder(Placeholder::Port) => text.push_str(&values.port.to_string()),
            }
        }
        text
    }

    /// The text as it stands in the scenario file, placeholders in braces.
    #[must_use]
    pub fn source(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                TemplatePart::Text(piece) => text.push_str(&piece.replace('{', "{{").replace('}', "}}")),
                TemplatePart::Placeholder(placeholder) => {
                    text.push('{');
                    text.push_str(placeholder.name());
                    text.push('}');
                }
            }
        }
        text
    }
}

impl Placeholder {
    /// Every placeholder.
    pub const ALL: [Placeholder; 3] = [Placeholder::Client, Placeholder::Host, Placeholder::Port];

    /// The name in scenario files, without braces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Placeholder::Client => "client",
            Placeholder::Host => "host",
            Placeholder::Port => "port",
        }
    }
}

/// What a check expects. `None` and empty mean: not looked at.
#[derive(Debug, Clone, Default)]
pub struct Expectation {
    /// That no answer comes within the time the request allows; then nothing else is expected.
    pub unanswered: bool,
    /// The status code at the client.
    pub status: Option<u16>,
    /// The response's header lines at the client, by name (compared without case), in the file's order.
    pub headers: Vec<(String, HeaderRule)>,
    /// The response body at the client.
    pub body: Option<TextRule>,
    /// What arrived at the app's server, before any middleware.
    pub upstream: UpstreamExpectation,
    /// What the app itself saw, after its middleware (ProxyFix).
    pub app: BTreeMap<AppField, TextRule>,
}

/// What must have arrived at the app server, before any middleware.
#[derive(Debug, Clone, Default)]
pub struct UpstreamExpectation {
    /// The method.
    pub method: Option<TextRule>,
    /// The request target as it stood in the request line.
    pub target: Option<TextRule>,
    /// Header lines by name.
    pub headers: Vec<(String, HeaderRule)>,
    /// These names' lines, and only theirs, in the order they arrived; a name stands once per line.
    pub order: Option<Vec<String>>,
}

impl UpstreamExpectation {
    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.method.is_none() && self.target.is_none() && self.headers.is_empty() && self.order.is_none()
    }
}

/// What is expected of one header name's lines.
#[derive(Debug, Clone)]
pub enum HeaderRule {
    /// No line of that name.
    Absent,
    /// At least one line.
    Present,
    /// Exactly this many lines.
    Count(u32),
    /// Exactly these lines, in this order, no more and no fewer.
    Lines(Vec<TextRule>),
}

/// What is expected of one text.
#[derive(Debug, Clone)]
pub enum TextRule {
    /// Equal, byte for byte, after placeholders are filled in.
    Equal(Template),
    /// Holds this text.
    Contains(Template),
    /// Matches somewhere (anchor it to match as a whole).
    Matches(Regex),
    /// Holds nothing at all.
    Empty,
}

/// What the app can be asked about its request; named as in Flask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppField {
    /// `request.remote_addr`
    RemoteAddr,
    /// `request.scheme`
    Scheme,
    /// `request.host`: with the port, unless it is the scheme's own
    Host,
    /// `request.root_path`: SCRIPT_NAME
    RootPath,
    /// `request.path`
    Path,
    /// `request.query_string`
    QueryString,
    /// `request.url_root`
    UrlRoot,
}

impl AppField {
    /// Every field, in the order reports show them.
    pub const ALL: [AppField; 7] = [
        AppField::RemoteAddr,
        AppField::Scheme,
        AppField::Host,
        AppField::RootPath,
        AppField::Path,
        AppField::QueryString,
        AppField::UrlRoot,
    ];

    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AppField::RemoteAddr => "remote_addr",
            AppField::Scheme => "scheme",
            AppField::Host => "host",
            AppField::RootPath => "root_path",
            AppField::Path => "path",
            AppField::QueryString => "query_string",
            AppField::UrlRoot => "url_root",
        }
    }
}

/// The short form of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quick {
    /// Blocks.
    pub blocks: NonZeroU32,
    /// The warm-up before each window.
    pub warmup: Duration,
    /// The loads that are driven; `None` is all.
    pub loads: Option<Vec<String>>,
    /// The most rates that are left of a ramp; 2 or more.
    pub rates: Option<usize>,
    /// How long each rate of a ramp lasts.
    pub hold: Option<Duration>,
    /// The window of loads that are no ramps.
    pub duration: Option<Duration>,
}

impl Quick {
    /// A load as it is left.
    fn shorten(&self, load: &mut Load) {
        if let Driver::Open(OpenLoop { rate: Rate::Ramp { rates, hold }, .. }) = &mut load.driver {
            if let Some(most) = self.rates.filter(|most| *most < rates.len()) {
                *rates = (0..most).map(|index| rates[index * (rates.len() - 1) / (most - 1)]).collect();
            }
            *hold = self.hold.unwrap_or(*hold);
            load.duration = *hold * u32::try_from(rates.len()).unwrap_or(u32::MAX);
        } else {
            load.duration = self.duration.unwrap_or(load.duration);
        }
    }
}

/// Randomised complete blocks: each block visits every stack under every load once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rounds {
    /// After how many blocks the run is looked at, ascending and never empty. It ends with the first look that leaves
    /// nothing undecided, and with the last in any case; `count = N` in the file is one look after N.
    pub looks: Vec<NonZeroU32>,
    /// Driven but not measured, before each measured window.
    pub warmup: Warmup,
    /// Seeds the order of visits.
    pub seed: u64,
}

/// How long a stack is driven before it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmup {
    /// Exactly so long.
    Fixed(Duration),
    /// Until its seconds are alike, by the evidence of the load's own driver.
    Auto {
        /// The longest it may take; what is not steady by then is measured all the same, and said to be unsteady.
        most: Duration,
    },
}

impl Warmup {
    /// The longest it may take.
    #[must_use]
    pub fn most(self) -> Duration {
        match self {
            Warmup::Fixed(duration) | Warmup::Auto { most: duration } => duration,
        }
    }
}

impl Rounds {
    /// The most blocks there may be, those that replace invalid ones apart.
    #[must_use]
    pub fn most(&self) -> NonZeroU32 {
        self.looks.last().copied().unwrap_or(NonZeroU32::MIN)
    }
}

/// Which cores stacks and drivers run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// Disjoint halves of the cores lab may use; unpinned where there is only one.
    Auto,
    /// As the file says: disjoint and not empty.
    Pinned {
        /// Cores of the load driver.
        load: Vec<u16>,
        /// Cores of every component of the stack.
        stack: Vec<u16>,
    },
}

/// What a change is, and how much worse it must be to be worth failing for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gate {
    /// What a ratio to the reference stack is compared with.
    pub against: Against,
    /// Margin by metric, as a fraction (`"5%"` is 0.05); a metric without one is not gated.
    pub margins: BTreeMap<Metric, f64>,
}

/// What a ratio to the reference stack is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Against {
    /// With the same ratio in the committed snapshot: has the stack changed since?
    #[default]
    Snapshot,
    /// With the reference stack itself, a ratio of one: is the stack worse than the other?
    Reference,
}

impl Against {
    /// Everything there is.
    pub const ALL: [Against; 2] = [Against::Snapshot, Against::Reference];

    /// The name in scenario files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Against::Snapshot => "snapshot",
            Against::Reference => "reference",
        }
    }
}

/// A statistical fact that can be compared and gated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Requests answered well per second of the measured window; more is better.
    Throughput,
    /// CPU time of every component per such request; less is better.
    CpuPerRequest,
    /// Median service time; less is better.
    P50,
    /// 99th percentile of the service time; less is better.
    P99,
}

impl Metric {
    /// Every metric, in the order reports show them.
    pub const ALL: [Metric; 4] = [Metric::Throughput, Metric::CpuPerRequest, Metric::P50, Metric::P99];

    /// The name in scenario files and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Metric::Throughput => "throughput",
            Metric::CpuPerRequest => "cpu_per_request",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
        }
    }

    /// Whether a larger value is better.
    #[must_use]
    pub fn more_is_better(self) -> bool {
        matches!(self, Metric::Throughput)
    }
}
