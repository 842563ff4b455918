//! Two texts as a difference: what went with `-`, what came with `+`, and a few lines around.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

const GONE: Style = AnsiColor::Red.on_default();
const CAME: Style = AnsiColor::Green.on_default();
const AROUND: usize = 3;

/// The difference between an old and a new text; empty when there is none.
#[must_use]
pub fn render(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for (index, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if index > 0 {
            text.push_str("  ⋮\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = change.value().trim_end_matches('\n');
            let _ = match change.tag() {
                ChangeTag::Delete => writeln!(text, "{GONE}- {line}{GONE:#}"),
                ChangeTag::Insert => writeln!(text, "{CAME}+ {line}{CAME:#}"),
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
    fn only_what_changed_and_its_surroundings_are_shown() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let plain = anstream::adapter::strip_str(&render(old, &old.replace("5\n", "five\n"))).to_string();
        assert_eq!(plain, "  2\n  3\n  4\n- 5\n+ five\n  6\n  7\n  8\n");
        assert_eq!(render(old, old), "");
    }
}
