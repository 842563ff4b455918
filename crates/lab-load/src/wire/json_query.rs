//! The place of a value in a JSON document: a JSON pointer or a JSONPath.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json_path::JsonPath;

/// A path of names and indexes only, which selects one value at the most (RFC 9535, section 2.3.5.1).
static SINGULAR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^\$(?:\s*(?:\.\s*[\p{L}_][\p{L}\p{N}_]*|\[\s*(?:'[^']*'|"[^"]*"|-?[0-9]+)\s*\]))*$"#)
        .expect("a valid expression")
});

/// A place in a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum JsonQuery {
    /// A JSON pointer (RFC 6901).
    Pointer(String),
    /// A JSONPath (RFC 9535).
    Path {
        path: JsonPath,
        /// Whether it selects one value at the most. Any other path results in a list of the selected values.
        is_singular: bool,
    },
}

impl JsonQuery {
    /// The value at this place; None if the document has none there.
    #[must_use]
    pub fn find<'v>(&self, document: &'v Value) -> Option<Cow<'v, Value>> {
        match self {
            JsonQuery::Pointer(pointer) => document.pointer(pointer).map(Cow::Borrowed),
            JsonQuery::Path { path, is_singular: true } => path.query(document).first().map(Cow::Borrowed),
            JsonQuery::Path { path, is_singular: false } => {
                Some(Cow::Owned(path.query(document).iter().map(|value| (*value).clone()).collect()))
            }
        }
    }
}

impl TryFrom<String> for JsonQuery {
    type Error = String;

    /// # Errors
    /// Why the text is neither a pointer nor a path.
    fn try_from(text: String) -> Result<JsonQuery, String> {
        if text.starts_with('$') {
            let path = JsonPath::parse(&text).map_err(|error| error.to_string())?;
            return Ok(JsonQuery::Path { path, is_singular: SINGULAR.is_match(&text) });
        }
        // RFC 6901, section 3: `~` stands before 0 or 1.
        let has_bad_escape = text.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1']));
        match text.is_empty() || text.starts_with('/') {
            true if has_bad_escape => Err("`~` must be followed by 0 or 1".to_owned()),
            true => Ok(JsonQuery::Pointer(text)),
            false => Err("it starts with neither `/` nor `$`".to_owned()),
        }
    }
}

impl From<JsonQuery> for String {
    fn from(query: JsonQuery) -> String {
        query.to_string()
    }
}

impl fmt::Display for JsonQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonQuery::Pointer(pointer) => f.write_str(pointer),
            JsonQuery::Path { path, .. } => path.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str) -> Option<String> {
        let document: Value =
            serde_json::from_str(r#"{"items": [{"id": 1}, {"id": "b"}], "a/b": null, "one": [7]}"#).unwrap();
        let query = JsonQuery::try_from(query.to_owned()).unwrap();
        query.find(&document).map(|value| value.to_string())
    }

    #[test]
    fn pointers_and_paths_find_values() {
        for (query, value) in [
            ("/items/0/id", Some("1")),
            ("/a~1b", Some("null")),
            ("/items/2", None),
            ("$.items[1].id", Some("\"b\"")),
            ("$['items'][0]['id']", Some("1")),
            ("$.nothing", None),
        ] {
            assert_eq!(found(query).as_deref(), value, "{query}");
        }
    }

    #[test]
    fn plural_path_is_always_a_list() {
        assert_eq!(found("$.one[*]").as_deref(), Some("[7]"));
        assert_eq!(found("$..id").as_deref(), Some("[1,\"b\"]"));
        assert_eq!(found("$.items[?@.id == 2]").as_deref(), Some("[]"));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["items", "/a~2", "$.items[", "$items"] {
            assert!(JsonQuery::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
