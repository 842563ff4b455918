//! Breaks lines that are wider than the terminal between words.

use super::style::visible_width;

/// How much further the continuation of a line is indented.
const CONTINUATION: usize = 4;

/// The text with every line broken that is wider than `width`. A word that is wider by itself stays whole, and so does the
/// line `copied`, which a reader copies.
pub(super) fn wrapped(text: &str, width: usize, copied: Option<&str>) -> String {
    let lines = text.split_inclusive('\n').map(|line| match visible_width(line.trim_end_matches('\n')) <= width {
        true => line.to_owned(),
        false if copied == Some(line.trim()) => line.to_owned(),
        false => wrapped_line(line, width),
    });
    lines.collect()
}

fn wrapped_line(line: &str, width: usize) -> String {
    let indent = line.len() - line.trim_start_matches(' ').len();
    let mut text = String::new();
    let mut column = 0;
    for word in line.split_inclusive(' ') {
        let is_first = text.trim_end().is_empty();
        let end = column + visible_width(word.trim_end());
        if !is_first && end > column.max(width) {
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
            column = indent + CONTINUATION;
            text.extend(std::iter::repeat_n(' ', column));
        }
        column += visible_width(word.trim_end_matches('\n'));
        text.push_str(word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::style::{QUIET, styled};
    use super::*;

    #[test]
    fn lines_break_between_words() {
        let text = "  a ratio    1.25 × reference\nshort\n";
        assert_eq!(wrapped(text, 20, None), "  a ratio    1.25 ×\n      reference\nshort\n");
        assert_eq!(wrapped(text, 80, None), text);
        assert_eq!(wrapped("  unbreakable\n", 5, None), "  unbreakable\n");
        assert_eq!(wrapped("  copy this\n", 5, Some("copy this")), "  copy this\n");
    }

    #[test]
    fn styles_take_no_space() {
        let styled = styled(QUIET, "one two");
        assert_eq!(wrapped(&styled, 7, None), styled);
        assert_eq!(anstream::adapter::strip_str(&wrapped(&styled, 6, None)).to_string(), "one\n    two");
    }
}
