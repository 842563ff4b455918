//! The format of the access log: gunicorn's `access_log_format`, parsed once and filled in for each record. Pure.

use std::fmt::Write as _;

use lab_worker::access_record::AccessRecord;

/// A parsed format. The atoms are gunicorn's (its documentation: `access_log_format`); an unknown one becomes `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFormat {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessFormatError {
    #[error("must be text with atoms like %(h)s; {0:?} is not one")]
    Atom(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Atom(Atom),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    Letter(char),
    /// `%({name}i)s`, its name in lower case.
    RequestField(String),
    /// `%({name}o)s`
    ResponseField(String),
    /// `%({name}e)s`
    EnvironVariable(String),
    Unknown,
}

impl AccessFormat {
    /// Parses a format, in which `%(atom)s` stands for an atom and `%%` for a percent sign.
    ///
    /// # Errors
    /// A percent sign starts neither of them.
    pub fn new(format: &str) -> Result<AccessFormat, AccessFormatError> {
        let mut parts = Vec::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            parts.push(Part::Text(rest[..at].to_owned()));
            let wrong = || AccessFormatError::Atom(rest[at..].chars().take(12).collect());
            let behind = &rest[at + 1..];
            if let Some(behind) = behind.strip_prefix('%') {
                parts.push(Part::Text("%".to_owned()));
                rest = behind;
                continue;
            }
            // Python's formatting ends the name at the first closing parenthesis.
            let (name, behind) =
                behind.strip_prefix('(').and_then(|inside| inside.split_once(')')).ok_or_else(wrong)?;
            rest = behind.strip_prefix('s').or_else(|| behind.strip_prefix('d')).ok_or_else(wrong)?;
            parts.push(Part::Atom(Atom::new(name)));
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| *part != Part::Text(String::new()));
        Ok(AccessFormat { text: format.to_owned(), parts })
    }

    /// The format as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The request fields in the format, in lower case.
    #[must_use]
    pub fn request_headers(&self) -> Vec<String> {
        self.names(|atom| if let Atom::RequestField(name) = atom { Some(name) } else { None })
    }

    /// The response fields in the format, in lower case.
    #[must_use]
    pub fn response_headers(&self) -> Vec<String> {
        self.names(|atom| if let Atom::ResponseField(name) = atom { Some(name) } else { None })
    }

    /// The environ variables in the format, in lower case.
    #[must_use]
    pub fn environ(&self) -> Vec<String> {
        self.names(|atom| if let Atom::EnvironVariable(name) = atom { Some(name) } else { None })
    }

    fn names(&self, pick: impl Fn(&Atom) -> Option<&String>) -> Vec<String> {
        let picked = self.parts.iter().filter_map(|part| if let Part::Atom(atom) = part { pick(atom) } else { None });
        picked.cloned().collect()
    }

    /// Formats one record as a line, without its line end. `pid` is the worker's; `time` is the time of writing, as
    /// `[24/Nov/2026:12:00:00 +0000]`.
    #[must_use]
    pub fn line(&self, record: &AccessRecord, pid: u32, time: &str) -> String {
        let mut line = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => line.push_str(text),
                Part::Atom(atom) => atom.write(&mut line, record, pid, time),
            }
        }
        // Clients control many values, and must not be able to forge further lines.
        if line.contains(char::is_control) { line.replace(char::is_control, " ") } else { line }
    }
}

impl Atom {
    fn new(name: &str) -> Atom {
        let braced = |end: &str| name.strip_prefix('{')?.strip_suffix(end).map(str::to_lowercase);
        if let Some(name) = braced("}i") {
            return Atom::RequestField(name);
        }
        if let Some(name) = braced("}o") {
            return Atom::ResponseField(name);
        }
        if let Some(name) = braced("}e") {
            return Atom::EnvironVariable(name);
        }
        let mut letters = name.chars();
        match (letters.next(), letters.next()) {
            (Some(letter), None) if "hlutrsmUqHbBfaTDMLp".contains(letter) => Atom::Letter(letter),
            _ => Atom::Unknown,
        }
    }

    fn write(&self, line: &mut String, record: &AccessRecord, pid: u32, time: &str) {
        let micros = record.duration_us;
        let mut number = |number: u64| {
            // OK because writing to a String cannot fail
            let _ = write!(line, "{number}");
        };
        match self {
            Atom::Letter('s') => number(u64::from(record.status)),
            Atom::Letter('b' | 'B') => number(record.sent_bytes),
            Atom::Letter('T') => number(micros / 1_000_000),
            Atom::Letter('M') => number(micros / 1000),
            Atom::Letter('D') => number(micros),
            Atom::Letter(letter) => push_escaped(line, &atom_text(*letter, record, pid, time)),
            Atom::RequestField(name) => push_escaped(line, last_value(&record.request_headers, name)),
            Atom::ResponseField(name) => push_escaped(line, last_value(&record.response_headers, name)),
            Atom::EnvironVariable(name) => push_escaped(line, last_value(&record.environ, name)),
            Atom::Unknown => line.push('-'),
        }
    }
}

fn atom_text(letter: char, record: &AccessRecord, pid: u32, time: &str) -> String {
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    match letter {
        'h' => record.remote_addr.clone(),
        'u' => record.user.clone().filter(|user| !user.is_empty()).unwrap_or_else(|| "-".to_owned()),
        't' => time.to_owned(),
        'r' => format!("{} {} {}", record.method, record.target, record.protocol),
        'm' => record.method.clone(),
        'U' => record.path.clone(),
        'q' => record.query.clone(),
        'H' => record.protocol.clone(),
        'f' => or_dash(&record.referer),
        'a' => or_dash(&record.user_agent),
        'L' => format!("{}.{:06}", record.duration_us / 1_000_000, record.duration_us % 1_000_000),
        'p' => format!("<{pid}>"),
        _ => "-".to_owned(),
    }
}

/// The last of several fields counts, as in gunicorn's dictionary of atoms.
fn last_value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("-", |(_, value)| value)
}

fn push_escaped(line: &mut String, text: &str) {
    if text.contains('"') { line.push_str(&text.replace('"', "\\\"")) } else { line.push_str(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AccessRecord {
        AccessRecord {
            remote_addr: "10.0.0.1".into(),
            user: Some("ann".into()),
            method: "GET".into(),
            target: "/a%20b?c=\"d\"".into(),
            path: "/a b".into(),
            query: "c=\"d\"".into(),
            protocol: "HTTP/1.1".into(),
            status: 200,
            sent_bytes: 5,
            duration_us: 1_234_567,
            user_agent: Some("curl".into()),
            request_headers: vec![("x-a".into(), "1".into()), ("X-A".into(), "2".into())],
            response_headers: vec![("content-type".into(), "text/plain".into())],
            environ: vec![("wsgi.url_scheme".into(), "http".into())],
            ..AccessRecord::default()
        }
    }

    #[test]
    fn atoms_are_gunicorns() {
        let cases = [
            (
                r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#,
                r#"10.0.0.1 - ann [now] "GET /a%20b?c=\"d\" HTTP/1.1" 200 5 "-" "curl""#,
            ),
            ("%(m)s|%(U)s|%(q)s|%(H)s|%(B)s", r#"GET|/a b|c=\"d\"|HTTP/1.1|5"#),
            ("%(T)s %(M)s %(D)s %(L)s %(p)s", "1 1234 1234567 1.234567 <7>"),
            ("%({X-A}i)s %({X-B}i)s %({Content-Type}o)s %({wsgi.url_scheme}e)s", "2 - text/plain http"),
            ("100%% %(nothing)s %(D)d", "100% - 1234567"),
            ("", ""),
        ];
        for (format, line) in cases {
            assert_eq!(AccessFormat::new(format).unwrap().line(&record(), 7, "[now]"), line, "{format}");
        }
    }

    #[test]
    fn control_characters_become_spaces() {
        let record = AccessRecord { user_agent: Some("a\nb\u{1b}".into()), ..record() };
        assert_eq!(AccessFormat::new("%(a)s").unwrap().line(&record, 7, ""), "a b ");
    }

    #[test]
    fn format_lists_its_fields() {
        let format = AccessFormat::new("%({X-A}i)s %({Server}o)s %({REMOTE_USER}e)s %({b}i)s").unwrap();
        assert_eq!(format.request_headers(), ["x-a", "b"]);
        assert_eq!((format.response_headers(), format.environ()), (vec!["server".into()], vec!["remote_user".into()]));
    }

    #[test]
    fn lone_percent_sign_is_refused() {
        for format in ["%", "%h", "50% off", "%(h)", "%(h)x"] {
            assert!(AccessFormat::new(format).is_err(), "{format}");
        }
    }
}
