//! `valid_referers`: which values of `Referer` are valid, for `$invalid_referer`.

use crate::config::reader::ConfigReader;
use crate::config::server_name::{ServerName, ServerNameIndex};
use crate::variables::VariableValues;
use crate::variables::pattern::Pattern;
use lab_nginx_conf::{ConfError, Directive};

/// The valid referers of a location.
#[derive(Debug, Clone, Default)]
pub struct ValidReferers {
    /// `none`: a request without the field.
    none: bool,
    /// `blocked`: a value that is no URL.
    blocked: bool,
    /// `server_names`: the names of the server.
    pub(crate) server_names: bool,
    /// Names, perhaps with wildcards, each with the start of the path.
    names: Vec<(ServerName, String)>,
    patterns: Vec<Pattern>,
}

impl ValidReferers {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        for word in directive.args.iter().map(|arg| arg.value.as_str()) {
            match word {
                "none" => self.none = true,
                "blocked" => self.blocked = true,
                "server_names" => self.server_names = true,
                _ if word.starts_with('~') => {
                    self.patterns.push(reader.pattern(directive, &word[1..], true)?);
                }
                _ => {
                    let (name, path) = match word.find('/') {
                        Some(slash) => word.split_at(slash),
                        None => (word, ""),
                    };
                    if name.is_empty() {
                        return Err(directive.invalid(word, "none, blocked, server_names, a name, or ~ and a pattern"));
                    }
                    self.names.push((ServerName::read(directive, name, reader)?, path.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Whether a value of `Referer` is valid. `server` has the names of the server.
    #[must_use]
    pub fn contains(&self, referer: Option<&[u8]>, server: &[ServerName], values: &VariableValues) -> bool {
        let Some(referer) = referer else { return self.none };
        let rest = [&b"http://"[..], b"https://"].iter().find_map(|scheme| {
            let (start, rest) = referer.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        });
        let Some(rest) = rest else { return self.blocked };
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b':')).unwrap_or(rest.len());
        let host = rest[..end].to_ascii_lowercase();
        let path = rest[end..].iter().position(|byte| *byte == b'/').map_or(&b""[..], |slash| &rest[end + slash..]);
        let index: ServerNameIndex = self.names.iter().enumerate().map(|(index, (name, _))| (name, index)).collect();
        if let Some(found) = index.find(&host, values) {
            return path.starts_with(self.names[found].1.as_bytes());
        }
        let own: ServerNameIndex = server.iter().filter(|_| self.server_names).map(|name| (name, 0)).collect();
        own.find(&host, values).is_some() || self.patterns.iter().any(|pattern| pattern.matches(rest, values))
    }
}
