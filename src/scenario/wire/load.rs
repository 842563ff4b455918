//! `[[load]]`: one table for all drivers. [`resolve`](crate::scenario::resolve) checks which keys go with which driver.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::{DurationText, HeaderRule, Headers, TextRule};
use crate::document::diagnostic::Problems;
use crate::document::read::{ByName, FromToml, Integer, List, OneOf, Word, wrong_type};
use crate::document::table::wire_table;
use crate::scenario::model::{HttpVersion, OnErrors, TimerKind};

wire_table! {
    /// How to drive the stacks.
    Load in "`[[load]]`" {
        /// Name of the load, unique in the scenario: lower-case letters, digits and `-`.
        required name: String = { "pattern": "^[a-z0-9-]+$" },
        /// The load driver. Closed loops, in which each user or connection sends a request only after the response to the
        /// last one: `goose`, `closed` (lab's own), `wrk`, `h2load`. Open loops, in which requests arrive at a rate that does
        /// not depend on the stack: `open` (lab's own), `httperf`.
        required driver: OneOf<DriverKind>,
        /// The request target, starting with `/`; not with steps.
        optional path: String = { "pattern": "^/[!-~]*$", "default": "/" },
        /// Uses TLS and the stack's TLS listener.
        optional tls: Tls = { "minProperties": 1 },
        /// The version of HTTP. open, closed, httperf: `1.0`, with a connection for each request. open, closed, h2load: `2`,
        /// negotiated by ALPN over TLS, otherwise with prior knowledge.
        optional http: OneOf<HttpVersion> = { "default": "1.1" },
        /// With `http = "2"`: concurrent requests on each connection, 1 to 1000; not with sessions, whose calls are
        /// sequential.
        optional streams: Integer = { "minimum": 1, "maximum": 1000, "default": 1 },
        /// goose: concurrent users, 1 to 65535.
        optional users: Integer = { "minimum": 1, "maximum": 65535 },
        /// closed, wrk, h2load: connections, 1 to 65535, each with one request at a time. open: the size of the pool of
        /// persistent connections that requests use.
        optional connections: Integer = { "minimum": 1, "maximum": 65535 },
        /// open, httperf: arrivals per second, 1 to 1000000, or a ramp of rates. With httperf each rate is a separate run,
        /// which ends with its last response.
        optional rate: RateText,
        /// open, httperf: an arrival is a session that connects, makes this number of calls, 1 to 1000000, and closes.
        optional calls_per_connection: Integer = { "minimum": 1, "maximum": 1_000_000, "default": 1 },
        /// open, httperf: how arrivals are distributed in time. httperf generates its Poisson arrivals itself, without a
        /// seed.
        optional arrivals: OneOf<ArrivalsKind> = { "default": "uniform" },
        /// open: the seed of Poisson arrivals. Each block derives its own from it, the same for all stacks.
        optional seed: Integer = { "minimum": 0, "default": 2011 },
        /// open: the maximum number of arrivals under way or waiting, 1 to 60000; further ones are shed and counted.
        optional max_open: Integer = { "minimum": 1, "maximum": 60000, "default": 4096 },
        /// open: how to wait for an instant; `spin` is more precise and keeps a core busy.
        optional timer: OneOf<TimerKind> = { "default": "timerfd" },
        /// The measured window, after the warm-up; whole seconds, 1 or more, except for `open`, `closed` and `httperf`. Not
        /// with a ramp, whose length is that of its steps.
        optional duration: DurationText,
        /// How long one request may take before it is recorded as a client timeout.
        optional timeout: DurationText = { "default": "10s" },
        /// How failed requests are treated: `fail` fails the run; `count` only counts them, for a load that exceeds a
        /// stack's capacity on purpose.
        optional errors: OneOf<OnErrors> = { "default": "fail" },
        /// Cross-validates the load of this name: sends the same requests with another driver. It is shown beside that load,
        /// and neither ranked nor gated. If its program is not installed, it is skipped and reported as such.
        optional validates: String = { "pattern": "^[a-z0-9-]+$" },
        /// Names of the stacks to drive. Default: every measured stack.
        optional stacks: List<String> = { "minItems": 1 },
        /// The maximum number of blocks that include this load, 1 to 10000. Default: all.
        optional rounds: Integer = { "minimum": 1, "maximum": 10000 },
        /// goose: the requests of each user, in order and repeatedly.
        optional step: List<Step> = { "minItems": 1 },
    }
}

wire_table! {
    /// TLS settings: either `ca` or `insecure` is required.
    Tls in "`tls`" {
        /// A PEM file with the trusted certificates, relative to the scenario's root; may be the server's self-signed
        /// certificate. Not for httperf, wrk and h2load, which verify nothing.
        optional ca: String,
        /// Skips the verification of the certificate.
        optional insecure: bool = { "default": false },
        /// The server's name, for SNI, the verification of the certificate and the host of requests. Default: the stack's
        /// address. Not for httperf, wrk and h2load.
        optional server_name: String = { "pattern": "^[A-Za-z0-9.-]+$" },
    }
}

wire_table! {
    /// A ramp of arrival rates, ascending or descending.
    Ramp in "`rate`" {
        /// The first rate, arrivals per second.
        required from: Integer = { "minimum": 1, "maximum": 1_000_000 },
        /// The last rate.
        required to: Integer = { "minimum": 1, "maximum": 1_000_000 },
        /// The difference between consecutive rates, which must lead exactly to the last. Either this or `factor`.
        optional step: Integer = { "minimum": 1, "maximum": 1_000_000 },
        /// The factor between consecutive rates, which must lead exactly to the last. A descending ramp divides by it.
        optional factor: Integer = { "minimum": 2, "maximum": 1_000_000 },
        /// How long each rate lasts; at least 100 ms.
        required hold: DurationText,
    }
}

wire_table! {
    /// One request of a journey. Texts may contain `{NAME}` for a value extracted by an earlier step.
    Step in "`[[load.step]]`" {
        /// Name of the step, unique in the load.
        required name: String,
        /// The method: GET, HEAD, POST, PUT, PATCH or DELETE.
        optional method: String = { "default": "GET" },
        /// The request target, starting with `/`, or an extracted value.
        required path: String = { "pattern": "^[/{][!-~]*$" },
        /// Additional header lines: a table, or a list of pairs of name and value.
        optional headers: Headers,
        /// The body.
        optional body: String,
        /// How often to send it in a row, 1 to 1000.
        optional weight: Integer = { "minimum": 1, "maximum": 1000, "default": 1 },
        /// The pause after each of its requests.
        optional think: DurationText = { "default": "0s" },
        /// Values to extract from its response, by the names that later steps use.
        optional extract: ByName<ValueSource>,
        /// The expected response. Any other counts as `check-failed`, and the journey restarts from its first step.
        optional expect: StepExpect = { "minProperties": 1 },
    }
}

wire_table! {
    /// The source of a value in a response: one of `header`, `cookie` and `json`, otherwise the body. `matches` is required
    /// with the body, and narrows the value anywhere.
    ValueSource in "the value" {
        /// The first header line of this name.
        optional header: String,
        /// The cookie of this name, as Set-Cookie sets it.
        optional cookie: String,
        /// A JSON pointer (RFC 6901) into the body, such as `/items/0/id`, or a JSONPath (RFC 9535) such as `$.items[0].id`.
        optional json: String,
        /// A regular expression. The value is its first group, or the whole match if it has none.
        optional matches: String,
    } = { "minProperties": 1, "maxProperties": 2 }
}

wire_table! {
    /// The expected response of a step; only the given keys are compared.
    StepExpect in "`expect`" {
        /// The status code, 100 to 599. An expected 4xx or 5xx is not an error. Default: any 2xx or 3xx.
        optional status: Integer = { "minimum": 100, "maximum": 599 },
        /// The header lines, by name.
        optional headers: ByName<HeaderRule>,
        /// The body.
        optional body: TextRule,
    }
}

/// A rate as a number, or a ramp.
#[derive(Debug)]
pub(in crate::scenario) enum RateText {
    Constant(Integer),
    Ramp(Box<Ramp>),
}

impl FromToml for RateText {
    fn from_toml(value: &Spanned<DeValue<'_>>, what: &str, problems: &mut Problems<'_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::Integer(_) => Integer::from_toml(value, what, problems).map(RateText::Constant),
            DeValue::Table(table) => Some(RateText::Ramp(Box::new(Ramp::from_table(table, value.span(), problems)))),
            _ => {
                let expected = "a whole number of arrivals per second, or a ramp `{ from, to, step, hold }`";
                wrong_type(value, what, expected, problems);
                None
            }
        }
    }
}

impl JsonSchema for RateText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 1_000_000 }, generator.subschema_for::<Ramp>()],
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) enum DriverKind {
    Goose,
    Closed,
    Open,
    Httperf,
    Wrk,
    H2load,
}

impl Word for DriverKind {
    const WHAT: &'static str = "load driver";
    const ALL: &'static [(&'static str, Self)] = &[
        ("goose", DriverKind::Goose),
        ("open", DriverKind::Open),
        ("closed", DriverKind::Closed),
        ("httperf", DriverKind::Httperf),
        ("wrk", DriverKind::Wrk),
        ("h2load", DriverKind::H2load),
    ];
}

impl Word for HttpVersion {
    const WHAT: &'static str = "version of HTTP";
    const ALL: &'static [(&'static str, Self)] =
        &[("1.0", HttpVersion::OneZero), ("1.1", HttpVersion::OneOne), ("2", HttpVersion::Two)];
}

impl Word for OnErrors {
    const WHAT: &'static str = "treatment of errors";
    const ALL: &'static [(&'static str, Self)] = &[("fail", OnErrors::Fail), ("count", OnErrors::Count)];
}

/// How arrivals are distributed in time.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) enum ArrivalsKind {
    Uniform,
    /// Exponentially distributed intervals.
    Poisson,
}

impl Word for ArrivalsKind {
    const WHAT: &'static str = "arrival process";
    const ALL: &'static [(&'static str, Self)] =
        &[("uniform", ArrivalsKind::Uniform), ("poisson", ArrivalsKind::Poisson)];
}

impl Word for TimerKind {
    const WHAT: &'static str = "timer";
    const ALL: &'static [(&'static str, Self)] = &[("timerfd", TimerKind::Timerfd), ("spin", TimerKind::Spin)];
}
