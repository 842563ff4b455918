//! `[[check]]`: requests, and the rules for their responses.

use super::load::ValueSource;
use super::{
    Body, CacheStatuses, DurationText, ExpectedStatus, HeaderRule, Headers, JsonRule, JsonValue, PartValue, TextRule,
    Texts,
};
use crate::catalog::kind::Ability;
use crate::document::read::{ByName, Integer, List, OneOf, Word};
use crate::document::table::wire_table;
use crate::scenario::model::{CacheStatus, HttpVersion, SlowPart};

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
        optional request: Request,
        /// The expected response, and the expected request at the app; at least one key.
        optional expect: Expect = { "minProperties": 1 },
        /// Instead of `request` and `expect`: requests that follow each other and share a cookie jar. Each is reported as a
        /// check of its own.
        optional step: List<CheckStep> = { "minItems": 1 },
    } = { "oneOf": [{ "required": ["request", "expect"] }, { "required": ["step"] }] }
}

wire_table! {
    /// One request of a sequence. Its texts may contain `{NAME}` for a value extracted by an earlier step.
    CheckStep in "`[[check.step]]`" {
        /// Name of the step, unique in the check.
        required name: String,
        /// The request to send.
        required request: Request,
        /// The expected response, and the expected request at the app; at least one key.
        required expect: Expect = { "minProperties": 1 },
        /// Values to extract from its response, by the names that later steps use.
        optional extract: ByName<ValueSource>,
    }
}

wire_table! {
    /// The request of a check: composed from `method`, `path`, `headers` and `body`, or `raw` bytes.
    Request in "`request`" {
        /// The method, as sent.
        optional method: String = { "default": "GET" },
        /// The request target, as sent: starts with `/` and is percent-encoded; or `*` with OPTIONS.
        optional path: String = { "pattern": "^(/[!-~]*|\\*)$" },
        /// Header lines in order: a table, or a list of pairs of name and value. Values may contain the placeholders
        /// `{client}`, `{host}` and `{port}`.
        optional headers: Headers,
        /// The body: a text, or `{ file = "…" }`, relative to the scenario's root.
        optional body: Body,
        /// Instead of `body`: the fields of a form, sent as `application/x-www-form-urlencoded`. A list is several fields of
        /// one name.
        optional form: ByName<Texts> = { "minProperties": 1 },
        /// Instead of `body`: the parts of a `multipart/form-data` body, each a text or `{ file = "…" }`. A list is several
        /// parts of one name.
        optional multipart: ByName<PartValue> = { "minProperties": 1 },
        /// How often to send it on one connection, 1 to 100, each after the response to the one before; the last response
        /// is compared with the expectation.
        optional times: Integer = { "minimum": 1, "maximum": 100, "default": 1 },
        /// With `times`: how long to wait between a response and the next request, such as until a cached response has
        /// expired.
        optional pause: DurationText = { "default": "0s" },
        /// The deadline of the whole exchange.
        optional within: DurationText = { "default": "10s" },
        /// Sends it over TLS to the stack's TLS listener, with the host of its `Host` line as the server's name. Any
        /// certificate is accepted.
        optional tls: bool = { "default": false },
        /// The version of HTTP. `2` is agreed on in the TLS handshake, or presumed in the clear.
        optional http: OneOf<HttpVersion> = { "default": "1.1" },
        /// Follows redirects, this number at the most, 1 to 20. The last response is compared with the expectation.
        /// Default: none is followed.
        optional max_redirects: Integer = { "minimum": 1, "maximum": 20 },
        /// Asks for a WebSocket and expects that the server agrees (RFC 6455, section 4).
        optional websocket: bool = { "default": false },
        /// Slow clients that occupy the stack meanwhile.
        optional while_slow: WhileSlow,
        /// The client's address, one of the loopback interface. For what only the machine itself may request, such as
        /// `allow 127.0.0.1`.
        optional client: String = { "pattern": "^127(\\.[0-9]{1,3}){3}$", "default": "127.0.0.2" },
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
        /// The slow part: the `head`, the `body` of a POST to the check's path, or the `response` to a GET, which must be
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
        /// The response's body at the client, without its content coding (gzip, deflate, br, zstd).
        optional body: TextRule,
        /// Values of the response's body as a JSON document, by JSON pointer (`/items/0/id`) or JSONPath (`$.items[*].id`).
        optional json: ByName<JsonRule> = { "minProperties": 1 },
        /// The number of redirects followed, 0 to 20; with `max_redirects`.
        optional redirects: Integer = { "minimum": 0, "maximum": 20 },
        /// The longest time from the connection to the end of the response.
        optional duration: DurationText,
        /// The certificate that the server presented; with `tls`.
        optional certificate: Certificate = { "minProperties": 1 },
        /// Whether the last response comes from a cache in front of the server; or a list with an item for each of the
        /// responses that `times` asks for. It is judged by the requests that reach the server.
        optional cache: CacheStatuses,
        /// The request as it arrived at the app server, before any middleware.
        optional upstream: Upstream = { "minProperties": 1 },
        /// The request as the app saw it, after its middleware; named as in Flask.
        optional app: AppSaw = { "minProperties": 1 },
    }
}

wire_table! {
    /// The expected certificate of the server.
    Certificate in "`expect.certificate`" {
        /// Its subject, such as `CN=shop.example.org`.
        optional subject: TextRule,
        /// Its issuer, such as `C=US, O=Let's Encrypt, CN=R11`.
        optional issuer: TextRule,
        /// The hosts and addresses that it is for, in its order, as rules for the lines of a header.
        optional names: HeaderRule,
        /// The least number of whole days for which it must still be valid.
        optional days: Integer = { "minimum": 0, "maximum": 10000 },
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
        /// Is not equal to this text, or does not satisfy this rule.
        optional not: TextRule,
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
        /// Any number of lines, none of which is equal to this text or satisfies this rule.
        optional not: TextRule,
    } = { "minProperties": 1, "maxProperties": 1 }
}

wire_table! {
    /// A rule for a value of a JSON document; exactly one key.
    JsonTable in "the rule" {
        /// Is equal to this value, which may be a table.
        optional equals: JsonValue,
        /// A text that contains this text, or a list with an item equal to it. It may have placeholders.
        optional contains: String,
        /// A text, a number or a boolean whose text matches this regular expression somewhere.
        optional matches: String,
        /// A text that does not contain this text, which may have placeholders.
        optional lacks: String,
        /// A text, a list or an object without content.
        optional empty: bool = { "const": true },
        /// Is `null`.
        optional null: bool = { "const": true },
        /// There is no such value.
        optional absent: bool = { "const": true },
        /// There is such a value; it may be `null`.
        optional present: bool = { "const": true },
        /// A list with this number of items, or an object with this number of members.
        optional count: Integer = { "minimum": 0 },
        /// A number of this size or above.
        optional at_least: JsonValue,
        /// A number of this size or below.
        optional at_most: JsonValue,
        /// Is not equal to this value, or does not satisfy this rule.
        optional not: JsonRule,
    } = { "minProperties": 1, "maxProperties": 1 }
}

wire_table! {
    /// The content of a file.
    FileBody in "`body`" {
        /// The file, relative to the scenario's root.
        required file: String,
    }
}

wire_table! {
    /// A part of a multipart body: a text or a file.
    PartTable in "the part" {
        /// The file, relative to the scenario's root.
        optional file: String,
        /// Instead of `file`: the content.
        optional text: String,
        /// The name of the file that the server is given. Default: that of `file`.
        optional filename: String,
        /// The part's `Content-Type`. Default: `application/octet-stream` for a file, none for a text.
        optional media_type: String,
    } = { "oneOf": [{ "required": ["file"] }, { "required": ["text"] }] }
}

impl Word for CacheStatus {
    const WHAT: &'static str = "cache status";
    const ALL: &'static [(&'static str, Self)] = CacheStatus::ALL;
}

impl Word for SlowPart {
    const WHAT: &'static str = "part of an exchange";
    const ALL: &'static [(&'static str, Self)] =
        &[("head", SlowPart::Head), ("body", SlowPart::Body), ("response", SlowPart::Response)];
}
