//! `location`: which part of a server a request belongs to, by its path, and the configuration that applies there.

pub mod access;
pub mod add_header;
pub mod autoindex;
pub mod error_page;
pub mod filters;
pub(crate) mod gateway;
pub mod keepalive;
pub mod keepalive_disable;
pub mod level;
pub mod limit_except;
pub mod limits;
pub mod lingering;
pub mod location_config;
pub mod locations;
pub mod matcher;
pub mod mirror;
pub mod real_ip;
pub(crate) mod redirects;
pub mod referers;
pub mod rewrite;
pub mod root;
pub mod secure_link;
pub mod static_files;
pub mod symlinks;
pub mod try_files;
pub mod userid;

use crate::config::proxy::pass::{PassLocation, ProxyPass};
use crate::config::reader::ConfigReader;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};
use level::Level;
use limit_except::LimitExcept;
use location_config::LocationConfig;
use rewrite::Instruction;
use root::Root;
use try_files::TryFiles;

pub use locations::{LocationMatch, Locations};
pub use matcher::Matcher;

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
    /// What generates the content of the location; none if it comes from an upstream or from files.
    pub handler: Option<ContentHandler>,
    /// `limit_except`: the methods that the location itself is for, and the location of all others.
    pub limit_except: Option<LimitExcept>,
    /// The directives of the rewrite module.
    pub script: Vec<Instruction>,
    /// `try_files`
    pub try_files: Option<TryFiles>,
    pub locations: Locations,
}

/// Generates content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentHandler {
    /// `stub_status`: the counts of connections.
    Status,
    /// `empty_gif`: a transparent pixel.
    EmptyGif,
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
        let (matcher, path) = matcher::read(directive, reader)?;
        matcher::check_nesting(directive, &matcher, &path, outer)?;
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
        level.charset.check(reader);
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

        let (mut try_files, mut is_internal, mut handler, mut locations) = (None, false, None, Vec::new());
        let mut limit_except = None;
        for inner in block {
            match inner.name.as_str() {
                "try_files" => {
                    let read = TryFiles::read(inner, reader);
                    try_files = reader.keep(read);
                }
                "internal" => is_internal = true,
                "stub_status" => handler = Some(ContentHandler::Status),
                "mp4" | "flv" => {
                    let message = format!("\"{}\" has no effect: requests with start= get the whole file", inner.name);
                    reader.warn(inner, message);
                }
                "empty_gif" => handler = Some(ContentHandler::EmptyGif),
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
            handler,
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
        level.charset.check(reader);
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
            handler: None,
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
