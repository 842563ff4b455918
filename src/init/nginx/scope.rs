//! Lines that concern the requests of some locations only.

use lab_nginx_conf::Directive;

use super::prefix_of;

/// A line that concerns the requests of its location, such as a limit of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedLine {
    pub line: usize,
    /// Its location, if that is matched by prefix or exactly.
    location: Option<LocationPath>,
    /// The locations beside it, which are more specific for some of its paths.
    siblings: Vec<LocationPath>,
}

/// What a location matches, unless by a regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LocationPath {
    path: String,
    is_exact: bool,
}

impl LocationPath {
    fn of(location: &Directive) -> Option<LocationPath> {
        match (location.arg(0)?, location.arg(1)) {
            ("=", Some(path)) => Some(LocationPath { path: path.to_owned(), is_exact: true }),
            _ => Some(LocationPath { path: prefix_of(location)?.to_owned(), is_exact: false }),
        }
    }

    fn matches(&self, path: &str) -> bool {
        if self.is_exact { path == self.path } else { path.starts_with(&self.path) }
    }

    /// Whether nginx takes this location rather than another one that matches as well.
    fn precedes(&self, other: &LocationPath) -> bool {
        (self.is_exact, self.path.len()) > (other.is_exact, other.path.len())
    }
}

impl ScopedLine {
    /// Whether it concerns a path, or may do so.
    #[must_use]
    pub fn applies_to(&self, path: &str) -> bool {
        let Some(own) = &self.location else { return true };
        own.matches(path) && !self.siblings.iter().any(|sibling| sibling.matches(path) && sibling.precedes(own))
    }
}

/// The lines that limit clients, in a configuration.
pub(super) fn limits(tree: &[Directive]) -> Vec<ScopedLine> {
    let is_limit = |directive: &Directive| ["limit_req", "limit_conn"].contains(&directive.name.as_str());
    scoped_lines(tree, None, &[], &is_limit)
}

/// The lines that ask for a password, in a `server` block.
pub(super) fn protected(server: &[Directive]) -> Vec<ScopedLine> {
    let is_password = |directive: &Directive| directive.name == "auth_basic" && directive.arg(0) != Some("off");
    scoped_lines(server, None, &[], &is_password)
}

/// The lines for which `is_meant` holds in the block of a location, with the locations beside it.
fn scoped_lines(
    block: &[Directive],
    location: Option<&LocationPath>,
    siblings: &[LocationPath],
    is_meant: &dyn Fn(&Directive) -> bool,
) -> Vec<ScopedLine> {
    let inner: Vec<LocationPath> =
        block.iter().filter(|directive| directive.name == "location").filter_map(LocationPath::of).collect();
    let of_directive = |directive: &Directive| match directive.name.as_str() {
        _ if is_meant(directive) => {
            vec![ScopedLine { line: directive.line, location: location.cloned(), siblings: siblings.to_vec() }]
        }
        "location" => scoped_lines(directive.children(), LocationPath::of(directive).as_ref(), &inner, is_meant),
        _ => scoped_lines(directive.children(), location, siblings, is_meant),
    };
    block.iter().flat_map(of_directive).collect()
}
