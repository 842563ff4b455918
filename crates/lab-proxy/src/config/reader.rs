//! The state shared by everything that reads a configuration.

use std::path::Path;

use crate::config::log_format::{LogFormats, LogPaths};
use crate::config::upstream::UpstreamList;
use crate::eval::pattern::Pattern;
use crate::eval::{DefinedVariables, Template};
use lab_nginx_conf::{ConfError, Directive};

/// What is known of a configuration while it is read.
#[derive(Debug)]
pub(crate) struct ConfigReader<'c> {
    /// The folder that relative paths start from.
    pub(crate) prefix: &'c Path,
    pub(crate) variables: DefinedVariables,
    pub(crate) formats: LogFormats,
    pub(crate) upstreams: UpstreamList,
    pub(crate) log_paths: LogPaths,
    /// Whether some variable reads the head of a response, so that heads must be kept.
    pub(crate) needs_response_heads: bool,
}

impl<'c> ConfigReader<'c> {
    pub(crate) fn new(prefix: &'c Path) -> ConfigReader<'c> {
        ConfigReader {
            prefix,
            variables: DefinedVariables::default(),
            formats: LogFormats::default(),
            upstreams: UpstreamList::default(),
            log_paths: LogPaths::default(),
            needs_response_heads: false,
        }
    }

    /// Compiles text with variables.
    pub(crate) fn template(&mut self, directive: &Directive, text: &str) -> Result<Template, ConfError> {
        let template = Template::compile(text, &self.variables).map_err(|kind| directive.error(kind))?;
        self.needs_response_heads |= template.needs_response_head();
        Ok(template)
    }

    /// Compiles a regular expression.
    pub(crate) fn pattern(&self, directive: &Directive, text: &str, ignore_case: bool) -> Result<Pattern, ConfError> {
        Pattern::compile(directive, text, ignore_case, &self.variables)
    }
}
