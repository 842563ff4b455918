//! Redaction: replaces the parts of an observation that vary from run to run by placeholders. Pure.
//!
//! These are ports, dates and versions, and the lengths of bodies that contain one of them. The rest is a fact, equal in
//! every run of a scenario.

use std::net::SocketAddr;

use super::observed::Observed;

/// The replacements for one visit to a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// Addresses and their placeholders.
    pub addresses: Vec<(SocketAddr, String)>,
    /// Other texts of this visit, such as hosts without a port, and their placeholders.
    pub names: Vec<(String, String)>,
    /// Versions and their placeholders.
    pub versions: Vec<(String, String)>,
}

impl Redaction {
    #[must_use]
    pub fn apply(&self, observed: &Observed) -> Observed {
        let body = self.text(&observed.body);
        let body_changed = body != observed.body;
        let headers = observed.headers.iter().map(|(name, value)| {
            let value = match () {
                () if name.eq_ignore_ascii_case("date") => "{date}".to_owned(),
                () if name.eq_ignore_ascii_case("content-length") && body_changed => "{length}".to_owned(),
                () => self.text(value),
            };
            (name.clone(), value)
        });
        Observed {
            status: observed.status,
            reason: observed.reason.clone(),
            headers: headers.collect(),
            body,
            is_binary: observed.is_binary,
            framing_error: observed.framing_error.clone(),
            conditional: observed.conditional.clone(),
        }
    }

    /// A text with every known address, name and version replaced.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (address, name) in &self.addresses {
            text = text.replace(&address.to_string(), name);
        }
        for (own, name) in self.names.iter().chain(&self.versions) {
            text = text.replace(own, name);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varying_parts_are_replaced() {
        let redaction = Redaction {
            addresses: vec![(([127, 0, 0, 1], 40_001).into(), "{host}:{port}".to_owned())],
            names: vec![("127.0.0.1".to_owned(), "{client}".to_owned())],
            versions: vec![("lab/0.1.0".to_owned(), "lab/{version}".to_owned())],
        };
        let pairs = |lines: &[(&str, &str)]| -> Vec<(String, String)> {
            lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let observed = Observed {
            status: 302,
            reason: "Found".to_owned(),
            headers: pairs(&[
                ("DATE", "Tue, 24 Nov 2026 11:00:00 GMT"),
                ("Location", "http://127.0.0.1:40001/pong"),
                ("Server", "lab/0.1.0"),
                ("content-length", "17"),
            ]),
            body: "at 127.0.0.1:40001 from 127.0.0.1".to_owned(),
            is_binary: false,
            framing_error: None,
            conditional: Vec::new(),
        };
        let redacted = redaction.apply(&observed);
        let expected = pairs(&[
            ("DATE", "{date}"),
            ("Location", "http://{host}:{port}/pong"),
            ("Server", "lab/{version}"),
            ("content-length", "{length}"),
        ]);
        assert_eq!((redacted.headers, redacted.body.as_str()), (expected, "at {host}:{port} from {client}"));
    }
}
