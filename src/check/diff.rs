//! The differences between two stacks' responses to one request, and between the requests that their apps saw. Pure.

use serde::{Deserialize, Serialize};

use super::evaluate::app_field;
use super::observed::{Observed, lines};
use crate::scenario::model::AppField;

/// One field in which two stacks differ. `None` means that the stack has no such field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// The field's name, as in scenario files.
    pub field: String,
    pub reference: Option<String>,
    pub other: Option<String>,
}

/// Compares two observations of one request, field by field: the response, the request at the server, the app's view.
#[must_use]
pub fn differences(reference: &Observed, other: &Observed) -> Vec<Difference> {
    let mut found = Vec::new();
    field(&mut found, "status", &reference.status.to_string(), &other.status.to_string());
    headers(&mut found, "headers", &reference.headers, &other.headers);
    for (name, status) in &other.conditional {
        // A validator that only one of them has is a difference already.
        if let Some((_, expected)) = reference.conditional.iter().find(|(known, _)| known == name) {
            field(&mut found, &format!("status with {name}"), expected, status);
        }
    }
    match (reference.headers_report(), other.headers_report()) {
        (Ok(reference), Ok(other)) => {
            let (a, b) = (&reference.upstream, &other.upstream);
            field(&mut found, "upstream.method", &a.method, &b.method);
            field(&mut found, "upstream.target", &a.target, &b.target);
            field(&mut found, "upstream.version", &a.version, &b.version);
            headers(&mut found, "upstream.headers", &a.headers, &b.headers);
            for name in AppField::ALL {
                let path = format!("app.{}", name.name());
                field(&mut found, &path, app_field(&reference.app, name), app_field(&other.app, name));
            }
        }
        _ => field(&mut found, "body", &reference.shown_body(), &other.shown_body()),
    }
    if reference.body != other.body {
        // A different length of a different body is not a second difference.
        found.retain(|difference| !difference.field.eq_ignore_ascii_case("headers.content-length"));
    }
    found
}

fn field(found: &mut Vec<Difference>, name: &str, reference: &str, other: &str) {
    if reference != other {
        let (reference, other) = (Some(reference.to_owned()), Some(other.to_owned()));
        found.push(Difference { field: name.to_owned(), reference, other });
    }
}

fn headers(found: &mut Vec<Difference>, scope: &str, reference: &[(String, String)], other: &[(String, String)]) {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in reference.iter().chain(other) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name);
        }
    }
    for name in names {
        let (reference, other) = (joined(reference, name), joined(other, name));
        if reference != other {
            found.push(Difference { field: format!("{scope}.{name}"), reference, other });
        }
    }
}

/// The lines of one name as one text.
fn joined(headers: &[(String, String)], name: &str) -> Option<String> {
    let lines: Vec<&str> = lines(headers, name).collect();
    if lines.is_empty() { None } else { Some(lines.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(status: u16, headers: &[(&str, &str)], body: &str) -> Observed {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Observed {
            status,
            reason: String::new(),
            headers,
            body: body.to_owned(),
            is_binary: false,
            framing_error: None,
            conditional: Vec::new(),
        }
    }

    #[test]
    fn case_of_names_is_no_difference() {
        let a = observed(200, &[("Date", "x"), ("A", "1"), ("a", "2")], "Pong!");
        let b = observed(200, &[("a", "1"), ("A", "2"), ("date", "x")], "Pong!");
        assert_eq!(differences(&a, &b), []);
    }

    #[test]
    fn validators_of_both_are_compared() {
        let conditional = |fields: &[(&str, &str)]| Observed {
            conditional: fields.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect(),
            ..observed(200, &[], "Pong!")
        };
        let a = conditional(&[("If-None-Match", "304"), ("If-Modified-Since", "304")]);
        let b = conditional(&[("If-None-Match", "200")]);
        let found: Vec<String> = differences(&a, &b).into_iter().map(|difference| difference.field).collect();
        assert_eq!(found, ["status with If-None-Match"]);
    }

    #[test]
    fn differences_have_both_values() {
        let a = observed(200, &[("Via", "p"), ("A", "1")], "Pong!");
        let b = observed(502, &[("A", "2"), ("New", "n")], "Bad");
        let found: Vec<(String, Option<String>, Option<String>)> =
            differences(&a, &b).into_iter().map(|d| (d.field, d.reference, d.other)).collect();
        let some = |text: &str| Some(text.to_owned());
        let expected = [
            ("status", some("200"), some("502")),
            ("headers.Via", some("p"), None),
            ("headers.A", some("1"), some("2")),
            ("headers.New", None, some("n")),
            ("body", some("Pong!"), some("Bad")),
        ];
        assert_eq!(found, expected.map(|(field, a, b)| (field.to_owned(), a, b)));
    }
}
