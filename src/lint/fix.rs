//! Applies the safe fixes of findings to a text. Pure.

use super::finding::{Edit, Finding};

/// The text with the edits of the findings applied, and the number of findings that they fix. A finding whose edits overlap
/// those of an earlier one is left for the next time.
#[must_use]
pub fn fixed(text: &str, findings: &[&Finding]) -> (String, usize) {
    let mut edits: Vec<&Edit> = Vec::new();
    let mut count = 0;
    for finding in findings.iter().filter(|finding| !finding.edits.is_empty()) {
        let overlaps = |edit: &Edit| {
            edits.iter().any(|other| edit.span.start < other.span.end && other.span.start < edit.span.end)
        };
        if finding.edits.iter().any(overlaps) {
            continue;
        }
        edits.extend(&finding.edits);
        count += 1;
    }
    edits.sort_by_key(|edit| edit.span.start);
    let mut fixed = String::new();
    let mut at = 0;
    for Edit { span, replacement } in edits {
        fixed.push_str(&text[at..span.start]);
        fixed.push_str(replacement);
        at = span.end;
    }
    fixed.push_str(&text[at..]);
    (fixed, count)
}
