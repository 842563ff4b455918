//! The directives that a block inherits from the enclosing one.

use std::time::Duration;

use super::access::AccessLevel;
use super::add_header::AddedFields;
use super::autoindex::AutoindexLevel;
use super::error_page::ErrorPage;
use super::filters::addition::AdditionLevel;
use super::filters::brotli::BrotliLevel;
use super::filters::charset::CharsetLevel;
use super::filters::content_coding::{ContentCodingLevel, LevelRange};
use super::filters::expires::Expires;
use super::filters::gzip::GzipLevel;
use super::filters::ssi::SsiLevel;
use super::filters::sub_filter::SubFilterLevel;
use super::gateway::GatewayLevel;
use super::keepalive::KeepAlive;
use super::keepalive_disable::DisabledKeepAlive;
use super::limits::LimitsLevel;
use super::lingering::LingeringLevel;
use super::mirror::MirrorLevel;
use super::real_ip::RealIpLevel;
use super::redirects::RedirectLevel;
use super::referers::ValidReferers;
use super::secure_link::SecureLinkLevel;
use super::static_files::FilesLevel;
use super::userid::UserIdLevel;
use crate::config::logs::{AccessLog, ErrorLog};
use crate::config::proxy::buffering::BufferingLevel;
use crate::config::proxy::uwsgi::UwsgiLevel;
use crate::config::reader::ConfigReader;
use crate::config::request_head::{RequestHeadConfig, RequestHeadLevel};
use crate::config::upstream::resolver::ResolverDirective;
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
    pub(crate) zstd: ContentCodingLevel,
    pub(crate) sub_filter: SubFilterLevel,
    pub(crate) addition: AdditionLevel,
    pub(crate) ssi: SsiLevel,
    pub(crate) secure_link: SecureLinkLevel,
    pub(crate) mirror: MirrorLevel,
    pub(crate) post_action: Option<String>,
    pub(crate) userid: UserIdLevel,
    pub(crate) max_ranges: Option<usize>,
    pub(crate) slice: Option<u64>,
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

const ZSTD_LEVELS: LevelRange = (1..=22, "a level from 1 to 22");

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
            // a head always shares its segment with the body; the value is still validated
            "tcp_nopush" => _ = directive.flag()?,
            // the layout of tables in memory is not configurable either
            name if name.ends_with("_hash_max_size") || name.ends_with("_hash_bucket_size") => {
                _ = directive.size()?;
            }
            "tcp_nodelay" => self.tcp_nodelay = Some(directive.flag()?),
            "client_body_timeout" => self.client_body_timeout = Some(directive.time()?),
            "client_max_body_size" => self.client_max_body_size = Some(directive.size()?),
            "send_timeout" => self.send_timeout = Some(directive.time()?),
            name if name.starts_with("lingering_") => self.lingering.read(directive)?,
            "keepalive_timeout" => self.keepalive = Some(KeepAlive::read(directive)?),
            "keepalive_requests" => self.keepalive_requests = Some(directive.number()?),
            "keepalive_time" => self.keepalive_time = Some(directive.time()?),
            "resolver" => self.resolver = Some(ResolverDirective::read(directive)?),
            "resolver_timeout" => self.resolver_timeout = Some(directive.time()?),
            "error_page" => ErrorPage::read(directive, reader, self.error_pages.get_or_insert_default())?,
            "recursive_error_pages" => self.recursive_error_pages = Some(directive.flag()?),
            "add_header" => self.added.get_or_insert_default().read(directive, reader)?,
            "add_trailer" => self.trailers.get_or_insert_default().read(directive, reader)?,
            "expires" => self.expires = Some(Expires::read(directive, reader)?),
            "charset" | "source_charset" | "override_charset" | "charset_types" => {
                self.charset.read(directive, reader)?;
            }
            "gunzip" => self.gzip.read(directive)?,
            name if name.starts_with("gzip") => self.gzip.read(directive)?,
            name if name.starts_with("brotli") => self.brotli.read(directive)?,
            name if name.starts_with("zstd") => self.zstd.read(directive, "zstd", &ZSTD_LEVELS)?,
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
            "slice" => self.slice = Some(directive.size()?),
            "absolute_redirect" | "port_in_redirect" | "server_name_in_redirect" => self.redirects.read(directive)?,
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
            redirects: self.redirects.inherit(outer.redirects),
            files: self.files.inherit(&outer.files),
            error_pages: self.error_pages.or_else(|| outer.error_pages.clone()),
            recursive_error_pages: self.recursive_error_pages.or(outer.recursive_error_pages),
            added: self.added.or_else(|| outer.added.clone()),
            trailers: self.trailers.or_else(|| outer.trailers.clone()),
            expires: self.expires.or_else(|| outer.expires.clone()),
            charset: self.charset.inherit(&outer.charset),
            gzip: self.gzip.inherit(&outer.gzip),
            brotli: self.brotli.inherit(&outer.brotli),
            zstd: self.zstd.inherit(&outer.zstd),
            sub_filter: self.sub_filter.inherit(&outer.sub_filter),
            addition: self.addition.inherit(&outer.addition),
            ssi: self.ssi.inherit(&outer.ssi),
            secure_link: self.secure_link.inherit(&outer.secure_link),
            mirror: self.mirror.inherit(&outer.mirror),
            post_action: self.post_action.or_else(|| outer.post_action.clone()),
            userid: self.userid.inherit(&outer.userid),
            max_ranges: self.max_ranges.or(outer.max_ranges),
            slice: self.slice.or(outer.slice),
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
}

fn post_action(directive: &Directive) -> Result<String, ConfError> {
    match directive.first() {
        target if target.starts_with(['/', '@']) => Ok(target.to_owned()),
        other => Err(directive.invalid(other, "/path, @name")),
    }
}

fn server_tokens(directive: &Directive) -> Result<bool, ConfError> {
    match directive.first() {
        // As in an nginx that was built without a name.
        "build" => Ok(true),
        _ => directive.flag(),
    }
}

/// A size, perhaps with variables.
fn rate(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Template, ConfError> {
    let text = directive.first();
    if !text.contains('$') {
        directive.size()?;
    }
    reader.template(directive, text)
}
