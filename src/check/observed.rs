//! What a check saw: the answer at the client, and the app's view where the answer holds one.

use serde::{Deserialize, Serialize};

use lab_app::headers_report::HeadersReport;

/// An answer as it arrived at the client. Text that is not UTF-8 is read as Latin-1, so that no byte is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The status code.
    pub status: u16,
    /// The reason phrase, possibly empty.
    pub reason: String,
    /// Header lines in order, duplicates and the case of names kept.
    pub headers: Vec<(String, String)>,
    /// The body, transfer coding removed. For an answer that must not have one: whatever followed the head.
    pub body: String,
    /// What is wrong with the answer's framing, if anything: a truncated body, bad chunks.
    pub framing_error: Option<String>,
}

impl Observed {
    /// The values of every line named `name`, in order; names are compared without case (RFC 9110 §5.1).
    pub fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        lines(&self.headers, name)
    }

    /// The app's view of the request, if the body is one.
    ///
    /// # Errors
    /// Why the body is not a view, in words.
    pub fn headers_report(&self) -> Result<HeadersReport, String> {
        serde_json::from_str(&self.body).map_err(|error| format!("the answer holds no view of the request: {error}"))
    }
}

/// The values of every line of `headers` named `name`, in order.
pub fn lines<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(line, _)| line.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}
