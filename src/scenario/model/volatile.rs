//! Facts that vary from run to run by nature.

use lab_load::wire::Pattern;

/// The parts of a response that a snapshot compares for presence only, or after a replacement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Volatile {
    /// Names of fields, compared without case.
    pub fields: Vec<String>,
    /// JSON pointers into bodies (RFC 6901).
    pub pointers: Vec<String>,
    /// Replacements in values of fields and in text bodies, in this order.
    pub filters: Vec<Filter>,
}

/// A regular expression, and what replaces its matches, as a filter of insta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub matches: Pattern,
    /// May name groups of the expression: `$1`, `${name}`.
    pub replacement: String,
}

impl Volatile {
    /// What stands for a value that varies.
    pub const MARKER: &'static str = "{volatile}";

    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        self.fields.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.pointers.is_empty() && self.filters.is_empty()
    }

    /// Adds the entries that are missing.
    pub fn add(&mut self, other: Volatile) {
        for name in other.fields {
            if !self.has_field(&name) {
                self.fields.push(name);
            }
        }
        for pointer in other.pointers {
            if !self.pointers.contains(&pointer) {
                self.pointers.push(pointer);
            }
        }
        for filter in other.filters {
            if !self.filters.contains(&filter) {
                self.filters.push(filter);
            }
        }
    }

    /// The line of `[snapshot]` in a scenario file.
    #[must_use]
    pub fn line(&self) -> String {
        let quoted = |text: &String| toml::Value::String(text.clone()).to_string();
        let filters = self.filters.iter().map(|Filter { matches, replacement }| {
            let matches = quoted(&matches.0.as_str().to_owned());
            match replacement == Volatile::MARKER {
                true => format!("{{ matches = {matches} }}"),
                false => format!("{{ matches = {matches}, replacement = {} }}", quoted(replacement)),
            }
        });
        let texts = self.fields.iter().chain(&self.pointers).map(quoted);
        format!("volatile = [{}]", texts.chain(filters).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn line_is_toml() {
        let filter = |pattern: &str, replacement: &str| Filter {
            matches: Pattern(Regex::new(pattern).unwrap()),
            replacement: replacement.to_owned(),
        };
        let mut volatile = Volatile { fields: vec!["X-Id".to_owned()], ..Volatile::default() };
        volatile.add(Volatile {
            fields: vec!["x-id".to_owned(), "ETag".to_owned()],
            pointers: vec!["/a".to_owned()],
            filters: vec![filter(r#"\d+ "ms""#, Volatile::MARKER), filter("it's", "{it}")],
        });
        let table: toml::Table = volatile.line().parse().unwrap();
        let items = table["volatile"].as_array().unwrap();
        assert_eq!(items.len(), 5, "{items:?}");
        assert_eq!((items[1].as_str(), items[2].as_str()), (Some("ETag"), Some("/a")));
        assert_eq!(items[3]["matches"].as_str(), Some(r#"\d+ "ms""#));
        assert_eq!(items[4]["replacement"].as_str(), Some("{it}"));
    }
}
