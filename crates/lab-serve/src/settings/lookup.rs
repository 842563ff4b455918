//! All settings: gunicorn's, then lab's own.

use super::own_table::OWN_TABLE;
use super::table::{Setting, TABLE};

pub fn all() -> impl Iterator<Item = &'static Setting> {
    TABLE.iter().chain(OWN_TABLE)
}

/// Finds a setting by its name.
#[must_use]
pub fn lookup(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}
