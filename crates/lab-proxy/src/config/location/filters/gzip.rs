//! `gzip`, `gzip_static`, `gunzip`: which responses are compressed, and for which requests.

use super::media_type_set::MediaTypeSet;
use crate::variables::DefinedVariables;
use crate::variables::pattern::Pattern;
use lab_http::Version;
use lab_nginx_conf::{ConfError, Directive};

/// The gzip modules of a location.
#[derive(Debug, Clone)]
pub struct GzipConfig {
    /// `gzip`
    pub is_on: bool,
    /// `gzip_comp_level`: 1 to 9.
    pub level: u32,
    /// `gzip_min_length`, in bytes. Responses of unknown length are compressed.
    pub min_length: u64,
    /// `gzip_types`
    pub types: MediaTypeSet,
    /// `gzip_vary`
    pub vary: bool,
    /// `gzip_http_version`: the lowest version of a request.
    pub version: Version,
    /// `gzip_proxied`
    pub proxied: ProxiedRequests,
    /// `gzip_disable`: patterns of User-Agent.
    pub disabled: Vec<Pattern>,
    /// `gzip_static`
    pub static_files: StaticFiles,
    /// `gunzip`
    pub gunzip: bool,
}

/// `gzip_static`, `brotli_static`, `zstd_static`: whether a compressed file beside a file is sent in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StaticFiles {
    #[default]
    Off,
    /// `on`: to clients that accept it.
    On,
    /// `always`: to all clients.
    Always,
}

impl StaticFiles {
    pub(crate) fn read(directive: &Directive) -> Result<StaticFiles, ConfError> {
        match directive.first() {
            "off" => Ok(StaticFiles::Off),
            "on" => Ok(StaticFiles::On),
            "always" => Ok(StaticFiles::Always),
            other => Err(directive.invalid(other, "on, off, always")),
        }
    }
}

/// `gzip_proxied`: the responses to requests with `Via` that are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProxiedRequests {
    pub is_off: bool,
    pub expired: bool,
    pub no_cache: bool,
    pub no_store: bool,
    pub private: bool,
    pub no_last_modified: bool,
    pub no_etag: bool,
    pub auth: bool,
    pub any: bool,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct GzipLevel {
    is_on: Option<bool>,
    level: Option<u32>,
    min_length: Option<u64>,
    types: Option<MediaTypeSet>,
    vary: Option<bool>,
    version: Option<Version>,
    proxied: Option<ProxiedRequests>,
    disabled: Option<Vec<Pattern>>,
    static_files: Option<StaticFiles>,
    gunzip: Option<bool>,
}

/// Internet Explorer 4 to 6, but not Opera or Internet Explorer 6 with Service Pack 2.
const MSIE6: &str = r"MSIE [4-6]\.";

impl GzipLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "gzip" => self.is_on = Some(directive.flag()?),
            "gzip_comp_level" => {
                let level = lab_nginx_conf::parse_number(directive.first()).filter(|level| matches!(level, 1..=9));
                self.level = Some(level.ok_or_else(|| directive.invalid(directive.first(), "a level from 1 to 9"))?);
            }
            "gzip_min_length" => self.min_length = Some(directive.size()?),
            "gzip_types" => MediaTypeSet::read(directive, &mut self.types),
            "gzip_vary" => self.vary = Some(directive.flag()?),
            "gzip_http_version" => {
                self.version = Some(match directive.first() {
                    "1.0" => Version::Http10,
                    "1.1" => Version::Http11,
                    other => return Err(directive.invalid(other, "1.0, 1.1")),
                });
            }
            "gzip_proxied" => self.proxied = Some(proxied(directive, self.proxied)?),
            "gzip_disable" => {
                let list = self.disabled.get_or_insert_default();
                for arg in &directive.args {
                    list.extend(disabled_agent(directive, &arg.value)?);
                }
            }
            "gzip_static" => self.static_files = Some(StaticFiles::read(directive)?),
            "gunzip" => self.gunzip = Some(directive.flag()?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &GzipLevel) -> GzipLevel {
        GzipLevel {
            is_on: self.is_on.or(outer.is_on),
            level: self.level.or(outer.level),
            min_length: self.min_length.or(outer.min_length),
            types: self.types.or_else(|| outer.types.clone()),
            vary: self.vary.or(outer.vary),
            version: self.version.or(outer.version),
            proxied: self.proxied.or(outer.proxied),
            disabled: self.disabled.or_else(|| outer.disabled.clone()),
            static_files: self.static_files.or(outer.static_files),
            gunzip: self.gunzip.or(outer.gunzip),
        }
    }

    /// The effective values, with nginx's defaults.
    pub(crate) fn resolve(&self) -> GzipConfig {
        GzipConfig {
            is_on: self.is_on.unwrap_or(false),
            level: self.level.unwrap_or(1),
            min_length: self.min_length.unwrap_or(20),
            types: self.types.clone().unwrap_or_else(|| MediaTypeSet::new(&["text/html"])),
            vary: self.vary.unwrap_or(false),
            version: self.version.unwrap_or(Version::Http11),
            proxied: self.proxied.unwrap_or(ProxiedRequests { is_off: true, ..ProxiedRequests::default() }),
            disabled: self.disabled.clone().unwrap_or_default(),
            static_files: self.static_files.unwrap_or_default(),
            gunzip: self.gunzip.unwrap_or(false),
        }
    }
}

/// Reads `gzip_proxied`. As in nginx, several directives add up.
fn proxied(directive: &Directive, before: Option<ProxiedRequests>) -> Result<ProxiedRequests, ConfError> {
    const ACCEPTED: &str = "off, expired, no-cache, no-store, private, no_last_modified, no_etag, auth, any";
    let mut proxied = before.unwrap_or_default();
    for word in directive.args.iter().map(|arg| arg.value.as_str()) {
        let flag = match word {
            "off" => &mut proxied.is_off,
            "expired" => &mut proxied.expired,
            "no-cache" => &mut proxied.no_cache,
            "no-store" => &mut proxied.no_store,
            "private" => &mut proxied.private,
            "no_last_modified" => &mut proxied.no_last_modified,
            "no_etag" => &mut proxied.no_etag,
            "auth" => &mut proxied.auth,
            "any" => &mut proxied.any,
            other => return Err(directive.invalid(other, ACCEPTED)),
        };
        *flag = true;
    }
    Ok(proxied)
}

/// The pattern of one word of `gzip_disable`; none for `degradation`, which nginx needs to be built with.
fn disabled_agent(directive: &Directive, word: &str) -> Result<Option<Pattern>, ConfError> {
    let pattern = match word {
        "degradation" => return Ok(None),
        "msie6" => MSIE6,
        pattern => pattern,
    };
    Pattern::compile(directive, pattern, true, &DefinedVariables::default()).map(Some)
}
