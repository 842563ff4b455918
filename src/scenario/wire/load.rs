//! `[[load]]`: one table for every driver. Which keys go with which driver is for [`resolve`](crate::scenario::resolve)
//! to say.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::{DurationText, HeaderLine, HeaderRule, TextRule};
use crate::document::diagnostic::Problems;
use crate::document::read::{ByName, FromToml, Integer, List, OneOf, Word, wrong_type};
use crate::document::table::wire_table;
use crate::scenario::model::{OnErrors, TimerKind};

wire_table! {
    /// How a stack is driven.
    Load in "`[[load]]`" {
        /// Name of the load, unique in the scenario: lower-case letters, digits and `-`.
        required name: String = { "pattern": "^[a-z0-9-]+$" },
        /// Which load driver. Closed loops, in which each user or connection asks, waits for the answer, and asks again:
        /// `goose`, `closed` (lab's own), `wrk`, `h2load`. Open loops, in which requests arrive at a rate whatever the
        /// stack does: `open` (lab's own), `httperf`.
        required driver: OneOf<DriverKind>,
        /// The request target that is asked for, from `/` on; not with steps.
        optional path: String = { "pattern": "^/[!-~]*$", "default": "/" },
        /// Speaks TLS, to where the stack listens with it.
        optional tls: Tls = { "minProperties": 1 },
        /// The version of HTTP that is spoken. open, closed, httperf: `1.0`, a connection for each request. open, closed,
        /// h2load: `2`, over TLS by ALPN, else with prior knowledge.
        optional http: OneOf<HttpVersion> = { "default": "1.1" },
        /// With `http = "2"`: requests that each connection may have under way at once, 1 to 1000; not with sessions,
        /// whose calls come one after the other.
        optional streams: Integer = { "minimum": 1, "maximum": 1000, "default": 1 },
        /// goose: concurrent users, 1 to 65535.
        optional users: Integer = { "minimum": 1, "maximum": 65535 },
        /// closed, wrk, h2load: connections, 1 to 65535, each with one request under way at a time. open: requests arrive
        /// over a pool of so many kept-alive connections.
        optional connections: Integer = { "minimum": 1, "maximum": 65535 },
        /// open, httperf: arrivals per second, 1 to 1000000, or a ramp of rates; of httperf each rate is a run of its own,
        /// which ends with its last answer.
        optional rate: RateText,
        /// open, httperf: an arrival is a session that connects, makes so many calls, 1 to 1000000, and closes.
        optional calls_per_connection: Integer = { "minimum": 1, "maximum": 1_000_000, "default": 1 },
        /// open, httperf: how arrivals lie within the time. httperf's Poisson arrivals are of its own making, and have no
        /// seed.
        optional arrivals: OneOf<ArrivalsKind> = { "default": "uniform" },
        /// open: seeds Poisson arrivals; each block has its own, the same for all stacks.
        optional seed: Integer = { "minimum": 0, "default": 2011 },
        /// open: arrivals that may be under way or waiting at once, 1 to 60000; one beyond is shed, and counted.
        optional max_open: Integer = { "minimum": 1, "maximum": 60000, "default": 4096 },
        /// open: how an instant is waited for; `spin` is finer and keeps a core busy.
        optional timer: OneOf<TimerKind> = { "default": "timerfd" },
        /// The measured window, after the warm-up; whole seconds, 1 or more, but for `open`, `closed` and `httperf`. Not
        /// with a ramp, which lasts as long as its steps.
        optional duration: DurationText,
        /// How long one request may take before it is recorded as a client timeout.
        optional timeout: DurationText = { "default": "10s" },
        /// What requests that fail are: `fail`, a failure of the run; `count`, counted only, as for a load that is meant
        /// to go past what a stack can answer.
        optional errors: OneOf<OnErrors> = { "default": "fail" },
        /// Cross-validates the load of this name: asks for the same by another driver. It is shown beside that one, and is
        /// neither ranked nor gated. Where its program is not installed it is left out, with a row that says so.
        optional validates: String = { "pattern": "^[a-z0-9-]+$" },
        /// Names of the stacks that are driven. Default: every stack that is measured.
        optional stacks: List<String> = { "minItems": 1 },
        /// The most blocks in which it is driven, 1 to 10000. Default: all.
        optional rounds: Integer = { "minimum": 1, "maximum": 10000 },
        /// goose: what each user asks, in order and over and over.
        optional step: List<Step> = { "minItems": 1 },
    }
}

wire_table! {
    /// How TLS is spoken: whom to trust, with `ca` or `insecure`, has to be said.
    Tls in "`tls`" {
        /// A file with the certificates to trust, as PEM, relative to the scenario's root; a self-signed one vouches for
        /// itself. Not for httperf, wrk and h2load, which verify nothing.
        optional ca: String,
        /// Trusts anybody.
        optional insecure: bool = { "default": false },
        /// The name that is asked for (SNI), that the certificate must be for, and that requests carry as their host.
        /// Default: the stack's address. Not for httperf, wrk and h2load.
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
        /// The difference from one rate to the next; it leads from the first exactly to the last. This or `factor`.
        optional step: Integer = { "minimum": 1, "maximum": 1_000_000 },
        /// How many times the one before a rate is, or a part of it; it leads from the first exactly to the last.
        optional factor: Integer = { "minimum": 2, "maximum": 1_000_000 },
        /// How long each rate lasts, from 100 ms on.
        required hold: DurationText,
    }
}

wire_table! {
    /// One request of a journey. Texts may hold `{NAME}` for a value that an earlier step extracts.
    Step in "`[[load.step]]`" {
        /// Name of the step, unique in the load.
        required name: String,
        /// The method: GET, HEAD, POST, PUT, PATCH or DELETE.
        optional method: String = { "default": "GET" },
        /// The request target, from `/` on, or a value that holds one.
        required path: String = { "pattern": "^[/{][!-~]*$" },
        /// Header lines beside those of every request, as pairs of name and value.
        optional headers: List<HeaderLine>,
        /// The body.
        optional body: String,
        /// How often it is asked in a row, 1 to 1000.
        optional weight: Integer = { "minimum": 1, "maximum": 1000, "default": 1 },
        /// The pause behind each of its requests.
        optional think: DurationText = { "default": "0s" },
        /// Values to take from its answer, by the name that later steps use.
        optional extract: ByName<ValueSource>,
        /// What its answer must be; one that is not is a `check-failed`, and the journey begins anew.
        optional expect: StepExpect = { "minProperties": 1 },
    }
}

wire_table! {
    /// Where a value stands in an answer; exactly one key.
    ValueSource in "the value" {
        /// The first header line of this name.
        optional header: String,
        /// The cookie of this name, as Set-Cookie sets it.
        optional cookie: String,
        /// A JSON pointer (RFC 6901) into the body, such as `/items/0/id`.
        optional json: String,
    } = { "minProperties": 1, "maxProperties": 1 }
}

wire_table! {
    /// What a step's answer must be; what is not named is not looked at.
    StepExpect in "`expect`" {
        /// The status code, 100 to 599. One that is expected is no error; without it 2xx and 3xx are good.
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
    /// Constant.
    Constant(Integer),
    /// In steps.
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

/// A load driver's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) enum DriverKind {
    /// goose, closed loop.
    Goose,
    /// lab's own closed loop.
    Closed,
    /// lab's own open loop.
    Open,
    /// httperf, open loop.
    Httperf,
    /// wrk, closed loop.
    Wrk,
    /// h2load, closed loop.
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

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scenario) enum HttpVersion {
    /// HTTP/1.0.
    OneZero,
    /// HTTP/1.1.
    OneOne,
    /// HTTP/2.
    Two,
}

impl Word for HttpVersion {
    const WHAT: &'static str = "version of HTTP";
    const ALL: &'static [(&'static str, Self)] =
        &[("1.0", HttpVersion::OneZero), ("1.1", HttpVersion::OneOne), ("2", HttpVersion::Two)];
}

impl Word for OnErrors {
    const WHAT: &'static str = "answer to errors";
    const ALL: &'static [(&'static str, Self)] = &[("fail", OnErrors::Fail), ("count", OnErrors::Count)];
}

/// How arrivals lie within the time.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) enum ArrivalsKind {
    /// Evenly spaced.
    Uniform,
    /// Exponentially distributed gaps.
    Poisson,
}

impl Word for ArrivalsKind {
    const WHAT: &'static str = "sort of arrivals";
    const ALL: &'static [(&'static str, Self)] =
        &[("uniform", ArrivalsKind::Uniform), ("poisson", ArrivalsKind::Poisson)];
}

impl Word for TimerKind {
    const WHAT: &'static str = "timer";
    const ALL: &'static [(&'static str, Self)] = &[("timerfd", TimerKind::Timerfd), ("spin", TimerKind::Spin)];
}
