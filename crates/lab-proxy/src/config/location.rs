//! `location`: which part of a server a request belongs to, by its path.

use std::collections::HashMap;

use super::answers::TryFiles;
use super::level::{Level, Rules};
use super::pass::{Pass, PassPlace};
use super::reading::Reading;
use super::root::Root;
use super::script::{self, Instruction};
use crate::eval::Values;
use crate::eval::pattern::Pattern;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// A place of the configuration that requests are served at: a location, a condition inside one, or what is outside of
/// all locations of a server.
#[derive(Debug)]
pub struct Location {
    /// How paths are compared with `path`.
    pub matching: Matching,
    /// The path, the name or the regular expression as it was written.
    pub path: String,
    /// Where its requests go. Without `proxy_pass` they are answered with files.
    pub pass: Option<Pass>,
    /// What holds for its requests.
    pub rules: Rules,
    /// Where its files are.
    pub root: Root,
    /// `internal`: whether only redirects of the configuration's own lead here.
    pub is_internal: bool,
    /// The rewrite module's directives.
    pub script: Vec<Instruction>,
    /// `try_files`
    pub try_files: Option<TryFiles>,
    /// The locations inside it.
    pub locations: Locations,
}

/// How a location is compared with the path of a request.
#[derive(Debug, Clone)]
pub enum Matching {
    /// `location = /path`
    Exact,
    /// `location /path`; `location ^~ /path` if no regular expression is to be tried behind it.
    Prefix {
        /// Whether it is `^~`.
        is_final: bool,
    },
    /// `location ~ regex`
    Pattern(Pattern),
    /// `location @name`: never by path.
    Named,
    /// A condition in a location, or what is outside of all locations: never by itself.
    Never,
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

/// How far a search has come.
enum Search<'a> {
    /// To its end.
    Settled(Found<'a>),
    /// To a prefix, which a regular expression further out may take over.
    Prefix(&'a Location),
    Nothing,
}

/// What is around a location.
pub(super) struct Outer<'o> {
    pub(super) level: &'o Level,
    pub(super) root: &'o Root,
    /// The enclosing location, if it is one.
    pub(super) location: Option<(&'o Matching, &'o str)>,
}

impl Location {
    /// What holds outside of all locations of a server, whose block this is. The locations themselves are inside it.
    pub(super) fn outside(
        block: &[Directive],
        outer: &Outer<'_>,
        reading: &mut Reading<'_>,
    ) -> Result<Location, ConfError> {
        Location::read_block(Matching::Never, String::new(), block, outer, reading)
    }

    fn read(directive: &Directive, outer: &Outer<'_>, reading: &mut Reading<'_>) -> Result<Location, ConfError> {
        let (matching, path) = matching(directive, reading)?;
        check_nesting(directive, &matching, &path, outer)?;
        let block = directive.block.as_deref().unwrap_or_default();
        Location::read_block(matching, path, block, outer, reading)
    }

    fn read_block(
        matching: Matching,
        path: String,
        block: &[Directive],
        outer: &Outer<'_>,
        reading: &mut Reading<'_>,
    ) -> Result<Location, ConfError> {
        let mut level = Level::read(block, reading)?.inherit(outer.level);
        let root = match level.files.root.take() {
            Some(own) if own.is_alias() && matches!(matching, Matching::Named) => {
                let directive = block.iter().find(|inner| inner.name == "alias");
                let message = "the \"alias\" directive cannot be used inside a named location".to_owned();
                // OK because the root was read from this directive
                return Err(directive.expect("an alias").error(ConfErrorKind::Conflict(message)));
            }
            Some(own) => {
                let is_pattern = matches!(matching, Matching::Pattern(_));
                own.within((!is_pattern).then_some(path.len()), reading)
            }
            None => outer.root.clone(),
        };
        let has_prefix = matches!(matching, Matching::Exact | Matching::Prefix { .. });
        let pass_place = PassPlace { path: &path, has_prefix };
        let pass_directive = block.iter().find(|inner| inner.name == "proxy_pass");
        let pass = pass_directive.map(|inner| Pass::read(inner, &pass_place, &level.proxy, reading)).transpose()?;

        let is_server = matches!(matching, Matching::Never);
        let inherited = pass_directive.map(|directive| (directive, &pass_place));
        let script = script::read(block, reading, &mut |condition, reading| {
            if is_server {
                return Ok(None);
            }
            let inner = condition.block.as_deref().unwrap_or_default();
            Location::condition(inner, &path, &level, &root, inherited, reading).map(|place| Some(Box::new(place)))
        })?;

        let (mut try_files, mut is_internal, mut locations) = (None, false, Vec::new());
        for inner in block {
            match inner.name.as_str() {
                "try_files" => try_files = Some(TryFiles::read(inner, reading)?),
                "internal" => is_internal = true,
                "location" => {
                    let location = (!is_server).then_some((&matching, path.as_str()));
                    let outer = Outer { level: &level, root: &root, location };
                    locations.push((inner, Location::read(inner, &outer, reading)?));
                }
                _ => {}
            }
        }
        let locations = Locations::index(locations)?;
        Ok(Location { rules: level.rules(), matching, path, pass, root, is_internal, script, try_files, locations })
    }

    /// What holds inside a condition of a location.
    fn condition(
        block: &[Directive],
        path: &str,
        outer: &Level,
        root: &Root,
        outer_pass: Option<(&Directive, &PassPlace<'_>)>,
        reading: &mut Reading<'_>,
    ) -> Result<Location, ConfError> {
        let mut level = Level::read(block, reading)?.inherit(outer);
        let root = level.files.root.take().map_or_else(|| root.clone(), |own| own.within(Some(path.len()), reading));
        let own = block.iter().find(|inner| inner.name == "proxy_pass");
        let pass = match (own, outer_pass) {
            (Some(own), _) => Some(Pass::read(own, &PassPlace { path, has_prefix: false }, &level.proxy, reading)?),
            (None, Some((directive, place))) => Some(Pass::read(directive, place, &level.proxy, reading)?),
            (None, None) => None,
        };
        Ok(Location {
            matching: Matching::Never,
            path: path.to_owned(),
            pass,
            rules: level.rules(),
            root,
            is_internal: false,
            script: Vec::new(),
            try_files: None,
            locations: Locations::default(),
        })
    }
}

/// Reads the words between `location` and its block.
fn matching(directive: &Directive, reading: &mut Reading<'_>) -> Result<(Matching, String), ConfError> {
    const ACCEPTED: &str = "/path, = /path, ^~ /path, ~ regex, ~* regex, @name";
    let words: Vec<&str> = directive.args.iter().map(|arg| arg.value.as_str()).collect();
    let (modifier, text) = match words[..] {
        [modifier @ ("=" | "^~" | "~" | "~*"), text] => (modifier, text),
        // nginx allows to write the modifier and the path as one word
        [word] => {
            let modifier = ["=", "^~", "~*", "~"].into_iter().find(|modifier| word.starts_with(modifier));
            modifier.map_or(("", word), |modifier| (modifier, &word[modifier.len()..]))
        }
        [modifier, ..] => return Err(directive.invalid(modifier, ACCEPTED)),
        // `check` has counted the arguments
        [] => ("", ""),
    };
    let matching = match modifier {
        "=" => Matching::Exact,
        "^~" => Matching::Prefix { is_final: true },
        "~" | "~*" => Matching::Pattern(reading.pattern(directive, text, modifier == "~*")?),
        _ if text.starts_with('@') => Matching::Named,
        _ => Matching::Prefix { is_final: false },
    };
    Ok((matching, text.to_owned()))
}

/// As nginx: a location inside another is a part of it, and has a name only at the server's level.
fn check_nesting(directive: &Directive, matching: &Matching, path: &str, outer: &Outer<'_>) -> Result<(), ConfError> {
    let Some((outer_matching, outer_path)) = outer.location else { return Ok(()) };
    let message = match outer_matching {
        Matching::Exact => format!("location \"{path}\" cannot be inside the exact location \"{outer_path}\""),
        Matching::Named => format!("location \"{path}\" cannot be inside the named location \"{outer_path}\""),
        _ if matches!(matching, Matching::Named) => {
            format!("named location \"{path}\" can be on the server level only")
        }
        _ if !matches!(matching, Matching::Pattern(_)) && !path.starts_with(outer_path) => {
            format!("location \"{path}\" is outside location \"{outer_path}\"")
        }
        _ => return Ok(()),
    };
    Err(directive.error(ConfErrorKind::Conflict(message)))
}

/// The locations of one block, ready to be searched.
#[derive(Debug, Default)]
pub struct Locations {
    list: Vec<Location>,
    exact: HashMap<Vec<u8>, usize>,
    /// Prefixes, and exact paths that want a slash, longest first.
    prefixes: Vec<usize>,
    /// In file order.
    patterns: Vec<usize>,
}

impl Locations {
    /// The location a request belongs to, by its normalised path. `*`, the server as a whole (RFC 9112 §3.2.4), belongs
    /// where the root does. What a regular expression catches is kept in `values`.
    ///
    /// As nginx: an exact path ends the search. Otherwise the longest prefix is remembered, the locations inside it are
    /// searched the same way, and the first regular expression that matches, inside before outside, takes it over,
    /// unless the prefix is `^~`.
    #[must_use]
    pub fn find(&self, path: &[u8], values: &Values) -> Found<'_> {
        let path = if path == b"*" { b"/" } else { path };
        match self.search(path, values) {
            Search::Settled(found) => found,
            Search::Prefix(location) => Found::Location(location),
            Search::Nothing => Found::Nothing,
        }
    }

    fn search(&self, path: &[u8], values: &Values) -> Search<'_> {
        // most blocks have no exact paths, and hashing costs
        if !self.exact.is_empty()
            && let Some(&index) = self.exact.get(path)
        {
            return Search::Settled(Found::Location(&self.list[index]));
        }
        let mut found = Search::Nothing;
        let mut is_final = false;
        for &index in &self.prefixes {
            let location = &self.list[index];
            let prefix = location.path.as_bytes();
            if let Matching::Prefix { is_final: own } = location.matching
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
            if without_slash && location.pass.is_some() {
                return Search::Settled(Found::AddSlash(location));
            }
        }
        if !is_final && let Some(location) = self.find_pattern(path, values) {
            return Search::Settled(match location.locations.find(path, values) {
                Found::Nothing => Found::Location(location),
                inner => inner,
            });
        }
        found
    }

    fn find_pattern(&self, path: &[u8], values: &Values) -> Option<&Location> {
        self.patterns
            .iter()
            .map(|&index| &self.list[index])
            .find(|location| matches!(&location.matching, Matching::Pattern(pattern) if pattern.matches(path, values)))
    }

    /// The location with this name, which begins with `@`.
    #[must_use]
    pub fn named(&self, name: &[u8]) -> Option<&Location> {
        self.list
            .iter()
            .find(|location| matches!(location.matching, Matching::Named) && location.path.as_bytes() == name)
    }

    /// All locations, in file order.
    #[must_use]
    pub fn all(&self) -> &[Location] {
        &self.list
    }

    fn index(list: Vec<(&Directive, Location)>) -> Result<Locations, ConfError> {
        let mut locations = Locations::default();
        for (directive, location) in list {
            let same = |other: &Location| {
                let is_same_kind = matches!(
                    (&other.matching, &location.matching),
                    (Matching::Exact, Matching::Exact)
                        | (Matching::Named, Matching::Named)
                        | (Matching::Prefix { .. }, Matching::Prefix { .. })
                );
                is_same_kind && other.path == location.path
            };
            if locations.list.iter().any(same) {
                let name = location.path.clone();
                return Err(directive.error(ConfErrorKind::DuplicateName { what: "location", name }));
            }
            let index = locations.list.len();
            match location.matching {
                Matching::Exact => {
                    locations.exact.insert(location.path.clone().into_bytes(), index);
                    if location.path.ends_with('/') && location.pass.is_some() {
                        locations.prefixes.push(index);
                    }
                }
                Matching::Prefix { .. } => locations.prefixes.push(index),
                Matching::Pattern(_) => locations.patterns.push(index),
                Matching::Named | Matching::Never => {}
            }
            locations.list.push(location);
        }
        locations.prefixes.sort_by_key(|&index| std::cmp::Reverse(locations.list[index].path.len()));
        Ok(locations)
    }
}
