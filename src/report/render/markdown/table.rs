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

/// A block of code, whose fence is longer than any in it.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fence_is_longer_than_those_in_the_text() {
        assert_eq!(fenced("diff", "+ a\n"), "```diff\n+ a\n```");
        assert_eq!(fenced("", "````\nx"), "`````\n````\nx\n`````");
    }
}
