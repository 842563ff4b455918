//! How lab's framework compares with Flask and werkzeug, feature by feature.

/// One row of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub feature: &'static str,
    /// What Flask 3.1 or werkzeug 3.1 does.
    pub flask: &'static str,
    pub lab: Support,
    /// What to know about lab's side. May be empty.
    pub note: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It behaves like Flask.
    Yes,
    /// It exists and differs as the note says.
    Different,
    /// It is left out.
    No,
}

impl Support {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Support::Yes => "yes",
            Support::Different => "different",
            Support::No => "no",
        }
    }
}

const fn row(feature: &'static str, flask: &'static str, lab: Support, note: &'static str) -> Row {
    Row { feature, flask, lab, note }
}

use Support::{Different, No, Yes};

/// Every feature that is supported, different or left out, grouped by area.
pub const TABLE: &[Row] = &[
    // routing
    row("rules and methods", "`@app.route(rule, methods=…)`", Yes, "HEAD comes with GET; OPTIONS is automatic"),
    row("converters", "`string`, `int`, `float`, `path`, `uuid`, `any`, with arguments", Yes, ""),
    row("custom converters", "`app.url_map.converters`", No, ""),
    row("rule order", "werkzeug's weights", Yes, "the more specific rule wins, whatever the order of registration"),
    row("strict slashes, merged slashes", "308 to the canonical path", Yes, ""),
    row("integers in a path", "without limit", Different, "a value above 2^63 − 1 does not match"),
    row("digits of `int`", "digits of any script", Different, "ASCII digits only"),
    row("order of `Allow`", "that of a set", Different, "sorted by name"),
    row("endpoints, `url_for`", "named after the function", Yes, "a closure has no name: its rule is its endpoint"),
    row("defaults, redirects to another rule", "`defaults=…`, `redirect_to=…`", No, ""),
    row("subdomains and host matching", "`subdomain=…`, `host=…`", No, ""),
    row("blueprints", "`Blueprint`", No, ""),
    row("static files", "`/static/<path:filename>`", No, "a proxy serves them"),
    // request
    row("attributes of the request", "`method`, `path`, `args`, `headers`, `cookies`, `url`, `remote_addr` …", Yes, ""),
    row("`request` as a global", "a context-local proxy", Different, "the handler's first parameter"),
    row("body", "read when the handler asks for it", Different, "read before the handler runs, in memory"),
    row("`MAX_CONTENT_LENGTH`", "no limit by default", Different, "16 MiB by default; 413 above"),
    row("urlencoded forms", "`request.form`, without a limit of its own", Different, "413 above 500 000 bytes"),
    row("multipart forms and files", "`request.form`, `request.files`", No, "415 from `request.form()`"),
    row("JSON", "`request.get_json()`", Yes, "415 for other media types, 400 for invalid JSON"),
    row("several Cookie lines", "joined by the server", Different, "each line is parsed separately"),
    row("order of a `MultiDict`", "`items(multi=True)` groups by name", Different, "the order of arrival"),
    row("request trailers", "WSGI has none", Yes, "discarded"),
    // response
    row("return values", "text, bytes, dict, tuple, `Response`, generator", Yes, "a generator is `Body::from_chunks`"),
    row("`jsonify`", "sorted keys, ASCII, compact, final line feed", Yes, ""),
    row("floats in JSON", "`1e+16`", Different, "`1e16`: Rust's shortest form"),
    row("`redirect`", "a page, relative locations stay relative", Yes, "the page is worded differently"),
    row("IDNA in URLs and locations", "hosts are converted", No, "a host keeps the form in which it was sent"),
    row("`set_cookie`", "werkzeug's attributes and quoting", Yes, ""),
    row(
        "304, 204 and HEAD",
        "no body; a 304 without entity fields",
        Yes,
        "RFC 9110, sections 9.3.2, 15.3.5 and 15.4.5",
    ),
    row("205", "sends the body it was given", Different, "an empty body (RFC 9110, section 15.3.6)"),
    row("conditional responses, ranges", "`make_conditional`", No, ""),
    row("sessions and flashing", "`session`, `flash`", No, ""),
    // errors and hooks
    row("`abort`, HTTP exceptions", "werkzeug's pages", Different, "the same page layout, in lab's words"),
    row("`errorhandler` for a status", "`@app.errorhandler(404)`", Yes, "status 200 unless the handler sets one"),
    row("`errorhandler` for an exception class", "`@app.errorhandler(ValueError)`", No, "by status only"),
    row("an exception in a handler", "500", Yes, "`Err` of any error type, or a panic"),
    row("`before_request`, `after_request`", "hooks around every request", Yes, ""),
    row("`teardown_request`, signals", "called when the request context ends", No, ""),
    row("async handlers", "`async def`, run in a thread", Different, "`async fn`, awaited by the host"),
    // templates
    row("templates", "Jinja", Different, "minijinja, with Jinja's entities and Python's `None`, `True`, `False`"),
    row("autoescaping", "for markup and for string templates", Yes, ""),
    row("context of a template", "`request`, `url_for`, `session`, `g`, `config`", Different, "`request`, `url_for`"),
    row("`g`, `current_app`, `app.config`", "application context", No, ""),
    // middleware
    row(
        "`ProxyFix`",
        "werkzeug 3.1.9",
        Yes,
        "`x_for`, `x_proto`, `x_host`, `x_port`, `x_prefix` and `werkzeug.proxy_fix.orig`",
    ),
    row("WSGI environ", "a dict", Different, "the six keys that ProxyFix changes; the request has the rest"),
    row("other WSGI middleware", "wraps `app.wsgi_app`", Different, "tower services"),
];

#[cfg(test)]
mod tests {
    use super::{Support, TABLE};

    #[test]
    fn differences_have_a_note() {
        for row in TABLE {
            assert!(row.lab != Support::Different || !row.note.is_empty(), "{}", row.feature);
        }
    }

    #[test]
    fn features_are_unique() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|other| other.feature != row.feature), "{}", row.feature);
        }
    }
}
