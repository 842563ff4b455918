//! Redaction: what differs from run to run without meaning anything is replaced by a name. Pure.
//!
//! Ports, dates and versions; and the lengths of bodies that held one of them. What is left is a fact that two runs
//! of one scenario share.

use std::net::SocketAddr;

use super::observed::Observed;

/// What is replaced in one visit to a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// Addresses and the names that stand for them.
    pub addresses: Vec<(SocketAddr, String)>,
    /// Other texts of this start, hosts without a port among them, and the names that stand for them.
    pub names: Vec<(String, String)>,
    /// Version texts and the names that stand for them.
    pub versions: Vec<(String, String)>,
}

impl Redaction {
    /// The observation with its accidental parts replaced.
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
            framing_error: observed.framing_error.clone(),
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
    fn ports_dates_versions_and_the_lengths_they_change_are_replaced() {
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
            framing_error: None,
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
