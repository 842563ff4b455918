//! The effective configuration of a location, with nginx's defaults for what no block sets.

use std::sync::Arc;
use std::time::Duration;

use super::access::AccessConfig;
use super::add_header::AddedFields;
use super::autoindex::AutoindexConfig;
use super::error_page::ErrorPage;
use super::filters::addition::AdditionConfig;
use super::filters::brotli::BrotliConfig;
use super::filters::charset::CharsetConfig;
use super::filters::content_coding::ContentCodingConfig;
use super::filters::expires::Expires;
use super::filters::gzip::GzipConfig;
use super::filters::ssi::SsiConfig;
use super::filters::sub_filter::SubFilterConfig;
use super::keepalive::KeepAlive;
use super::keepalive_disable::DisabledKeepAlive;
use super::level::Level;
use super::limits::LimitsConfig;
use super::lingering::Lingering;
use super::mirror::MirrorConfig;
use super::real_ip::RealIp;
use super::referers::ValidReferers;
use super::secure_link::SecureLink;
use super::static_files::{IfModifiedSince, Index, MediaTypes};
use super::symlinks::SymlinkRules;
use super::userid::UserIdConfig;
use crate::config::logs::{AccessLog, ErrorLog};
use crate::config::proxy::buffering::BufferingConfig;
use crate::config::proxy::retry::RetryPolicy;
use crate::config::upstream::resolver::Resolver;
use crate::variables::Template;

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
    /// `sendfile`, `sendfile_max_chunk`: how many bytes the kernel sends of a file at a time; None if files are read.
    pub sendfile_chunk: Option<u64>,
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
    pub zstd: ContentCodingConfig,
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
    /// `slice`: the bytes of a slice; none for `0`.
    pub slice: Option<u64>,
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
            keepalive: self.keepalive.unwrap_or_default(),
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
            sendfile_chunk: files.sendfile_chunk(),
            error_pages: self.error_pages.clone().unwrap_or_default(),
            recursive_error_pages: self.recursive_error_pages.unwrap_or(false),
            added: self.added.clone().unwrap_or_default(),
            trailers: self.trailers.clone().unwrap_or_default(),
            expires: self.expires.clone(),
            charset: self.charset.resolve(),
            gzip: self.gzip.resolve(),
            brotli: self.brotli.resolve(),
            zstd: self.zstd.resolve(1),
            sub_filter: self.sub_filter.resolve(),
            addition: self.addition.resolve(),
            ssi: self.ssi.resolve(),
            secure_link: self.secure_link.resolve(),
            mirror: self.mirror.resolve(),
            post_action: self.post_action.clone(),
            userid: self.userid.resolve(),
            max_ranges: self.max_ranges,
            slice: self.slice.filter(|size| *size > 0),
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
