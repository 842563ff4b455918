//! Facts that vary by nature: a session cookie, a request's id, the time of a deploy. They are compared for presence only,
//! or after a replacement. Pure.

use std::borrow::Cow;

use lab_app::headers_report::HeadersReport;
use serde_json::Value;

use super::observed::Observed;
use crate::scenario::model::{Filter, Volatile};

/// Replaces the values of volatile fields, volatile parts of JSON bodies, and matches of filters in fields and text bodies.
/// The fields of the request that the app saw are replaced as well, because a proxy may add such a field to it.
#[must_use]
pub fn replace(volatile: &Volatile, observed: Observed) -> Observed {
    let mut observed = observed;
    let is_replaced = replace_body(volatile, &mut observed);
    for (name, value) in &mut observed.headers {
        let is_length = is_replaced && name.eq_ignore_ascii_case("content-length");
        if is_length {
            "{length}".clone_into(value);
        } else if volatile.has_field(name) {
            Volatile::MARKER.clone_into(value);
        } else {
            filter(&volatile.filters, value);
        }
    }
    observed
}

/// Applies filters in their order. Returns whether one matched.
fn filter(filters: &[Filter], text: &mut String) -> bool {
    let mut is_changed = false;
    for Filter { matches, replacement } in filters {
        let replaced = match matches.0.replace_all(text, replacement) {
            Cow::Owned(replaced) => replaced,
            Cow::Borrowed(_) => continue,
        };
        *text = replaced;
        is_changed = true;
    }
    is_changed
}

/// Returns whether the body has a volatile part.
fn replace_body(volatile: &Volatile, observed: &mut Observed) -> bool {
    let mut is_replaced = false;
    if !volatile.fields.is_empty()
        && let Ok(mut report) = observed.headers_report()
    {
        for (_, value) in report.upstream.headers.iter_mut().filter(|(name, _)| volatile.has_field(name)) {
            Volatile::MARKER.clone_into(value);
            is_replaced = true;
        }
        if is_replaced {
            observed.body = text(&report);
        }
    }
    if !volatile.pointers.is_empty()
        && let Ok(mut document) = serde_json::from_str::<Value>(&observed.body)
    {
        let mut is_changed = false;
        for pointer in &volatile.pointers {
            if let Some(value) = document.pointer_mut(pointer) {
                *value = Value::from(Volatile::MARKER);
                is_changed = true;
            }
        }
        if is_changed {
            observed.body = document.to_string();
            is_replaced = true;
        }
    }
    // The characters of a binary body stand for bytes.
    if !observed.is_binary {
        is_replaced |= filter(&volatile.filters, &mut observed.body);
    }
    is_replaced
}

fn text(report: &HeadersReport) -> String {
    serde_json::to_string(report).unwrap_or_default() // OK because texts and lists of them are always JSON
}

#[cfg(test)]
mod tests {
    use lab_load::wire::Pattern;
    use regex::Regex;

    use super::*;

    fn volatile() -> Volatile {
        Volatile {
            fields: vec!["Set-Cookie".to_owned(), "X-Request-Id".to_owned()],
            pointers: vec!["/id".to_owned(), "/items/1/a~1b".to_owned()],
            filters: Vec::new(),
        }
    }

    fn observed(headers: &[(&str, &str)], body: &str) -> Observed {
        Observed {
            status: 200,
            reason: "OK".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.to_owned(),
            is_binary: false,
            framing_error: None,
            conditional: Vec::new(),
        }
    }

    #[test]
    fn only_presence_of_volatile_values_is_kept() {
        let body = r#"{"id": 7, "items": [1, {"a/b": "x", "c": 2}]}"#;
        let headers = [("set-cookie", "s=1"), ("Set-Cookie", "t=2"), ("X", "1"), ("Content-Length", "45")];
        let replaced = replace(&volatile(), observed(&headers, body));
        let values: Vec<&str> = replaced.headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["{volatile}", "{volatile}", "1", "{length}"]);
        assert_eq!(replaced.body, r#"{"id":"{volatile}","items":[1,{"a/b":"{volatile}","c":2}]}"#);
    }

    #[test]
    fn filters_replace_in_order() {
        let filter = |pattern: &str, replacement: &str| Filter {
            matches: Pattern(Regex::new(pattern).unwrap()),
            replacement: replacement.to_owned(),
        };
        let filters =
            vec![filter("[0-9a-f]{8}", "{id}"), filter(r"(\w+)=\{id\}", "$1=ID"), filter("[0-9]+ ms", "{time}")];
        let volatile = Volatile { filters, ..Volatile::default() };
        let headers = [("Location", "/cart?id=0badcafe"), ("Content-Length", "30"), ("Content-Type", "text/plain")];
        let replaced = replace(&volatile, observed(&headers, "built 0badcafe in 17 ms, then 0badcafe"));
        let values: Vec<&str> = replaced.headers.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(values, ["/cart?id=ID", "{length}", "text/plain"]);
        assert_eq!(replaced.body, "built {id} in {time}, then {id}");
        let binary = Observed { is_binary: true, ..observed(&[], "0badcafe") };
        assert_eq!(replace(&volatile, binary.clone()), binary);
    }

    #[test]
    fn body_without_volatile_parts_stays() {
        for body in ["not JSON", r#"{"other":  1}"#, "[1]"] {
            let before = observed(&[("Content-Length", "9")], body);
            assert_eq!(replace(&volatile(), before.clone()), before);
        }
    }
}
