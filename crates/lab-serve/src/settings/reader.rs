//! Reads validated values as the types of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use super::resolve::ResolvedSettings;
use super::value::Value;

pub(super) struct ConfigReader<'a> {
    pub(super) resolved: &'a ResolvedSettings,
}

impl ConfigReader<'_> {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.resolved.get(name) {
            Value::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let Value::List(items) = self.resolved.get(name) else { return Vec::new() };
        items.iter().filter_map(|item| if let Value::Text(text) = item { Some(text.clone()) } else { None }).collect()
    }

    /// A path, which is relative to `chdir`.
    pub(super) fn in_chdir(&self, path: &str) -> PathBuf {
        PathBuf::from(self.text("chdir").unwrap_or_default()).join(path)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.resolved.get(name) == &Value::Bool(true)
    }

    /// A number, already validated as not negative. One that is too large for its type becomes the largest of the type.
    pub(super) fn number<N: TryFrom<i64> + number_types::Largest>(&self, name: &str) -> N {
        match self.resolved.get(name) {
            Value::Int(number) => N::try_from(*number).unwrap_or(N::LARGEST),
            _ => N::LARGEST,
        }
    }

    pub(super) fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }
}

/// The integer types of the configuration, with their largest values.
mod number_types {
    pub(in super::super) trait Largest {
        const LARGEST: Self;
    }

    macro_rules! largest {
        ($($number:ty),*) => { $(impl Largest for $number { const LARGEST: $number = <$number>::MAX; })* };
    }
    largest!(i32, u32, u64, usize);
}
