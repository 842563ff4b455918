//! Rules about gunicorn.conf.py and the application: whom they believe.

mod facts;

mod proxy_fix;
mod settings;

use std::path::Path;

use super::finding::{Finding, Place};
use super::nginx::Unset;
use super::rule::Rule;

pub use facts::{Facts, ReadError, read};

/// The rules about Python files.
pub const RULES: &[&Rule] = &[
    &settings::FORWARDED_FROM_EVERYONE,
    &settings::BIND_EVERYWHERE,
    &proxy_fix::IMPORT_REMOVED,
    &proxy_fix::COUNT_REMOVED,
    &proxy_fix::TRUST_UNSAID,
    &proxy_fix::BELIEVES_CLIENT,
];

/// Everything the rules have against a Python file, in the order of its lines. `unset` are the fields that the proxy
/// in front of it leaves to the client; without a proxy's file nothing is known of them.
#[must_use]
pub fn lint(file: &Path, facts: &Facts, unset: &[Unset]) -> Vec<Finding> {
    let mut found = Vec::new();
    settings::check(file, facts, &mut found);
    proxy_fix::check(file, facts, unset, &mut found);
    found.sort_by_key(|finding| finding.place.span.start);
    found
}

/// Where something stands in `file`.
fn place(file: &Path, at: &facts::At) -> Place {
    Place { file: file.to_owned(), line: at.line, span: at.span.clone() }
}
