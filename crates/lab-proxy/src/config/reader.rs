//! The state shared by everything that reads a configuration.

use std::path::{Path, PathBuf};

use crate::config::cache_zone::CacheZone;
use crate::config::charset_map::CharsetMaps;
use crate::config::limit_zone::LimitZones;
use crate::config::log_format::{LogFormats, LogPaths};
use crate::config::nginx_version::NginxVersion;
use crate::config::tls::upstream::UpstreamTlsConfig;
use crate::config::upstream::UpstreamList;
use crate::variables::pattern::Pattern;
use crate::variables::{DefinedVariables, Template};
use lab_nginx_conf::{ConfError, Directive};

/// What is known of a configuration while it is read.
#[derive(Debug)]
pub(crate) struct ConfigReader<'c> {
    /// The folder that relative paths start from.
    pub(crate) prefix: &'c Path,
    /// The folder of the configuration file, which the paths of certificates start from.
    pub(crate) folder: &'c Path,
    /// Whose defaults apply.
    pub(crate) version: NginxVersion,
    pub(crate) variables: DefinedVariables,
    pub(crate) formats: LogFormats,
    pub(crate) upstreams: UpstreamList,
    pub(crate) log_paths: LogPaths,
    /// The folders of `client_body_temp_path` and `proxy_temp_path`, each once.
    pub(crate) temp_folders: Vec<PathBuf>,
    /// Whether some variable reads the head of a response, so that heads must be kept.
    pub(crate) needs_response_heads: bool,
    /// Whether some variable reads the body of the request, so that bodies must be kept.
    pub(crate) needs_request_body: bool,
    /// The zones of `limit_req_zone` and `limit_conn_zone`.
    pub(crate) zones: LimitZones,
    /// The zones of `proxy_cache_path` and `uwsgi_cache_path`.
    pub(crate) cache_zones: Vec<CacheZone>,
    /// The names of all charsets.
    pub(crate) charsets: Vec<String>,
    pub(crate) charset_maps: CharsetMaps,
    /// `proxy_ssl_*` of every location that may connect over TLS.
    pub(crate) upstream_tls: Vec<UpstreamTlsConfig>,
    /// Messages about values that are accepted without their full effect.
    pub(crate) warnings: Vec<String>,
    /// The errors so far. Reading goes on after one, so that all are reported at once.
    pub(crate) errors: Vec<ConfError>,
}

impl<'c> ConfigReader<'c> {
    pub(crate) fn new(prefix: &'c Path) -> ConfigReader<'c> {
        ConfigReader {
            prefix,
            folder: prefix,
            version: NginxVersion::default(),
            variables: DefinedVariables::default(),
            formats: LogFormats::default(),
            upstreams: UpstreamList::default(),
            log_paths: LogPaths::default(),
            temp_folders: Vec::new(),
            needs_response_heads: false,
            needs_request_body: false,
            zones: LimitZones::default(),
            cache_zones: Vec::new(),
            charsets: Vec::new(),
            charset_maps: CharsetMaps::default(),
            upstream_tls: Vec::new(),
            warnings: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// The value, unless there is an error, which is kept.
    pub(crate) fn keep<T>(&mut self, read: Result<T, ConfError>) -> Option<T> {
        read.map_err(|error| self.errors.extend(error.into_list())).ok()
    }

    /// Adds a charset to those that `X-Accel-Charset` may choose from. Returns its name as it was written first.
    pub(crate) fn name_charset(&mut self, name: &str) -> String {
        if let Some(own) = self.charsets.iter().find(|own| own.eq_ignore_ascii_case(name)) {
            return own.clone();
        }
        self.charsets.push(name.to_owned());
        name.to_owned()
    }

    /// Adds a warning about a directive, in nginx's form.
    #[expect(clippy::needless_pass_by_value, reason = "callers format the message")]
    pub(crate) fn warn(&mut self, directive: &Directive, message: String) {
        let warning = format!("{message} in {}:{}", directive.file.display(), directive.line);
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Compiles text with variables.
    pub(crate) fn template(&mut self, directive: &Directive, text: &str) -> Result<Template, ConfError> {
        let template = Template::compile(text, &self.variables).map_err(|kind| directive.error(kind))?;
        self.needs_response_heads |= template.needs_response_head();
        self.needs_request_body |= template.needs_request_body();
        Ok(template)
    }

    /// Compiles a regular expression.
    pub(crate) fn pattern(&self, directive: &Directive, text: &str, ignore_case: bool) -> Result<Pattern, ConfError> {
        Pattern::compile(directive, text, ignore_case, &self.variables)
    }
}
