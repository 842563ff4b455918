//! `[[check]]`: requests, and the rules for their responses.

use super::{DurationText, ExpectedStatus, HeaderLine, HeaderRule, TextRule};
use crate::catalog::kind::Ability;
use crate::document::read::{ByName, Integer, List, OneOf, Word};
use crate::document::table::wire_table;
use crate::scenario::model::SlowPart;

wire_table! {
    /// A request with expectations at the client and at the app.
    Check in "`[[check]]`" {
        /// The assertion as a sentence; unique in the scenario.
        required name: String,
        /// Names of the stacks to check. Default: every stack.
        optional stacks: List<String> = { "minItems": 1 },
        /// Abilities that a stack must have to be checked.
        optional needs: List<OneOf<Ability>> = { "minItems": 1 },
        /// The request to send.
        required request: Request,
        /// The expected response, and the expected request at the app; at least one key.
        required expect: Expect = { "minProperties": 1 },
    }
}

wire_table! {
    /// The request of a check: composed from `method`, `path`, `headers` and `body`, or `raw` bytes.
    Request in "`request`" {
        /// The method, as sent.
        optional method: String = { "default": "GET" },
        /// The request target, as sent: starts with `/` and is percent-encoded; or `*` with OPTIONS.
        optional path: String = { "pattern": "^(/[!-~]*|\\*)$" },
        /// Header lines in order, as pairs of name and value; names may repeat. Values may contain the placeholders
        /// `{client}`, `{host}` and `{port}`.
        optional headers: List<HeaderLine>,
        /// The body.
        optional body: String,
        /// How often to send it on one connection, 1 to 100, each after the response to the one before; the last response
        /// is compared with the expectation.
        optional times: Integer = { "minimum": 1, "maximum": 100, "default": 1 },
        /// The deadline of the whole exchange.
        optional within: DurationText = { "default": "10s" },
        /// Sends it over TLS to the stack's TLS listener, with the host of its `Host` line as the server's name. Any
        /// certificate is accepted.
        optional tls: bool = { "default": false },
        /// Slow clients that occupy the stack meanwhile.
        optional while_slow: WhileSlow,
        /// The whole request, byte for byte, with placeholders.
        optional raw: String = { "minLength": 1 },
    } = { "oneOf": [{ "required": ["path"] }, { "required": ["raw"] }] }
}

wire_table! {
    /// Clients that each send a request, or read its response, one byte at a time and do not finish during the check. All
    /// of them have started before the check sends its request.
    WhileSlow in "`while_slow`" {
        /// The number of clients, 1 to 1000, each on its own connection.
        required clients: Integer = { "minimum": 1, "maximum": 1000 },
        /// The slow part: the `head`, the `body` of a POST to the check's path, or the `answer` to a GET, which must be
        /// larger than the buffers of systems and proxies.
        optional part: OneOf<SlowPart> = { "default": "head" },
        /// The path they request. Default: the check's own.
        optional path: String = { "pattern": "^/[!-~]*$" },
    }
}

wire_table! {
    /// The expectation of a check; only the given keys are compared.
    Expect in "`expect`" {
        /// Expects no response before the request's deadline; excludes all other keys.
        optional unanswered: bool = { "const": true },
        /// The status code at the client, 100 to 599; or a class of codes such as `"2xx"`, or a list of classes.
        optional status: ExpectedStatus,
        /// The response's header lines at the client, by name.
        optional headers: ByName<HeaderRule>,
        /// The response's body at the client.
        optional body: TextRule,
        /// The request as it arrived at the app server, before any middleware.
        optional upstream: Upstream = { "minProperties": 1 },
        /// The request as the app saw it, after its middleware; named as in Flask.
        optional app: AppSaw = { "minProperties": 1 },
    }
}

wire_table! {
    /// The expected request at the app server, before any middleware.
    Upstream in "`expect.upstream`" {
        /// The method.
        optional method: TextRule,
        /// The request target of the request line.
        optional target: TextRule,
        /// The request's header lines, by name.
        optional headers: ByName<HeaderRule>,
        /// Header names in the order of their lines, one name for each line; other names are ignored.
        optional order: List<String> = { "minItems": 1 },
    }
}

wire_table! {
    /// The request as the app saw it, after its middleware (ProxyFix).
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
        /// Contains this text, which may have placeholders.
        optional contains: String,
        /// Matches this regular expression somewhere; anchor it to match the whole text.
        optional matches: String,
        /// Does not contain this text, which may have placeholders.
        optional lacks: String,
        /// Is empty.
        optional empty: bool = { "const": true },
        } = { "minProperties": 1, "maxProperties": 1 }
}

wire_table! {
    /// A rule for the lines of one header name; exactly one key.
    HeaderTable in "the rule" {
        /// Exactly one line, which contains this text. It may have placeholders.
        optional contains: String,
        /// Exactly one line, which matches this regular expression somewhere.
        optional matches: String,
        /// Any number of lines, none of which contains this text. It may have placeholders.
        optional lacks: String,
        /// Exactly one line, which is empty.
        optional empty: bool = { "const": true },
        /// No line of that name.
        optional absent: bool = { "const": true },
        /// At least one line.
        optional present: bool = { "const": true },
        /// Exactly this many lines, 1 to 1000.
        optional count: Integer = { "minimum": 1, "maximum": 1000 },
    } = { "minProperties": 1, "maxProperties": 1 }
}

impl Word for SlowPart {
    const WHAT: &'static str = "part of an exchange";
    const ALL: &'static [(&'static str, Self)] =
        &[("head", SlowPart::Head), ("body", SlowPart::Body), ("answer", SlowPart::Answer)];
}
