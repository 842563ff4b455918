//! Lines that concern the requests of some locations only.

use super::prefix_of;
use lab_nginx_conf::Directive;

/// A line that concerns the requests of its location, such as a limit of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedLine {
    pub line: usize,
    /// The prefix of its location, if it is in one that is matched by prefix.
    pub prefix: Option<String>,
}

impl ScopedLine {
    /// Whether it concerns a path, or may do so.
    #[must_use]
    pub fn applies_to(&self, path: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix))
    }
}

/// The lines that limit clients, in a configuration.
pub(super) fn limits(tree: &[Directive]) -> Vec<ScopedLine> {
    scoped_lines(tree, None, &|directive| ["limit_req", "limit_conn"].contains(&directive.name.as_str()))
}

/// The lines that ask for a password, in a `server` block.
pub(super) fn protected(server: &[Directive]) -> Vec<ScopedLine> {
    scoped_lines(server, None, &|directive| directive.name == "auth_basic" && directive.arg(0) != Some("off"))
}

/// The lines for which `is_meant` holds in a block, whose location has this prefix.
fn scoped_lines(block: &[Directive], prefix: Option<&str>, is_meant: &dyn Fn(&Directive) -> bool) -> Vec<ScopedLine> {
    let of_directive = |directive: &Directive| match directive.name.as_str() {
        _ if is_meant(directive) => vec![ScopedLine { line: directive.line, prefix: prefix.map(str::to_owned) }],
        "location" => scoped_lines(directive.children(), prefix_of(directive), is_meant),
        _ => scoped_lines(directive.children(), prefix, is_meant),
    };
    block.iter().flat_map(of_directive).collect()
}
