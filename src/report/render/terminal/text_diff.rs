//! The difference between two texts: removed lines with `-`, added lines with `+`, and a few lines of context.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();
const CONTEXT: usize = 3;

/// Empty if the texts are equal.
#[must_use]
pub fn render(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            text.push_str("  ⋮\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = change.value().trim_end_matches('\n');
            let _ = match change.tag() {
                ChangeTag::Delete => writeln!(text, "{REMOVED}- {line}{REMOVED:#}"),
                ChangeTag::Insert => writeln!(text, "{ADDED}+ {line}{ADDED:#}"),
                ChangeTag::Equal => writeln!(text, "  {line}"),
            };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_changes_with_context() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let plain = anstream::adapter::strip_str(&render(old, &old.replace("5\n", "five\n"))).to_string();
        assert_eq!(plain, "  2\n  3\n  4\n- 5\n+ five\n  6\n  7\n  8\n");
        assert_eq!(render(old, old), "");
    }
}
