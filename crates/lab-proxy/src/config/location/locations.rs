//! The locations of one block, and the search among them.

use std::collections::HashMap;

use super::Location;
use super::matcher::Matcher;
use crate::variables::VariableValues;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// The result of a search for the location of a path.
#[derive(Debug, Clone, Copy)]
pub enum LocationMatch<'a> {
    Location(&'a Location),
    /// The path is that of a proxied location without its final slash: the client is redirected there (nginx's
    /// documentation of `location`). The location applies to the log and to limits.
    AddSlash(&'a Location),
    None,
}

/// The result of a search in one block.
enum Search<'a> {
    /// No other block can change it.
    Settled(LocationMatch<'a>),
    /// A prefix, which a regular expression of an enclosing block may replace.
    Prefix(&'a Location),
    Nothing,
}

/// The locations of one block, indexed for the search.
#[derive(Debug, Default)]
pub struct Locations {
    list: Vec<Location>,
    exact: HashMap<Vec<u8>, usize>,
    /// Prefixes, and exact paths that end with a slash, longest first.
    prefixes: Vec<usize>,
    /// In file order.
    patterns: Vec<usize>,
}

impl Locations {
    /// The location of a normalised path. `*`, which means the whole server (RFC 9112 §3.2.4), is treated as `/`. The
    /// captures of a regular expression are kept in `values`.
    ///
    /// As in nginx: an exact path ends the search. Otherwise the longest prefix is remembered and its inner locations
    /// are searched the same way. The first regular expression that matches, inner ones first, replaces the prefix,
    /// unless that is `^~`.
    #[must_use]
    pub fn find(&self, path: &[u8], values: &VariableValues) -> LocationMatch<'_> {
        let path = if path == b"*" { b"/" } else { path };
        match self.search(path, values) {
            Search::Settled(found) => found,
            Search::Prefix(location) => LocationMatch::Location(location),
            Search::Nothing => LocationMatch::None,
        }
    }

    fn search(&self, path: &[u8], values: &VariableValues) -> Search<'_> {
        // most blocks have no exact paths, and hashing costs time
        if !self.exact.is_empty()
            && let Some(&index) = self.exact.get(path)
        {
            return Search::Settled(LocationMatch::Location(&self.list[index]));
        }
        let mut found = Search::Nothing;
        let mut is_final = false;
        for &index in &self.prefixes {
            let location = &self.list[index];
            let prefix = location.path.as_bytes();
            if let Matcher::Prefix { is_final: own } = location.matcher
                && path.starts_with(prefix)
            {
                is_final = own;
                found = match location.locations.search(path, values) {
                    Search::Settled(inner) => return Search::Settled(inner),
                    Search::Prefix(inner) => Search::Prefix(inner),
                    Search::Nothing => Search::Prefix(location),
                };
                break;
            }
            let without_slash = prefix.strip_suffix(b"/").is_some_and(|prefix| prefix == path);
            if without_slash && location.pass.is_some() && !self.has_prefix(path) {
                return Search::Settled(LocationMatch::AddSlash(location));
            }
        }
        if !is_final && let Some(location) = self.find_pattern(path, values) {
            return Search::Settled(match location.locations.find(path, values) {
                LocationMatch::None => LocationMatch::Location(location),
                inner => inner,
            });
        }
        found
    }

    /// Whether a location has exactly this prefix.
    fn has_prefix(&self, path: &[u8]) -> bool {
        let mut locations = self.prefixes.iter().map(|&index| &self.list[index]);
        locations.any(|location| matches!(location.matcher, Matcher::Prefix { .. }) && location.path.as_bytes() == path)
    }

    fn find_pattern(&self, path: &[u8], values: &VariableValues) -> Option<&Location> {
        self.patterns
            .iter()
            .map(|&index| &self.list[index])
            .find(|location| matches!(&location.matcher, Matcher::Pattern(pattern) if pattern.matches(path, values)))
    }

    /// The location with this name, `@` included.
    #[must_use]
    pub fn named(&self, name: &[u8]) -> Option<&Location> {
        self.list.iter().find(|location| matches!(location.matcher, Matcher::Named) && location.path.as_bytes() == name)
    }

    /// All locations, in file order.
    #[must_use]
    pub fn all(&self) -> &[Location] {
        &self.list
    }

    pub(super) fn index(list: Vec<(&Directive, Location)>) -> Result<Locations, ConfError> {
        let mut locations = Locations::default();
        for (directive, location) in list {
            let same = |other: &Location| {
                let is_same_kind = matches!(
                    (&other.matcher, &location.matcher),
                    (Matcher::Exact, Matcher::Exact)
                        | (Matcher::Named, Matcher::Named)
                        | (Matcher::Prefix { .. }, Matcher::Prefix { .. })
                );
                is_same_kind && other.path == location.path
            };
            if locations.list.iter().any(same) {
                let name = location.path.clone();
                return Err(directive.error(ConfErrorKind::DuplicateName { what: "location", name }));
            }
            let index = locations.list.len();
            match location.matcher {
                Matcher::Exact => {
                    locations.exact.insert(location.path.clone().into_bytes(), index);
                    if location.path.ends_with('/') && location.pass.is_some() {
                        locations.prefixes.push(index);
                    }
                }
                Matcher::Prefix { .. } => locations.prefixes.push(index),
                Matcher::Pattern(_) => locations.patterns.push(index),
                Matcher::Named | Matcher::Never => {}
            }
            locations.list.push(location);
        }
        locations.prefixes.sort_by_key(|&index| std::cmp::Reverse(locations.list[index].path.len()));
        Ok(locations)
    }
}
