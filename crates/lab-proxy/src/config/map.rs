//! `map`: a variable whose value depends on another text.

use std::collections::HashMap;

use crate::config::reader::ConfigReader;
use crate::config::server_name::{ServerName, ServerNameIndex};
use crate::variables::Template;
use crate::variables::pattern::Pattern;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

#[derive(Debug)]
pub struct Map {
    pub(crate) source: Template,
    pub(crate) exact: HashMap<Vec<u8>, usize>,
    /// `hostnames`: whether the source is a host, whose final dot does not count.
    pub(crate) has_hostnames: bool,
    /// Host names with wildcards (`hostnames`).
    pub(crate) hosts: Option<ServerNameIndex>,
    pub(crate) patterns: Vec<(Pattern, usize)>,
    pub(crate) values: Vec<Template>,
    pub(crate) default: Option<usize>,
    /// `volatile`: the map is evaluated whenever the variable is read.
    pub is_volatile: bool,
}

impl Map {
    /// Reads a block. Returns it with the slot of its variable.
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(usize, Map), ConfError> {
        let entries = directive.children();
        let has = |flag: &str| entries.iter().any(|entry| entry.name == flag && entry.args.is_empty());
        // looked up once: a map may have tens of thousands of entries
        let has_hostnames = has("hostnames");
        let mut map = Map {
            has_hostnames,
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
            } else if has_hostnames && key.contains('*') | key.starts_with('.') {
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
