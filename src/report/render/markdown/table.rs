//! Tables and escaping.

use std::fmt::Write as _;

/// A table in GitHub's syntax. The caller escapes the cells.
pub(super) fn table<R: AsRef<[String]>>(header: &[&str], rows: &[R]) -> String {
    let mut text = format!("| {} |\n|{}", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        let _ = write!(text, "\n| {} |", row.as_ref().join(" | "));
    }
    text
}

/// Escapes text so that markdown shows it literally, also in a table cell.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\n' | '\r' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '*' | '_' | '[' | ']' | '\\' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}
