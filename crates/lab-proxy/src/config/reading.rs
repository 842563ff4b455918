//! What reading a configuration needs everywhere: names, formats, upstreams, and the lists that grow meanwhile.

use std::path::{Path, PathBuf};

use super::logs::{AccessFile, LogFormats};
use super::upstream::Upstreams;
use crate::eval::pattern::{Pattern, group_names};
use crate::eval::{Names, Template, Variable};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// The state of reading one configuration.
#[derive(Debug)]
pub(super) struct Reading<'c> {
    /// What relative paths are relative to.
    pub(super) prefix: &'c Path,
    /// The variables that the configuration defines.
    pub(super) names: Names,
    /// The formats of `log_format`.
    pub(super) formats: LogFormats,
    /// The upstreams.
    pub(super) upstreams: Upstreams,
    /// The files of access logs, each once.
    pub(super) access_files: Vec<AccessFile>,
    /// The files of error logs, each once.
    pub(super) error_files: Vec<PathBuf>,
    /// Whether some variable needs the head of an answer.
    pub(super) needs_heads: bool,
}

impl<'c> Reading<'c> {
    /// Nothing yet: no variables of its own, no upstreams, and the one format that is always there.
    pub(super) fn empty(prefix: &'c Path) -> Reading<'c> {
        Reading {
            prefix,
            names: Names::default(),
            formats: LogFormats::default(),
            upstreams: Upstreams::default(),
            access_files: Vec::new(),
            error_files: Vec::new(),
            needs_heads: false,
        }
    }

    /// Compiles text with variables.
    pub(super) fn template(&mut self, directive: &Directive, text: &str) -> Result<Template, ConfError> {
        let template = Template::compile(text, &self.names).map_err(|kind| directive.error(kind))?;
        self.needs_heads |= template.needs_answer();
        Ok(template)
    }

    /// Compiles a regular expression.
    pub(super) fn pattern(&self, directive: &Directive, text: &str, ignore_case: bool) -> Result<Pattern, ConfError> {
        Pattern::compile(directive, text, ignore_case, &self.names)
    }
}

/// Collects the variables that `set`, `map` and named groups define, wherever they stand: a variable may be used before
/// it is defined.
pub(super) fn collect_names(block: &[Directive]) -> Result<Names, ConfError> {
    let mut names = Names::default();
    collect(block, &mut names)?;
    Ok(names)
}

fn collect(block: &[Directive], names: &mut Names) -> Result<(), ConfError> {
    for directive in block {
        match directive.name.as_str() {
            "set" => define(directive, directive.first(), names)?,
            "map" => {
                define(directive, directive.arg(1).unwrap_or_default(), names)?;
                for entry in directive.block.iter().flatten() {
                    define_groups(entry, &entry.name, names)?;
                }
                continue;
            }
            "types" => continue,
            _ => {}
        }
        for (index, arg) in directive.args.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|index| directive.arg(index)).unwrap_or_default();
            match (directive.name.as_str(), index) {
                ("rewrite", 0) => define_groups(directive, &format!("~{}", arg.value), names)?,
                ("location" | "if", 1..) if matches!(before, "~" | "~*" | "!~" | "!~*") => {
                    let pattern = arg.value.strip_suffix(')').filter(|_| directive.name == "if").unwrap_or(&arg.value);
                    define_groups(directive, &format!("~{pattern}"), names)?;
                }
                ("location", 0)
                | ("server_name", _)
                | ("proxy_redirect" | "proxy_cookie_domain" | "proxy_cookie_path", 0) => {
                    define_groups(directive, &arg.value, names)?;
                }
                _ => {}
            }
        }
        if let Some(inner) = &directive.block {
            collect(inner, names)?;
        }
    }
    Ok(())
}

/// Defines `$name`; `$args` is there already and may be set.
fn define(directive: &Directive, text: &str, names: &mut Names) -> Result<(), ConfError> {
    let name = text.strip_prefix('$').filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| directive.invalid(text, "the name of a variable, with its $"))?;
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_word {
        return Err(directive.invalid(text, "a variable of letters, digits and underscores"));
    }
    match Variable::built_in(name) {
        Some(Variable::Args) if name.eq_ignore_ascii_case("args") && directive.name == "set" => {}
        Some(_) => {
            let name = name.to_owned();
            return Err(directive.error(ConfErrorKind::DuplicateName { what: "variable", name }));
        }
        None => _ = names.define(name),
    }
    Ok(())
}

/// Defines the named groups of a text that is a regular expression, that is if it begins with `~`.
fn define_groups(directive: &Directive, text: &str, names: &mut Names) -> Result<(), ConfError> {
    let Some(pattern) = text.strip_prefix('~') else { return Ok(()) };
    for name in group_names(pattern.strip_prefix('*').unwrap_or(pattern)) {
        define(directive, &format!("${name}"), names)?;
    }
    Ok(())
}
