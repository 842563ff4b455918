//! `location`: which part of a server a request belongs to, by its path, and the configuration that applies there.

pub mod access;
pub mod add_header;
pub mod addition;
pub mod autoindex;
pub mod brotli;
pub mod charset;
pub mod error_page;
pub mod expires;
pub(crate) mod gateway;
pub mod gzip;
pub mod keepalive_disable;
pub mod level;
pub mod limits;
pub mod lingering;
pub mod media_type_set;
pub mod mirror;
pub mod real_ip;
pub mod referers;
pub mod rewrite;
pub mod root;
pub mod secure_link;
pub mod ssi;
pub mod static_files;
pub mod sub_filter;
pub mod symlinks;
pub mod try_files;
pub mod userid;

use std::collections::HashMap;

use crate::config::proxy::pass::{PassLocation, ProxyPass};
use crate::config::reader::ConfigReader;
use crate::variables::VariableValues;
use crate::variables::pattern::Pattern;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};
use level::{Level, LocationConfig};
use rewrite::Instruction;
use root::Root;
use try_files::TryFiles;

/// What serves a request: a location, an `if` inside one, or the server block for requests that no location matches.
#[derive(Debug)]
pub struct Location {
    /// How a request's path is compared with `path`.
    pub matcher: Matcher,
    /// The path, name or regular expression as written.
    pub path: String,
    /// Where requests are passed to. Without `proxy_pass` they get files.
    pub pass: Option<ProxyPass>,
    pub config: LocationConfig,
    pub root: Root,
    /// `internal`: whether only internal redirects may lead here.
    pub is_internal: bool,
    /// `stub_status`: whether the location responds with the counts of connections.
    pub is_status: bool,
    /// `limit_except`: the methods that the location itself is for, and the location of all others.
    pub limit_except: Option<LimitExcept>,
    /// The directives of the rewrite module.
    pub script: Vec<Instruction>,
    /// `try_files`
    pub try_files: Option<TryFiles>,
    pub locations: Locations,
}

/// How a location is compared with the path of a request.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// `location = /path`
    Exact,
    /// `location /path`, or `location ^~ /path`, after which no regular expression is tried.
    Prefix {
        /// Whether it is `^~`.
        is_final: bool,
    },
    /// `location ~ regex`
    Pattern(Pattern),
    /// `location @name`: reached by name only.
    Named,
    /// An `if`, or the server block: not matched by path.
    Never,
}

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

/// The block around a location.
pub(crate) struct EnclosingBlock<'o> {
    pub(crate) level: &'o Level,
    pub(crate) root: &'o Root,
    /// None in a server block.
    pub(crate) location: Option<(&'o Matcher, &'o str)>,
}

impl Location {
    /// The location of a server block itself, which holds the server's locations.
    pub(crate) fn outside(
        block: &[Directive],
        outer: &EnclosingBlock<'_>,
        reader: &mut ConfigReader<'_>,
    ) -> Result<Location, ConfError> {
        Location::read_block(Matcher::Never, String::new(), block, outer, reader)
    }

    fn read(
        directive: &Directive,
        outer: &EnclosingBlock<'_>,
        reader: &mut ConfigReader<'_>,
    ) -> Result<Location, ConfError> {
        let (matcher, path) = matcher(directive, reader)?;
        check_nesting(directive, &matcher, &path, outer)?;
        let block = directive.children();
        Location::read_block(matcher, path, block, outer, reader)
    }

    fn read_block(
        matcher: Matcher,
        path: String,
        block: &[Directive],
        outer: &EnclosingBlock<'_>,
        reader: &mut ConfigReader<'_>,
    ) -> Result<Location, ConfError> {
        let mut level = Level::read(block, reader).inherit(outer.level);
        let root = match level.files.root.take() {
            Some(own) if own.is_alias() && matches!(matcher, Matcher::Named) => {
                let directive = block.iter().find(|inner| inner.name == "alias");
                let message = "the \"alias\" directive cannot be used inside a named location".to_owned();
                // OK because the root was read from that directive
                return Err(directive.expect("an alias").error(ConfErrorKind::Conflict(message)));
            }
            Some(own) => {
                let is_pattern = matches!(matcher, Matcher::Pattern(_));
                own.resolve((!is_pattern).then_some(path.len()), reader)
            }
            None => outer.root.clone(),
        };
        let has_prefix = matches!(matcher, Matcher::Exact | Matcher::Prefix { .. });
        let pass_location = PassLocation { path: &path, has_prefix };
        let pass_directive = block.iter().find(|inner| is_pass(inner));
        let pass = pass_directive.and_then(|inner| {
            let read = read_pass(inner, &pass_location, &level, reader);
            reader.keep(read)
        });

        let is_server = matches!(matcher, Matcher::Never);
        let inherited = pass_directive.map(|directive| (directive, &pass_location));
        let script = rewrite::read(block, reader, &mut |condition, reader| {
            if is_server {
                return Ok(None);
            }
            let inner = condition.children();
            Location::condition(inner, &path, &level, &root, inherited, reader).map(|location| Some(Box::new(location)))
        });

        let (mut try_files, mut is_internal, mut is_status, mut locations) = (None, false, false, Vec::new());
        let mut limit_except = None;
        for inner in block {
            match inner.name.as_str() {
                "try_files" => {
                    let read = TryFiles::read(inner, reader);
                    try_files = reader.keep(read);
                }
                "internal" => is_internal = true,
                "stub_status" => is_status = true,
                "limit_except" => {
                    let block = inner.children();
                    let read = Location::condition(block, &path, &level, &root, inherited, reader)
                        .and_then(|location| LimitExcept::read(inner, location));
                    limit_except = reader.keep(read);
                }
                "location" => {
                    let location = (!is_server).then_some((&matcher, path.as_str()));
                    let outer = EnclosingBlock { level: &level, root: &root, location };
                    let read = Location::read(inner, &outer, reader);
                    locations.extend(reader.keep(read).map(|location| (inner, location)));
                }
                _ => {}
            }
        }
        let locations = Locations::index(locations)?;
        Ok(Location {
            config: level.resolve(pass.as_ref().is_some_and(ProxyPass::is_uwsgi)),
            matcher,
            path,
            pass,
            root,
            is_internal,
            is_status,
            limit_except,
            script,
            try_files,
            locations,
        })
    }

    /// The location of an `if` inside a location.
    fn condition(
        block: &[Directive],
        path: &str,
        outer: &Level,
        root: &Root,
        outer_pass: Option<(&Directive, &PassLocation<'_>)>,
        reader: &mut ConfigReader<'_>,
    ) -> Result<Location, ConfError> {
        let mut level = Level::read(block, reader).inherit(outer);
        let root = level.files.root.take().map_or_else(|| root.clone(), |own| own.resolve(Some(path.len()), reader));
        let own = block.iter().find(|inner| is_pass(inner));
        let pass = match (own, outer_pass) {
            (Some(own), _) => Some(read_pass(own, &PassLocation { path, has_prefix: false }, &level, reader)?),
            (None, Some((directive, location))) => Some(read_pass(directive, location, &level, reader)?),
            (None, None) => None,
        };
        Ok(Location {
            matcher: Matcher::Never,
            path: path.to_owned(),
            config: level.resolve(pass.as_ref().is_some_and(ProxyPass::is_uwsgi)),
            pass,
            root,
            is_internal: false,
            is_status: false,
            limit_except: None,
            script: Vec::new(),
            try_files: None,
            locations: Locations::default(),
        })
    }
}

/// Reads a `proxy_pass` or `uwsgi_pass` with the directives of its gateway.
fn read_pass(
    directive: &Directive,
    location: &PassLocation<'_>,
    level: &Level,
    reader: &mut ConfigReader<'_>,
) -> Result<ProxyPass, ConfError> {
    match directive.name.as_str() {
        "uwsgi_pass" => {
            let uwsgi = level.uwsgi_only.resolve();
            ProxyPass::read(directive, location, &level.uwsgi.pass, Some(uwsgi), reader)
        }
        _ => ProxyPass::read(directive, location, &level.proxy.pass, None, reader),
    }
}

fn is_pass(directive: &Directive) -> bool {
    matches!(directive.name.as_str(), "proxy_pass" | "uwsgi_pass")
}

/// `limit_except`
#[derive(Debug)]
pub struct LimitExcept {
    methods: Vec<String>,
    /// The location of requests with another method.
    pub location: Box<Location>,
}

impl LimitExcept {
    fn read(directive: &Directive, location: Location) -> Result<LimitExcept, ConfError> {
        const METHODS: [&str; 15] = [
            "GET",
            "HEAD",
            "POST",
            "PUT",
            "DELETE",
            "MKCOL",
            "COPY",
            "MOVE",
            "OPTIONS",
            "PROPFIND",
            "PROPPATCH",
            "LOCK",
            "UNLOCK",
            "PATCH",
            "TRACE",
        ];
        let mut methods = Vec::new();
        for arg in &directive.args {
            let method = arg.value.to_ascii_uppercase();
            if !METHODS.contains(&method.as_str()) {
                return Err(directive.invalid(&arg.value, "methods such as GET, POST, PUT, DELETE"));
            }
            methods.push(method);
        }
        // as in nginx: GET allows HEAD too
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        Ok(LimitExcept { methods, location: Box::new(location) })
    }

    /// Whether the location itself is for this method.
    #[must_use]
    pub fn allows(&self, method: &[u8]) -> bool {
        self.methods.iter().any(|own| own.as_bytes() == method)
    }
}

/// Reads the arguments of `location`.
fn matcher(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(Matcher, String), ConfError> {
    const ACCEPTED: &str = "/path, = /path, ^~ /path, ~ regex, ~* regex, @name";
    let words: Vec<&str> = directive.args.iter().map(|arg| arg.value.as_str()).collect();
    let (modifier, text) = match words[..] {
        [modifier @ ("=" | "^~" | "~" | "~*"), text] => (modifier, text),
        // nginx allows the modifier and the path to be one word
        [word] => {
            let modifier = ["=", "^~", "~*", "~"].into_iter().find(|modifier| word.starts_with(modifier));
            modifier.map_or(("", word), |modifier| (modifier, &word[modifier.len()..]))
        }
        [modifier, ..] => return Err(directive.invalid(modifier, ACCEPTED)),
        // `check` has counted the arguments
        [] => ("", ""),
    };
    let matcher = match modifier {
        "=" => Matcher::Exact,
        "^~" => Matcher::Prefix { is_final: true },
        "~" | "~*" => Matcher::Pattern(reader.pattern(directive, text, modifier == "~*")?),
        _ if text.starts_with('@') => Matcher::Named,
        _ => Matcher::Prefix { is_final: false },
    };
    Ok((matcher, text.to_owned()))
}

/// As in nginx: a location inside another matches a part of its paths, and a named one is only allowed in a server.
fn check_nesting(
    directive: &Directive,
    matcher: &Matcher,
    path: &str,
    outer: &EnclosingBlock<'_>,
) -> Result<(), ConfError> {
    let Some((outer_matching, outer_path)) = outer.location else { return Ok(()) };
    let message = match outer_matching {
        Matcher::Exact => format!("location \"{path}\" cannot be inside the exact location \"{outer_path}\""),
        Matcher::Named => format!("location \"{path}\" cannot be inside the named location \"{outer_path}\""),
        _ if matches!(matcher, Matcher::Named) => {
            format!("named location \"{path}\" can be on the server level only")
        }
        _ if !matches!(matcher, Matcher::Pattern(_)) && !path.starts_with(outer_path) => {
            format!("location \"{path}\" is outside location \"{outer_path}\"")
        }
        _ => return Ok(()),
    };
    Err(directive.error(ConfErrorKind::Conflict(message)))
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
            if without_slash && location.pass.is_some() {
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

    fn index(list: Vec<(&Directive, Location)>) -> Result<Locations, ConfError> {
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
