//! Evaluates a `map`.

use super::Scope;
use crate::config::map::Map;

impl Map {
    /// Appends the value for the source text: that of the text itself, ignoring case; of the longest wildcard; of the
    /// first regular expression that matches; or the default.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        let text = self.source.value(scope);
        let found = self.find(&text, scope).or(self.default);
        if let Some(index) = found {
            self.values[index].write(scope, out);
        }
    }

    fn find(&self, text: &[u8], scope: &Scope<'_>) -> Option<usize> {
        let mut lower = text.to_ascii_lowercase();
        if self.has_hostnames && lower.ends_with(b".") {
            lower.pop();
        }
        let host = || {
            let hosts = self.hosts.as_ref()?;
            hosts.find(&lower, &scope.route.values)
        };
        let pattern = || {
            let mut patterns = self.patterns.iter().filter(|_| !text.is_empty());
            patterns.find(|(pattern, _)| pattern.matches(text, &scope.route.values)).map(|(_, index)| *index)
        };
        self.exact.get(&lower).copied().or_else(host).or_else(pattern)
    }
}
