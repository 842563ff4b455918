//! `proxy_pass` and the directives that shape its requests and responses.

use std::time::Duration;

use lab_http::{BodyLength, Headers, Version};

use super::bind::LocalAddress;
use super::cache::{CacheConfig, CacheLevel};
use super::cookie_flags::CookieFlagRule;
use super::cookies::{CookieRule, CookieRules};
use super::fields::{FieldNames, HOP_BY_HOP, SetFields, is_empty_length};
use super::pass_url::{self, PassUrlError};
use super::redirect::{self, Redirect, RedirectRule};
use super::request::{RequestConfig, RequestLevel};
use super::setting;
use super::store::{StoreLevel, StoreRules};
use super::uwsgi::UwsgiConfig;
use crate::config::field_value::field_value;
use crate::config::reader::ConfigReader;
use crate::config::tls_directives::upstream::UpstreamTlsLevel;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// How a location passes requests on.
#[derive(Debug)]
pub struct ProxyPass {
    /// `uwsgi_pass`: the uwsgi protocol instead of HTTP.
    pub uwsgi: Option<UwsgiConfig>,
    pub request: RequestConfig,
    pub destination: Destination,
    /// `$proxy_host`: the part between `http://` and the URI.
    pub host: String,
    /// `$proxy_port`
    pub port: u16,
    /// The URI of `proxy_pass`, which replaces the part of the path that the location matched. Without one, the target
    /// is passed on unchanged.
    pub uri: Option<String>,
    /// How many bytes of the path the location matched.
    pub matched: usize,
    /// `proxy_http_version`
    pub version: Version,
    /// `proxy_set_header`
    pub fields: SetFields,
    /// The fields of a response that are not passed on: those of a single hop, those that nginx hides, and
    /// `proxy_hide_header`, without those of `proxy_pass_header`.
    pub hidden: FieldNames,
    /// `proxy_redirect`
    pub redirects: Vec<Redirect>,
    /// `proxy_cookie_domain`, `proxy_cookie_path`, `proxy_cookie_flags`
    pub cookies: CookieRules,
    /// `proxy_ignore_headers`: fields of a response that the proxy does not obey.
    pub ignored: FieldNames,
    /// `proxy_bind`
    pub bind: Option<LocalAddress>,
    /// `proxy_store`; none for `off`.
    pub store: Option<StoreRules>,
    /// `proxy_cache`; none for `off`.
    pub cache: Option<Box<CacheConfig>>,
    /// `proxy_force_ranges`: whether there are ranges of responses that do not announce them.
    pub forces_ranges: bool,
    /// `proxy_limit_rate`: how many bytes of a buffered response are read per second; 0 for any number.
    pub rate: u64,
    /// `proxy_connect_timeout`
    pub connect_timeout: Duration,
    /// `proxy_send_timeout`: between two writes of a request.
    pub send_timeout: Duration,
    /// `proxy_read_timeout`: between two reads of a response.
    pub read_timeout: Duration,
    /// TLS, for `https://` and for a URL with variables, whose scheme may be `https`.
    pub tls: Option<PassTls>,
}

/// How connections over TLS are opened.
#[derive(Debug)]
pub struct PassTls {
    /// An index into [`Config::upstream_tls`](crate::config::Config::upstream_tls).
    pub config: usize,
    /// `proxy_ssl_name`: the name that the server's certificate must have; `$proxy_host` without it.
    pub name: Option<Template>,
}

#[derive(Debug)]
pub enum Destination {
    /// An index into [`Config::upstreams`](crate::config::Config::upstreams).
    Upstream(usize),
    /// A URL with variables, which is evaluated for each request:
    /// [`Route::resolved_pass`](crate::routing::route::Route::resolved_pass).
    Url(Template),
}

/// The location of a `proxy_pass`.
pub(crate) struct PassLocation<'p> {
    pub(crate) path: &'p str,
    /// Whether the path is a prefix of the request's, so that a URI can replace it.
    pub(crate) has_prefix: bool,
}

/// The `proxy_*` directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct ProxyLevel {
    version: Option<Version>,
    set_fields: Option<Vec<(String, Template)>>,
    pass_fields: Option<Vec<String>>,
    hide_fields: Option<Vec<String>>,
    redirects: Option<Vec<RedirectRule>>,
    cookie_domains: Option<Vec<Option<CookieRule>>>,
    cookie_paths: Option<Vec<Option<CookieRule>>>,
    cookie_flags: Option<Vec<Option<CookieFlagRule>>>,
    ignored: Option<Vec<String>>,
    bind: Option<Option<LocalAddress>>,
    store: StoreLevel,
    cache: CacheLevel,
    forces_ranges: Option<bool>,
    rate: Option<u64>,
    connect_timeout: Option<Duration>,
    send_timeout: Option<Duration>,
    read_timeout: Option<Duration>,
    tls: UpstreamTlsLevel,
    request: RequestLevel,
}

/// Fields that nginx hides unless `proxy_pass_header` names them. It also hides Date, which a proxy has to keep (RFC
/// 9110 §6.6.1).
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
    /// Reads any `proxy_*` directive but `proxy_pass`, which is read with its location.
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        let name = || directive.first().to_owned();
        if self.cache.read(directive, reader)? {
            return self.check_store(directive);
        }
        match setting(directive) {
            "http_version" => {
                self.version = Some(match directive.first() {
                    "1.0" => Version::Http10,
                    "1.1" => Version::Http11,
                    other => return Err(directive.invalid(other, "1.0, 1.1")),
                });
            }
            "set_header" => self.set_fields.get_or_insert_default().push(set_field(directive, reader)?),
            "pass_header" => self.pass_fields.get_or_insert_default().push(name()),
            "hide_header" => self.hide_fields.get_or_insert_default().push(name()),
            "redirect" => {
                self.redirects.get_or_insert_default().push(RedirectRule::read(directive, reader)?);
            }
            "cookie_domain" => {
                self.cookie_domains.get_or_insert_default().push(CookieRule::read(directive, reader)?);
            }
            "cookie_path" => {
                self.cookie_paths.get_or_insert_default().push(CookieRule::read(directive, reader)?);
            }
            "ignore_headers" => self.ignored.get_or_insert_default().extend(ignored(directive)?),
            "cookie_flags" => {
                self.cookie_flags.get_or_insert_default().push(CookieFlagRule::read(directive, reader)?);
            }
            "bind" => self.bind = Some(LocalAddress::read(directive, reader)?),
            "store" => {
                self.store.read_destination(directive, reader)?;
                self.check_store(directive)?;
            }
            "force_ranges" => self.forces_ranges = Some(directive.flag()?),
            "store_access" => self.store.read_access(directive)?,
            "limit_rate" => self.rate = Some(directive.size()?),
            "connect_timeout" => self.connect_timeout = Some(directive.time()?),
            "send_timeout" => self.send_timeout = Some(directive.time()?),
            "read_timeout" => self.read_timeout = Some(directive.time()?),
            other => match other.strip_prefix("ssl_") {
                Some(setting) => self.tls.read(setting, directive, reader)?,
                None => self.request.read(directive, reader)?,
            },
        }
        Ok(())
    }

    /// A block either stores responses or caches them.
    fn check_store(&self, directive: &Directive) -> Result<(), ConfError> {
        if !(self.store.is_on() && self.cache.is_on()) {
            return Ok(());
        }
        let prefix = directive.name.split('_').next().unwrap_or_default();
        let message = format!("\"{prefix}_store\" is incompatible with \"{prefix}_cache\"");
        Err(directive.error(ConfErrorKind::Conflict(message)))
    }

    /// Fills in from the enclosing block. Lists are inherited as a whole: a block with one `proxy_set_header` inherits
    /// none.
    pub(crate) fn inherit(self, outer: &ProxyLevel) -> ProxyLevel {
        let (has_store, has_cache) = (self.store.is_on(), self.cache.is_on());
        let (mut store, mut cache) = (self.store.inherit(&outer.store), self.cache.inherit(&outer.cache));
        // as in nginx: the inner block decides which of the two it is
        if has_store {
            cache.turn_off();
        } else if has_cache {
            store.turn_off();
        }
        ProxyLevel {
            version: self.version.or(outer.version),
            set_fields: self.set_fields.or_else(|| outer.set_fields.clone()),
            pass_fields: self.pass_fields.or_else(|| outer.pass_fields.clone()),
            hide_fields: self.hide_fields.or_else(|| outer.hide_fields.clone()),
            redirects: self.redirects.or_else(|| outer.redirects.clone()),
            cookie_domains: self.cookie_domains.or_else(|| outer.cookie_domains.clone()),
            cookie_paths: self.cookie_paths.or_else(|| outer.cookie_paths.clone()),
            cookie_flags: self.cookie_flags.or_else(|| outer.cookie_flags.clone()),
            ignored: self.ignored.or_else(|| outer.ignored.clone()),
            bind: self.bind.or_else(|| outer.bind.clone()),
            store,
            cache,
            forces_ranges: self.forces_ranges.or(outer.forces_ranges),
            rate: self.rate.or(outer.rate),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            send_timeout: self.send_timeout.or(outer.send_timeout),
            read_timeout: self.read_timeout.or(outer.read_timeout),
            tls: self.tls.inherit(&outer.tls),
            request: self.request.inherit(&outer.request),
        }
    }

    fn hidden(&self, hidden: &[&'static str]) -> FieldNames {
        let passed = self.pass_fields.iter().flatten().map(String::as_str).collect::<FieldNames>();
        let hide = self.hide_fields.iter().flatten().map(String::as_str);
        let by_choice = hidden.iter().copied().chain(hide).filter(|name| !passed.contains(name.as_bytes()));
        HOP_BY_HOP.into_iter().chain(by_choice).collect()
    }
}

/// The rules that apply: none if one of them is `off`.
fn active_rules<R: Clone>(written: Option<&[Option<R>]>) -> Vec<R> {
    written.and_then(|rules| rules.iter().cloned().collect::<Option<Vec<_>>>()).unwrap_or_default()
}

impl ProxyPass {
    #[must_use]
    pub fn is_uwsgi(&self) -> bool {
        self.uwsgi.is_some()
    }

    /// The scheme of its URL, if that has no variables.
    #[must_use]
    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// How a request announces its body, if it has none.
    #[must_use]
    pub fn length_without_body(&self) -> BodyLength {
        if self.fields.announces_empty_body { BodyLength::Sized(0) } else { BodyLength::None }
    }

    pub(crate) fn read(
        directive: &Directive,
        location: &PassLocation<'_>,
        level: &ProxyLevel,
        uwsgi: Option<UwsgiConfig>,
        reader: &mut ConfigReader<'_>,
    ) -> Result<ProxyPass, ConfError> {
        let url = directive.first();
        let is_uwsgi = uwsgi.is_some();
        let accepted = if is_uwsgi { ACCEPTED_UWSGI } else { ACCEPTED };
        let (destination, host, port, uri, may_use_tls) = if url.contains('$') {
            (Destination::Url(reader.template(directive, url)?), String::new(), 0, None, !is_uwsgi)
        } else {
            let parts = if is_uwsgi { pass_url::parse_uwsgi(url) } else { pass_url::parse(url) };
            let parts = parts.map_err(|error| match error {
                PassUrlError::SecureUwsgi => directive.unsupported("TLS", accepted),
                PassUrlError::Malformed => directive.invalid(url, accepted),
            })?;
            if parts.uri.is_some() && !location.has_prefix {
                let message = "\"proxy_pass\" cannot have URI part in location given by regular expression, or inside \
                               named location, or inside \"if\" statement";
                return Err(directive.error(ConfErrorKind::Conflict(message.to_owned())));
            }
            let upstream = reader.upstreams.find_or_add(directive, parts.authority, parts.default_port())?;
            let uri = parts.uri.map(str::to_owned);
            (Destination::Upstream(upstream), parts.host().to_owned(), parts.port(), uri, parts.is_tls)
        };
        let tls = if may_use_tls { Some(PassTls::read(directive, level, reader)?) } else { None };
        let minute = Duration::from_secs(60);
        let fields = SetFields::new(level.set_fields.clone().unwrap_or_default(), reader.version);
        let request = level.request.resolve();
        if fields.announces_empty_body && request.passes_body && request.body.is_none() {
            let message = "\"proxy_set_header Content-Length 0\" needs \"proxy_pass_request_body off\", because the \
                           upstream would take the body for another request";
            return Err(directive.error(ConfErrorKind::Conflict(message.to_owned())));
        }
        Ok(ProxyPass {
            request,
            hidden: if is_uwsgi { level.hidden(&HIDDEN[2..]) } else { level.hidden(&HIDDEN) },
            uwsgi,
            destination,
            host,
            port,
            matched: location.path.len(),
            version: level.version.unwrap_or(match reader.version.keeps_upstream_connections() {
                true => Version::Http11,
                false => Version::Http10,
            }),
            fields,
            redirects: if is_uwsgi {
                Vec::new()
            } else {
                redirect::resolve(directive, level.redirects.as_deref(), uri.is_some(), location.path)?
            },
            cookies: CookieRules {
                domains: active_rules(level.cookie_domains.as_deref()),
                paths: active_rules(level.cookie_paths.as_deref()),
                flags: active_rules(level.cookie_flags.as_deref()),
            },
            ignored: level.ignored.iter().flatten().map(String::as_str).collect(),
            bind: level.bind.clone().flatten(),
            store: level.store.resolve(),
            cache: level.cache.resolve(directive, reader)?.map(Box::new),
            forces_ranges: level.forces_ranges.unwrap_or(false),
            rate: level.rate.unwrap_or(0),
            connect_timeout: level.connect_timeout.unwrap_or(minute),
            send_timeout: level.send_timeout.unwrap_or(minute),
            read_timeout: level.read_timeout.unwrap_or(minute),
            uri,
            tls,
        })
    }
}

impl PassTls {
    fn read(directive: &Directive, level: &ProxyLevel, reader: &mut ConfigReader<'_>) -> Result<PassTls, ConfError> {
        reader.upstream_tls.push(level.tls.resolve(directive)?);
        Ok(PassTls { config: reader.upstream_tls.len() - 1, name: level.tls.name().cloned() })
    }
}

const ACCEPTED_UWSGI: &str = "HOST:PORT, uwsgi://HOST:PORT, unix:/PATH, or the name of an upstream";
const ACCEPTED: &str =
    "http:// or https://, then HOST[:PORT][/URI] or unix:/PATH[:/URI], HOST an upstream or an address";

fn ignored(directive: &Directive) -> Result<Vec<String>, ConfError> {
    const FIELDS: [&str; 9] = [
        "X-Accel-Redirect",
        "X-Accel-Expires",
        "X-Accel-Limit-Rate",
        "X-Accel-Buffering",
        "X-Accel-Charset",
        "Expires",
        "Cache-Control",
        "Set-Cookie",
        "Vary",
    ];
    let fields = directive.args.iter().map(|arg| {
        let is_known = FIELDS.iter().any(|field| field.eq_ignore_ascii_case(&arg.value));
        let accepted = "X-Accel-Redirect, X-Accel-Expires, X-Accel-Limit-Rate, X-Accel-Buffering, X-Accel-Charset, \
                        Expires, Cache-Control, Set-Cookie, Vary";
        if is_known { Ok(arg.value.clone()) } else { Err(directive.invalid(&arg.value, accepted)) }
    });
    fields.collect()
}

/// Whether it is a framing field with the value that the proxy sends anyway, or without one.
fn is_own_framing(directive: &Directive) -> bool {
    let own_values: &[&str] = match directive.first() {
        name if name.eq_ignore_ascii_case("Content-Length") => &["", "$content_length", "$http_content_length"],
        name if name.eq_ignore_ascii_case("Transfer-Encoding") => &["", "$http_transfer_encoding"],
        _ => return false,
    };
    directive.arg(1).is_some_and(|value| own_values.contains(&value))
}

fn set_field(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(String, Template), ConfError> {
    let (name, value) = (directive.first(), directive.arg(1).unwrap_or_default());
    let is_framing = name.eq_ignore_ascii_case("Content-Length") || name.eq_ignore_ascii_case("Transfer-Encoding");
    // the proxy writes these as the body needs them; a file may say so, or leave it to the proxy
    if is_framing && !is_own_framing(directive) && !is_empty_length(name, value) {
        let accepted = "any other field; lab sets the framing itself";
        return Err(directive.unsupported(format!("\"{name}\""), accepted));
    }
    if !Headers::is_clean(name.as_bytes(), b"") {
        return Err(directive.invalid(name, "the name of a field"));
    }
    let value = field_value(directive, name, value, reader)?;
    Ok((name.to_owned(), reader.template(directive, &value)?))
}
