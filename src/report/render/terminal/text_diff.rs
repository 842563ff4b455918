//! The difference between two texts, with removed lines in red and added ones in green.

use anstyle::{AnsiColor, Style};

use super::style::styled;
use crate::record::{CONTEXT, text_difference_with_context};

const REMOVED: Style = AnsiColor::Red.on_default();
const ADDED: Style = AnsiColor::Green.on_default();

/// Empty if the texts are equal.
#[must_use]
pub fn render(old: &str, new: &str) -> String {
    render_with_context(old, new, CONTEXT)
}

/// The same with `context` lines around each change.
#[must_use]
pub fn render_with_context(old: &str, new: &str, context: usize) -> String {
    let lines = text_difference_with_context(old, new, context);
    let lines = lines.lines().map(|line| match line.as_bytes().first() {
        Some(b'-') => styled(REMOVED, line) + "\n",
        Some(b'+') => styled(ADDED, line) + "\n",
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_lines_are_coloured() {
        let rendered = render("1\n2\n", "1\ntwo\n");
        assert_eq!(anstream::adapter::strip_str(&rendered).to_string(), "  1\n- 2\n+ two\n");
        assert!(rendered.starts_with("  1\n\u{1b}["), "{rendered:?}");
        assert_eq!(render("same", "same"), "");
    }
}
