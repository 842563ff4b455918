//! `proxy_pass` and what stands around it: where the requests of a location go, and in what words.

use std::time::Duration;

use lab_http::{Headers, Version};

use super::super::conf::{ConfError, Directive};
use super::super::variables::Template;
use super::fields::{HOP_BY_HOP, NameSet, SetFields};
use super::redirect::{self, Redirect, RedirectRule};
use super::upstream::Upstreams;

/// How the requests of one location are passed on.
#[derive(Debug)]
pub struct Pass {
    /// The upstream, as an index into [`Settings::upstreams`](super::Settings::upstreams).
    pub upstream: usize,
    /// `$proxy_host`: what stands between `http://` and the URI.
    pub host: String,
    /// `$proxy_port`
    pub port: u16,
    /// The URI of `proxy_pass`, which replaces the part of a path that the location matched. Without one a request's
    /// target is passed on as it came.
    pub uri: Option<String>,
    /// How many bytes of a path the location matched.
    pub matched: usize,
    /// `proxy_http_version`
    pub version: Version,
    /// `proxy_set_header`
    pub fields: SetFields,
    /// The fields of answers that are not passed on: those of a single hop, nginx's own secrets, `proxy_hide_header`
    /// less `proxy_pass_header`.
    pub hidden: NameSet,
    /// `proxy_redirect`
    pub redirects: Vec<Redirect>,
    /// `proxy_connect_timeout`
    pub connect_timeout: Duration,
    /// `proxy_send_timeout`: between two writes of a request.
    pub send_timeout: Duration,
    /// `proxy_read_timeout`: between two reads of an answer.
    pub read_timeout: Duration,
}

/// What the `proxy_*` directives of one block say.
#[derive(Debug, Clone, Default)]
pub(super) struct ProxyLevel {
    version: Option<Version>,
    set_fields: Option<Vec<(String, Template)>>,
    pass_fields: Option<Vec<String>>,
    hide_fields: Option<Vec<String>>,
    redirects: Option<Vec<RedirectRule>>,
    connect_timeout: Option<Duration>,
    send_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
}

/// What nginx hides of an answer unless `proxy_pass_header` says otherwise. It hides Date as well, which a proxy has
/// to keep (RFC 9110 §6.6.1).
const HIDDEN: [&str; 7] = [
    "Server",
    "X-Pad",
    "X-Accel-Expires",
    "X-Accel-Redirect",
    "X-Accel-Limit-Rate",
    "X-Accel-Buffering",
    "X-Accel-Charset",
];

impl ProxyLevel {
    /// Reads one `proxy_*` directive; `proxy_pass` itself is read with its location.
    pub(super) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        let name = || directive.first().to_owned();
        match directive.name.as_str() {
            "proxy_http_version" => {
                self.version = Some(match directive.first() {
                    "1.0" => Version::Http10,
                    "1.1" => Version::Http11,
                    other => return Err(directive.invalid(other, "1.0, 1.1")),
                });
            }
            "proxy_set_header" => self.set_fields.get_or_insert_default().push(set_field(directive)?),
            "proxy_pass_header" => self.pass_fields.get_or_insert_default().push(name()),
            "proxy_hide_header" => self.hide_fields.get_or_insert_default().push(name()),
            "proxy_redirect" => self.redirects.get_or_insert_default().push(RedirectRule::read(directive)?),
            "proxy_connect_timeout" => self.connect_timeout = Some(directive.time()?),
            "proxy_send_timeout" => self.send_timeout = Some(directive.time()?),
            "proxy_read_timeout" => self.read_timeout = Some(directive.time()?),
            _ => {}
        }
        Ok(())
    }

    /// Fills in from the enclosing block. Lists are taken over only as a whole: one `proxy_set_header` in a block
    /// drops those of the enclosing one.
    pub(super) fn inherit(self, outer: &ProxyLevel) -> ProxyLevel {
        ProxyLevel {
            version: self.version.or(outer.version),
            set_fields: self.set_fields.or_else(|| outer.set_fields.clone()),
            pass_fields: self.pass_fields.or_else(|| outer.pass_fields.clone()),
            hide_fields: self.hide_fields.or_else(|| outer.hide_fields.clone()),
            redirects: self.redirects.or_else(|| outer.redirects.clone()),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            send_timeout: self.send_timeout.or(outer.send_timeout),
            read_timeout: self.read_timeout.or(outer.read_timeout),
        }
    }

    fn hidden(&self) -> NameSet {
        let passed = self.pass_fields.iter().flatten().map(String::as_str).collect::<NameSet>();
        let hide = self.hide_fields.iter().flatten().map(String::as_str);
        let by_choice = HIDDEN.into_iter().chain(hide).filter(|name| !passed.contains(name.as_bytes()));
        HOP_BY_HOP.into_iter().chain(by_choice).collect()
    }
}

impl Pass {
    /// Reads the `proxy_pass` of the location with this path.
    pub(super) fn read(
        directive: &Directive,
        location: &str,
        level: &ProxyLevel,
        upstreams: &mut Upstreams,
    ) -> Result<Pass, ConfError> {
        const ACCEPTED: &str = "http://HOST[:PORT][/URI] or http://unix:/PATH[:/URI], HOST an upstream or an address";
        const DEFAULT_PORT: u16 = 80;
        let url = directive.first();
        if url.contains('$') {
            return Err(directive.unsupported(format!("a variable (\"{url}\")"), ACCEPTED));
        }
        if url.starts_with("https://") {
            return Err(directive.unsupported("https", ACCEPTED));
        }
        let rest = url.strip_prefix("http://").ok_or_else(|| directive.invalid(url, ACCEPTED))?;
        let (authority, uri) = take_apart(rest);
        if authority.is_empty() {
            return Err(directive.invalid(url, ACCEPTED));
        }
        // as nginx: no address is a name for a Host field
        let is_unix = authority.starts_with("unix:");
        // as nginx: the scheme's own port is left out of $proxy_host
        let own_port = format!(":{DEFAULT_PORT}");
        let host = authority.strip_suffix(own_port.as_str()).unwrap_or(authority);
        let upstream = upstreams.find_or_add(directive, authority, DEFAULT_PORT)?;
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(DEFAULT_PORT);
        let minute = Duration::from_secs(60);
        Ok(Pass {
            upstream,
            host: if is_unix { "localhost" } else { host }.to_owned(),
            port,
            uri: uri.map(str::to_owned),
            matched: location.len(),
            version: level.version.unwrap_or(Version::Http10),
            fields: SetFields::new(level.set_fields.clone().unwrap_or_default()),
            hidden: level.hidden(),
            redirects: redirect::resolve(level.redirects.as_deref(), url, uri.is_some(), location),
            connect_timeout: level.connect_timeout.unwrap_or(minute),
            send_timeout: level.send_timeout.unwrap_or(minute),
            read_timeout: level.read_timeout.unwrap_or(minute),
        })
    }
}

/// The address and the URI of what stands behind `http://`. The path of a unix socket ends at a colon.
fn take_apart(rest: &str) -> (&str, Option<&str>) {
    let end = match rest.strip_prefix("unix:") {
        Some(path) => path.find(':').map(|colon| colon + "unix:".len()),
        None => rest.find(['/', '?', '#']),
    };
    match end {
        Some(end) => (&rest[..end], Some(rest[end..].trim_start_matches(':')).filter(|uri| !uri.is_empty())),
        None => (rest, None),
    }
}

fn set_field(directive: &Directive) -> Result<(String, Template), ConfError> {
    let (name, value) = (directive.first(), directive.arg(1).unwrap_or_default());
    if name.eq_ignore_ascii_case("Content-Length") || name.eq_ignore_ascii_case("Transfer-Encoding") {
        let accepted = "any other field; how a body is delimited is up to lab";
        return Err(directive.unsupported(format!("\"{name}\""), accepted));
    }
    if !Headers::is_clean(name.as_bytes(), b"") {
        return Err(directive.invalid(name, "the name of a field"));
    }
    if !Headers::is_clean(name.as_bytes(), value.as_bytes()) {
        return Err(directive.invalid(&value.escape_debug().to_string(), "a value without control characters"));
    }
    let template = Template::compile(value).map_err(|kind| directive.error(kind))?;
    Ok((name.to_owned(), template))
}
