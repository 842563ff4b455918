//! The difference between two texts, line by line. Pure.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

/// The lines around a change that readers usually need.
pub const CONTEXT: usize = 3;

/// Removed lines with `- `, added lines with `+ `, and a few lines of context. Empty if the texts are equal.
#[must_use]
pub fn text_difference(old: &str, new: &str) -> String {
    text_difference_with_context(old, new, CONTEXT)
}

/// The same with `context` lines around each change.
#[must_use]
pub fn text_difference_with_context(old: &str, new: &str, context: usize) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for (index, group) in diff.grouped_ops(context).iter().enumerate() {
        if index > 0 {
            text.push_str("  ⋮\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let _ = writeln!(text, "{mark} {}", change.value().trim_end_matches('\n'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_context() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        assert_eq!(text_difference(old, &old.replace("5\n", "five\n")), "  2\n  3\n  4\n- 5\n+ five\n  6\n  7\n  8\n");
        assert_eq!(text_difference(old, old), "");
    }
}
