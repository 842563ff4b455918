//! The directives that a block inherits from the enclosing one, and their effective values for a location.

use std::sync::Arc;
use std::time::Duration;

use super::access::{AccessConfig, AccessLevel};
use super::add_header::AddedFields;
use super::addition::{AdditionConfig, AdditionLevel};
use super::autoindex::{AutoindexConfig, AutoindexLevel};
use super::brotli::{BrotliConfig, BrotliLevel};
use super::charset::{CharsetConfig, CharsetLevel};
use super::error_page::ErrorPage;
use super::expires::Expires;
use super::gateway::GatewayLevel;
use super::gzip::{GzipConfig, GzipLevel};
use super::keepalive_disable::DisabledKeepAlive;
use super::limits::{LimitsConfig, LimitsLevel};
use super::lingering::{Lingering, LingeringLevel};
use super::mirror::{MirrorConfig, MirrorLevel};
use super::real_ip::{RealIp, RealIpLevel};
use super::referers::ValidReferers;
use super::secure_link::{SecureLink, SecureLinkLevel};
use super::ssi::{SsiConfig, SsiLevel};
use super::static_files::{FilesLevel, IfModifiedSince, Index, MediaTypes};
use super::sub_filter::{SubFilterConfig, SubFilterLevel};
use super::symlinks::SymlinkRules;
use super::userid::{UserIdConfig, UserIdLevel};
use crate::config::logs::{AccessLog, ErrorLog};
use crate::config::proxy::buffering::{BufferingConfig, BufferingLevel};
use crate::config::proxy::retry::RetryPolicy;
use crate::config::proxy::uwsgi::UwsgiLevel;
use crate::config::reader::ConfigReader;
use crate::config::request_head::{RequestHeadConfig, RequestHeadLevel};
use crate::config::upstream::resolver::{Resolver, ResolverDirective};
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

/// The directives of one block; `None` where the block does not have one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Level {
    pub(crate) access_log: Option<Vec<AccessLog>>,
    pub(crate) error_log: Option<ErrorLog>,
    pub(crate) server_tokens: Option<bool>,
    pub(crate) tcp_nodelay: Option<bool>,
    pub(crate) client_body_timeout: Option<Duration>,
    pub(crate) client_max_body_size: Option<u64>,
    pub(crate) send_timeout: Option<Duration>,
    pub(crate) lingering: LingeringLevel,
    pub(crate) keepalive: Option<KeepAlive>,
    pub(crate) keepalive_requests: Option<usize>,
    pub(crate) keepalive_time: Option<Duration>,
    pub(crate) resolver: Option<ResolverDirective>,
    pub(crate) resolver_timeout: Option<Duration>,
    pub(crate) redirects: RedirectLevel,
    pub(crate) files: FilesLevel,
    pub(crate) error_pages: Option<Vec<ErrorPage>>,
    pub(crate) recursive_error_pages: Option<bool>,
    pub(crate) added: Option<AddedFields>,
    pub(crate) trailers: Option<AddedFields>,
    pub(crate) expires: Option<Expires>,
    pub(crate) charset: CharsetLevel,
    pub(crate) gzip: GzipLevel,
    pub(crate) brotli: BrotliLevel,
    pub(crate) sub_filter: SubFilterLevel,
    pub(crate) addition: AdditionLevel,
    pub(crate) ssi: SsiLevel,
    pub(crate) secure_link: SecureLinkLevel,
    pub(crate) mirror: MirrorLevel,
    pub(crate) post_action: Option<String>,
    pub(crate) userid: UserIdLevel,
    pub(crate) max_ranges: Option<usize>,
    pub(crate) chunks: Option<bool>,
    pub(crate) access: AccessLevel,
    pub(crate) limits: LimitsLevel,
    pub(crate) autoindex: AutoindexLevel,
    pub(crate) referers: Option<ValidReferers>,
    pub(crate) keepalive_disable: Option<DisabledKeepAlive>,
    pub(crate) rate: Option<Template>,
    pub(crate) rate_after: Option<Template>,
    pub(crate) real_ip: RealIpLevel,
    pub(crate) heads: RequestHeadLevel,
    pub(crate) proxy: GatewayLevel,
    pub(crate) uwsgi: GatewayLevel,
    pub(crate) uwsgi_only: UwsgiLevel,
    /// `client_body_buffer_size`, `client_body_temp_path`
    pub(crate) client_bodies: BufferingLevel,
}

/// How redirects that the proxy makes itself are written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RedirectLevel {
    absolute: Option<bool>,
    port: Option<bool>,
    server_name: Option<bool>,
}

/// `keepalive_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long a connection may wait for its next request; zero closes it after each.
    pub idle: Duration,
    /// The value of `Keep-Alive: timeout=` in responses.
    pub announced: Option<Duration>,
}

/// The effective configuration of a request, once its server and location are known.
#[derive(Debug, Clone)]
pub struct LocationConfig {
    /// `access_log`; empty when off. Without the directive it is off, unlike in nginx.
    pub access_log: Vec<AccessLog>,
    /// `error_log`
    pub error_log: ErrorLog,
    /// `server_tokens`: whether `Server` and error pages name the version.
    pub server_tokens: bool,
    /// `tcp_nodelay`
    pub tcp_nodelay: bool,
    /// `client_body_timeout`: between two reads of a body.
    pub client_body_timeout: Duration,
    /// `client_max_body_size` in bytes. A larger body is refused with 413; None (`0`) allows any.
    pub client_max_body_size: Option<u64>,
    /// `send_timeout`: between two writes of a response.
    pub send_timeout: Duration,
    /// `lingering_close`, `lingering_time`, `lingering_timeout`
    pub lingering: Lingering,
    /// `keepalive_timeout`
    pub keepalive: KeepAlive,
    /// `keepalive_requests`: how many requests a connection serves before it closes.
    pub keepalive_requests: usize,
    /// `keepalive_time`: how long a connection serves requests before it closes.
    pub keepalive_time: Duration,
    /// `resolver`: how to look up a name in a `proxy_pass` with variables. Without it, such a name is an error.
    pub resolver: Option<Resolver>,
    /// `absolute_redirect`: whether a redirect to a path gets an origin.
    pub absolute_redirect: bool,
    /// `port_in_redirect`: whether that origin has a port.
    pub port_in_redirect: bool,
    /// `server_name_in_redirect`: whether its host is the server's first name instead of the one the client used.
    pub server_name_in_redirect: bool,
    /// `index`
    pub index: Vec<Index>,
    /// `types`
    pub types: Arc<MediaTypes>,
    /// `default_type`
    pub default_type: String,
    /// `etag`
    pub etag: bool,
    /// `if_modified_since`
    pub if_modified_since: IfModifiedSince,
    /// `log_not_found`: whether the error log has missing files.
    pub log_not_found: bool,
    /// `disable_symlinks`; none for `off`.
    pub symlinks: Option<SymlinkRules>,
    /// `error_page`
    pub error_pages: Vec<ErrorPage>,
    /// `recursive_error_pages`: whether an error page may have an error page.
    pub recursive_error_pages: bool,
    /// `add_header`
    pub added: AddedFields,
    /// `add_trailer`
    pub trailers: AddedFields,
    /// `expires`
    pub expires: Option<Expires>,
    pub charset: CharsetConfig,
    pub gzip: GzipConfig,
    pub brotli: BrotliConfig,
    /// None without a `sub_filter`.
    pub sub_filter: Option<Box<SubFilterConfig>>,
    /// None if nothing is added.
    pub addition: Option<Box<AdditionConfig>>,
    /// None without `ssi on`.
    pub ssi: Option<Box<SsiConfig>>,
    /// None without a `secure_link`.
    pub secure_link: Option<SecureLink>,
    /// None with `userid off`.
    pub userid: Option<Box<UserIdConfig>>,
    /// None without a `mirror`.
    pub mirror: Option<MirrorConfig>,
    /// `post_action`: the path or named location that gets a request after the response.
    pub post_action: Option<String>,
    /// `max_ranges`: how many ranges a request may ask for; 0 switches ranges off.
    pub max_ranges: Option<usize>,
    /// `chunked_transfer_encoding`: whether bodies of unknown length are sent in chunks. Otherwise their end is that of the
    /// connection.
    pub chunks: bool,
    /// None if everybody has access.
    pub access: Option<Box<AccessConfig>>,
    /// None without limits.
    pub limits: Option<Box<LimitsConfig>>,
    /// None if folders are not listed.
    pub autoindex: Option<AutoindexConfig>,
    /// `valid_referers`; without it every referer is valid.
    pub referers: Option<ValidReferers>,
    /// `keepalive_disable`
    pub keepalive_disable: DisabledKeepAlive,
    /// `limit_rate`: a size in bytes per second; 0 for no limit.
    pub rate: Option<Template>,
    /// `limit_rate_after`: how many bytes are sent before the limit applies.
    pub rate_after: Option<Template>,
    /// `set_real_ip_from`, `real_ip_header` and `real_ip_recursive`.
    pub real_ip: RealIp,
    /// `proxy_intercept_errors`: whether `error_page` replaces responses of an upstream with a status from 300.
    pub intercept_errors: bool,
    /// `proxy_ignore_client_abort`: whether an upstream may finish its response after the client has left.
    pub ignore_client_abort: bool,
    /// `proxy_next_upstream`
    pub retry: RetryPolicy,
    pub buffering: BufferingConfig,
}

impl LocationConfig {
    /// The error page for a status.
    #[must_use]
    pub fn error_page(&self, status: u16) -> Option<&ErrorPage> {
        self.error_pages.iter().find(|page| page.status == status)
    }
}

impl Level {
    /// Reads the directives of a block. Ignores those that are not inherited.
    pub(crate) fn read(block: &[Directive], reader: &mut ConfigReader<'_>) -> Level {
        let mut level = Level::default();
        for directive in block {
            let read = level.read_directive(directive, reader);
            reader.keep(read);
        }
        level
    }

    fn read_directive(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        let name = directive.name.as_str();
        match name {
            "access_log" => {
                let logs = self.access_log.get_or_insert_default();
                logs.extend(AccessLog::read(directive, reader)?);
            }
            "error_log" => self.error_log.get_or_insert_with(ErrorLog::empty).add(directive, reader)?,
            "server_tokens" => self.server_tokens = Some(server_tokens(directive)?),
            // how the kernel sends is not configurable; the value is still validated
            "sendfile" | "tcp_nopush" => _ = directive.flag()?,
            // the layout of tables in memory is not configurable either
            name if name.ends_with("_hash_max_size") || name.ends_with("_hash_bucket_size") => {
                _ = directive.size()?;
            }
            "tcp_nodelay" => self.tcp_nodelay = Some(directive.flag()?),
            "client_body_timeout" => self.client_body_timeout = Some(directive.time()?),
            "client_max_body_size" => self.client_max_body_size = Some(directive.size()?),
            "send_timeout" => self.send_timeout = Some(directive.time()?),
            name if name.starts_with("lingering_") => self.lingering.read(directive)?,
            "keepalive_timeout" => self.keepalive = Some(keep_alive(directive)?),
            "keepalive_requests" => self.keepalive_requests = Some(directive.number()?),
            "keepalive_time" => self.keepalive_time = Some(directive.time()?),
            "resolver" => self.resolver = Some(ResolverDirective::read(directive)?),
            "resolver_timeout" => self.resolver_timeout = Some(directive.time()?),
            "error_page" => ErrorPage::read(directive, reader, self.error_pages.get_or_insert_default())?,
            "recursive_error_pages" => self.recursive_error_pages = Some(directive.flag()?),
            "add_header" => self.added.get_or_insert_default().read(directive, reader)?,
            "add_trailer" => self.trailers.get_or_insert_default().read(directive, reader)?,
            "expires" => self.expires = Some(Expires::read(directive, reader)?),
            "charset" | "override_charset" | "charset_types" => self.charset.read(directive, reader)?,
            "gunzip" => self.gzip.read(directive)?,
            name if name.starts_with("gzip") => self.gzip.read(directive)?,
            name if name.starts_with("brotli") => self.brotli.read(directive)?,
            name if name.starts_with("sub_filter") => self.sub_filter.read(directive, reader)?,
            "add_before_body" | "add_after_body" | "addition_types" => self.addition.read(directive)?,
            name if name == "ssi" || name.starts_with("ssi_") => {
                self.ssi.read(directive)?;
                // commands may name any variable
                reader.needs_response_heads |= self.ssi.is_on();
                reader.needs_request_body |= self.ssi.is_on();
            }
            name if name.starts_with("secure_link") => self.secure_link.read(directive, reader)?,
            name if name.starts_with("userid") => self.userid.read(directive, reader)?,
            "mirror" | "mirror_request_body" => self.mirror.read(directive)?,
            "post_action" => self.post_action = Some(post_action(directive)?),
            "chunked_transfer_encoding" => self.chunks = Some(directive.flag()?),
            "allow" | "deny" | "satisfy" => self.access.read(directive, reader)?,
            name if name.starts_with("auth_") => self.access.read(directive, reader)?,
            "valid_referers" => self.referers.get_or_insert_default().read(directive, reader)?,
            "keepalive_disable" => self.keepalive_disable = Some(DisabledKeepAlive::read(directive)?),
            "limit_rate" => self.rate = Some(rate(directive, reader)?),
            "limit_rate_after" => self.rate_after = Some(rate(directive, reader)?),
            "limit_req_zone" | "limit_conn_zone" | "limit_except" => {}
            name if name.starts_with("limit_") => self.limits.read(directive, reader)?,
            name if name.starts_with("autoindex") => self.autoindex.read(directive)?,
            "max_ranges" => self.max_ranges = Some(directive.number()?),
            "absolute_redirect" => self.redirects.absolute = Some(directive.flag()?),
            "port_in_redirect" => self.redirects.port = Some(directive.flag()?),
            "server_name_in_redirect" => self.redirects.server_name = Some(directive.flag()?),
            "client_body_buffer_size" | "client_body_temp_path" | "client_body_in_file_only" => {
                self.client_bodies.read(directive, reader)?;
            }
            "uwsgi_param" | "uwsgi_modifier1" | "uwsgi_modifier2" => self.uwsgi_only.read(directive, reader)?,
            name if name.starts_with("proxy_") => self.proxy.read(directive, reader)?,
            name if name.starts_with("uwsgi_") => self.uwsgi.read(directive, reader)?,
            _ => {
                self.files.read(directive, reader)?;
                self.real_ip.read(directive)?;
                self.heads.read(directive)?;
            }
        }
        Ok(())
    }

    /// Fills in what this block does not set from the enclosing one.
    pub(crate) fn inherit(self, outer: &Level) -> Level {
        Level {
            access_log: self.access_log.or_else(|| outer.access_log.clone()),
            error_log: self.error_log.or_else(|| outer.error_log.clone()),
            server_tokens: self.server_tokens.or(outer.server_tokens),
            tcp_nodelay: self.tcp_nodelay.or(outer.tcp_nodelay),
            client_body_timeout: self.client_body_timeout.or(outer.client_body_timeout),
            client_max_body_size: self.client_max_body_size.or(outer.client_max_body_size),
            send_timeout: self.send_timeout.or(outer.send_timeout),
            lingering: self.lingering.inherit(outer.lingering),
            keepalive: self.keepalive.or(outer.keepalive),
            keepalive_requests: self.keepalive_requests.or(outer.keepalive_requests),
            keepalive_time: self.keepalive_time.or(outer.keepalive_time),
            resolver: self.resolver.or(outer.resolver),
            resolver_timeout: self.resolver_timeout.or(outer.resolver_timeout),
            redirects: RedirectLevel {
                absolute: self.redirects.absolute.or(outer.redirects.absolute),
                port: self.redirects.port.or(outer.redirects.port),
                server_name: self.redirects.server_name.or(outer.redirects.server_name),
            },
            files: self.files.inherit(&outer.files),
            error_pages: self.error_pages.or_else(|| outer.error_pages.clone()),
            recursive_error_pages: self.recursive_error_pages.or(outer.recursive_error_pages),
            added: self.added.or_else(|| outer.added.clone()),
            trailers: self.trailers.or_else(|| outer.trailers.clone()),
            expires: self.expires.or_else(|| outer.expires.clone()),
            charset: self.charset.inherit(&outer.charset),
            gzip: self.gzip.inherit(&outer.gzip),
            brotli: self.brotli.inherit(&outer.brotli),
            sub_filter: self.sub_filter.inherit(&outer.sub_filter),
            addition: self.addition.inherit(&outer.addition),
            ssi: self.ssi.inherit(&outer.ssi),
            secure_link: self.secure_link.inherit(&outer.secure_link),
            mirror: self.mirror.inherit(&outer.mirror),
            post_action: self.post_action.or_else(|| outer.post_action.clone()),
            userid: self.userid.inherit(&outer.userid),
            max_ranges: self.max_ranges.or(outer.max_ranges),
            chunks: self.chunks.or(outer.chunks),
            access: self.access.inherit(&outer.access),
            limits: self.limits.inherit(&outer.limits),
            autoindex: self.autoindex.inherit(outer.autoindex),
            referers: self.referers.or_else(|| outer.referers.clone()),
            keepalive_disable: self.keepalive_disable.or(outer.keepalive_disable),
            rate: self.rate.or_else(|| outer.rate.clone()),
            rate_after: self.rate_after.or_else(|| outer.rate_after.clone()),
            real_ip: self.real_ip.inherit(&outer.real_ip),
            heads: self.heads.inherit(outer.heads),
            proxy: self.proxy.inherit(&outer.proxy),
            uwsgi: self.uwsgi.inherit(&outer.uwsgi),
            uwsgi_only: self.uwsgi_only.inherit(&outer.uwsgi_only),
            client_bodies: self.client_bodies.inherit(&outer.client_bodies),
        }
    }

    /// How the server with this block reads heads of requests.
    pub(crate) fn request_head(&self, block: &[Directive]) -> Result<RequestHeadConfig, ConfError> {
        let mut own = RequestHeadLevel::default();
        for directive in block {
            own.read(directive)?;
        }
        Ok(own.inherit(self.heads).resolve())
    }

    /// The effective values, with nginx's defaults for what no block sets. `is_uwsgi` is whether `uwsgi_pass` serves the
    /// location, so that the `uwsgi_*` directives apply instead of `proxy_*`.
    pub(crate) fn resolve(&self, is_uwsgi: bool) -> LocationConfig {
        let gateway = if is_uwsgi { &self.uwsgi } else { &self.proxy };
        let minute = Duration::from_secs(60);
        let files = &self.files;
        LocationConfig {
            access_log: self.access_log.clone().unwrap_or_default(),
            error_log: self.error_log.clone().unwrap_or_default(),
            server_tokens: self.server_tokens.unwrap_or(true),
            tcp_nodelay: self.tcp_nodelay.unwrap_or(true),
            client_body_timeout: self.client_body_timeout.unwrap_or(minute),
            client_max_body_size: Some(self.client_max_body_size.unwrap_or(1 << 20)).filter(|size| *size > 0),
            send_timeout: self.send_timeout.unwrap_or(minute),
            lingering: self.lingering.resolve(),
            keepalive: self.keepalive.unwrap_or(KeepAlive { idle: Duration::from_secs(75), announced: None }),
            keepalive_requests: self.keepalive_requests.unwrap_or(1000),
            keepalive_time: self.keepalive_time.unwrap_or(Duration::from_secs(3600)),
            resolver: self.resolver.map(|resolver| resolver.resolve(self.resolver_timeout)),
            absolute_redirect: self.redirects.absolute.unwrap_or(true),
            port_in_redirect: self.redirects.port.unwrap_or(true),
            server_name_in_redirect: self.redirects.server_name.unwrap_or(false),
            index: files.index.clone().unwrap_or_else(Index::default_list),
            types: files.types.clone().unwrap_or_default(),
            default_type: files.default_type.clone().unwrap_or_else(|| "text/plain".to_owned()),
            etag: files.etag.unwrap_or(true),
            if_modified_since: files.if_modified_since.unwrap_or_default(),
            log_not_found: files.log_not_found.unwrap_or(true),
            symlinks: files.symlinks.clone().flatten(),
            error_pages: self.error_pages.clone().unwrap_or_default(),
            recursive_error_pages: self.recursive_error_pages.unwrap_or(false),
            added: self.added.clone().unwrap_or_default(),
            trailers: self.trailers.clone().unwrap_or_default(),
            expires: self.expires.clone(),
            charset: self.charset.resolve(),
            gzip: self.gzip.resolve(),
            brotli: self.brotli.resolve(),
            sub_filter: self.sub_filter.resolve(),
            addition: self.addition.resolve(),
            ssi: self.ssi.resolve(),
            secure_link: self.secure_link.resolve(),
            mirror: self.mirror.resolve(),
            post_action: self.post_action.clone(),
            userid: self.userid.resolve(),
            max_ranges: self.max_ranges,
            chunks: self.chunks.unwrap_or(true),
            access: self.access.resolve(),
            limits: self.limits.resolve(),
            autoindex: self.autoindex.resolve(),
            referers: self.referers.clone(),
            keepalive_disable: self.keepalive_disable.unwrap_or_default(),
            rate: self.rate.clone(),
            rate_after: self.rate_after.clone(),
            real_ip: self.real_ip.resolve(),
            intercept_errors: gateway.intercept_errors.unwrap_or(false),
            ignore_client_abort: gateway.ignore_client_abort.unwrap_or(false),
            retry: gateway.retry.resolve(),
            buffering: gateway.buffering.clone().inherit(&self.client_bodies).resolve(),
        }
    }
}

fn post_action(directive: &Directive) -> Result<String, ConfError> {
    match directive.first() {
        target if target.starts_with(['/', '@']) => Ok(target.to_owned()),
        other => Err(directive.invalid(other, "/path, @name")),
    }
}

fn server_tokens(directive: &Directive) -> Result<bool, ConfError> {
    if directive.first() == "build" {
        return Err(directive.unsupported("\"build\"", "on, off"));
    }
    directive.flag()
}

/// A size, perhaps with variables.
fn rate(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Template, ConfError> {
    let text = directive.first();
    if !text.contains('$') {
        directive.size()?;
    }
    reader.template(directive, text)
}

fn keep_alive(directive: &Directive) -> Result<KeepAlive, ConfError> {
    let announced = directive.arg(1).map(|value| directive.parse_time(value)).transpose()?;
    Ok(KeepAlive { idle: directive.time()?, announced: announced.filter(|time| !time.is_zero()) })
}
