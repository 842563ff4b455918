//! `location`: which part of a server a request belongs to, by its path.

use std::collections::HashMap;
use std::path::Path;

use super::super::conf::{ConfError, ConfErrorKind, Directive};
use super::level::{Level, Rules};
use super::logs::LogFormats;
use super::pass::Pass;
use super::upstream::Upstreams;

/// One location.
#[derive(Debug)]
pub struct Location {
    /// How paths are compared with `path`.
    pub matching: Matching,
    /// The path as it was written.
    pub path: String,
    /// Where its requests go. Without `proxy_pass` there is nothing to find: 404.
    pub pass: Option<Pass>,
    /// What holds for its requests.
    pub rules: Rules,
}

/// How a location is compared with the path of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matching {
    /// `location = /path`
    Exact,
    /// `location /path` and, as long as there are no regular expressions, `location ^~ /path`
    Prefix,
}

/// What the locations of a server say of a path.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// The location the request belongs to.
    Location(&'a Location),
    /// The path is a proxied location's own without its last slash: the client is sent there (nginx's documentation of
    /// `location`). What the request belongs to for logs and limits is the location.
    AddSlash(&'a Location),
    /// None.
    Nothing,
}

impl Location {
    pub(super) fn read(
        directive: &Directive,
        outer: &Level,
        formats: &LogFormats,
        upstreams: &mut Upstreams,
        prefix: &Path,
    ) -> Result<Location, ConfError> {
        const ACCEPTED: &str = "/path, = /path, ^~ /path";
        let words: Vec<&str> = directive.args.iter().map(|arg| arg.value.as_str()).collect();
        let (matching, path) = match words[..] {
            [modifier @ ("~" | "~*"), _] => {
                return Err(directive.unsupported(format!("a regular expression (\"{modifier}\")"), ACCEPTED));
            }
            [word] if word.starts_with(['~', '@']) => {
                return Err(directive.unsupported(format!("\"{word}\""), ACCEPTED));
            }
            ["=", path] => (Matching::Exact, path),
            ["^~", path] => (Matching::Prefix, path),
            // nginx allows to write the modifier and the path as one word
            [word] => match (word.strip_prefix("^~"), word.strip_prefix('=')) {
                (Some(path), _) => (Matching::Prefix, path),
                (_, Some(path)) => (Matching::Exact, path),
                _ => (Matching::Prefix, word),
            },
            [modifier, ..] => return Err(directive.invalid(modifier, ACCEPTED)),
            // `check` has counted the arguments
            [] => (Matching::Prefix, ""),
        };
        let block = directive.block.as_deref().unwrap_or_default();
        let level = Level::read(block, formats, prefix)?.inherit(outer);
        let pass = match block.iter().find(|inner| inner.name == "proxy_pass") {
            Some(inner) => Some(Pass::read(inner, path, &level.proxy, upstreams)?),
            None => None,
        };
        Ok(Location { matching, path: path.to_owned(), pass, rules: level.rules() })
    }
}

/// The locations of one server, ready to be searched.
#[derive(Debug, Default)]
pub struct Locations {
    list: Vec<Location>,
    exact: HashMap<Vec<u8>, usize>,
    /// Prefixes, longest first.
    prefixes: Vec<usize>,
}

impl Locations {
    /// The location a request belongs to, by its normalised path. `*`, the server as a whole (RFC 9112 §3.2.4), belongs
    /// where the root does.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Found<'_> {
        let path = if path == b"*" { b"/" } else { path };
        if let Some(&index) = self.exact.get(path) {
            return Found::Location(&self.list[index]);
        }
        for &index in &self.prefixes {
            let location = &self.list[index];
            let prefix = location.path.as_bytes();
            if path.starts_with(prefix) {
                return Found::Location(location);
            }
            let without_slash = prefix.strip_suffix(b"/").is_some_and(|prefix| prefix == path);
            if without_slash && location.pass.is_some() {
                return Found::AddSlash(location);
            }
        }
        Found::Nothing
    }

    /// All locations, in file order.
    #[must_use]
    pub fn all(&self) -> &[Location] {
        &self.list
    }

    pub(super) fn all_mut(&mut self) -> &mut [Location] {
        &mut self.list
    }

    pub(super) fn index(list: Vec<(&Directive, Location)>) -> Result<Locations, ConfError> {
        let mut locations = Locations::default();
        for (directive, location) in list {
            let same = |other: &Location| (other.matching, &other.path) == (location.matching, &location.path);
            if locations.list.iter().any(same) {
                let name = location.path.clone();
                return Err(directive.error(ConfErrorKind::DuplicateName { what: "location", name }));
            }
            let index = locations.list.len();
            match location.matching {
                Matching::Exact => {
                    locations.exact.insert(location.path.clone().into_bytes(), index);
                }
                Matching::Prefix => locations.prefixes.push(index),
            }
            locations.list.push(location);
        }
        locations.prefixes.sort_by_key(|&index| std::cmp::Reverse(locations.list[index].path.len()));
        Ok(locations)
    }
}
