//! `map`: a variable whose value depends on another text.

use std::collections::HashMap;

use crate::config::reader::ConfigReader;
use crate::config::server::name::{ServerName, ServerNameIndex};
use crate::eval::pattern::Pattern;
use crate::eval::{Scope, Template};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

#[derive(Debug)]
pub struct Map {
    source: Template,
    exact: HashMap<Vec<u8>, usize>,
    /// Host names with wildcards (`hostnames`).
    hosts: Option<ServerNameIndex>,
    patterns: Vec<(Pattern, usize)>,
    values: Vec<Template>,
    default: Option<usize>,
    /// `volatile`: the map is evaluated whenever the variable is read.
    pub is_volatile: bool,
}

impl Map {
    /// Appends the value for the source text: that of the text itself, ignoring case; of the longest wildcard; of the
    /// first regular expression that matches; or the default.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        let text = self.source.value(scope);
        let found = self.find(&text, scope).or(self.default);
        if let Some(index) = found {
            self.values[index].write(scope, out);
        }
    }

    fn find(&self, text: &[u8], scope: &Scope<'_>) -> Option<usize> {
        let lower = text.to_ascii_lowercase();
        let host = || {
            let hosts = self.hosts.as_ref()?;
            hosts.find(lower.strip_suffix(b".").unwrap_or(&lower), &scope.route.values)
        };
        let pattern = || {
            let mut patterns = self.patterns.iter().filter(|_| !text.is_empty());
            patterns.find(|(pattern, _)| pattern.matches(text, &scope.route.values)).map(|(_, index)| *index)
        };
        self.exact.get(&lower).copied().or_else(host).or_else(pattern)
    }

    /// Reads a block. Returns it with the slot of its variable.
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(usize, Map), ConfError> {
        let entries = directive.children();
        let has = |flag: &str| entries.iter().any(|entry| entry.name == flag && entry.args.is_empty());
        let mut map = Map {
            source: reader.template(directive, directive.first())?,
            exact: HashMap::new(),
            hosts: None,
            patterns: Vec::new(),
            values: Vec::new(),
            default: None,
            is_volatile: has("volatile"),
        };
        let mut hosts: Vec<(ServerName, usize)> = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.args.is_empty()) {
            let index = map.values.len();
            map.values.push(reader.template(entry, entry.first())?);
            let key = entry.name.as_str();
            let twice = || entry.error(ConfErrorKind::DuplicateName { what: "map key", name: key.to_owned() });
            if key == "default" {
                if map.default.replace(index).is_some() {
                    return Err(twice());
                }
            } else if let Some(pattern) = key.strip_prefix('~') {
                let (pattern, ignore_case) = match pattern.strip_prefix('*') {
                    Some(pattern) => (pattern, true),
                    None => (pattern, false),
                };
                map.patterns.push((reader.pattern(entry, pattern, ignore_case)?, index));
            } else if has("hostnames") && key.contains('*') | key.starts_with('.') {
                hosts.push((ServerName::read(entry, key, reader)?, index));
            } else {
                // a backslash marks a key that would otherwise have a special meaning
                let key = key.strip_prefix('\\').unwrap_or(key).to_ascii_lowercase().into_bytes();
                if map.exact.insert(key, index).is_some() {
                    return Err(twice());
                }
            }
        }
        if !hosts.is_empty() {
            map.hosts = Some(hosts.iter().map(|(name, index)| (name, *index)).collect());
        }
        let name = directive.arg(1).unwrap_or_default().trim_start_matches('$');
        // OK because the variables were collected from the same directives
        let slot = reader.variables.slot(name).expect("the variable of a map is defined");
        Ok((slot, map))
    }
}
