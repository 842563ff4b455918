//! Compares the output of a command with the one that its page has.

use std::sync::LazyLock;

use regex::Regex;

/// Stands for any text, and on a line of its own for any lines.
pub(super) const WILDCARD: &str = "…";

pub(super) fn are_lines_matched(expected: &[String], actual: &[String]) -> bool {
    match (expected, actual) {
        ([], []) => true,
        ([line, rest @ ..], _) if line.trim() == WILDCARD => {
            (0..=actual.len()).any(|skipped| are_lines_matched(rest, &actual[skipped..]))
        }
        ([line, rest @ ..], [found, others @ ..]) => is_line_matched(line, found) && are_lines_matched(rest, others),
        _ => false,
    }
}

/// A number with its unit, or the marks of a sparkline.
static FIGURE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"[+-]?\d+(?: \d{3})*(?:\.\d+)?(?: (?:µs|ms|s|B|KiB|MiB|GiB)\b)?|[▁▂▃▄▅▆▇█×]+").unwrap()
});

/// A line with a mark for each figure, and with one space between words, because columns are as wide as their figures.
pub(super) fn without_figures(line: &str) -> String {
    FIGURE.replace_all(line, "#").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_line_matched(pattern: &str, text: &str) -> bool {
    match pattern.split_once(WILDCARD) {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            let mut ends = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            ends.any(|at| is_line_matched(after, &rest[at..]))
        }),
    }
}

#[test]
fn wildcards_match_lines_and_parts_of_lines() {
    let matches = |expected: &str, actual: &str| {
        let [expected, actual] = [expected, actual].map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        are_lines_matched(&expected, &actual)
    };
    assert!(matches("…\na … c\n…", "before\na b b c"));
    assert!(matches("…", "") && matches("…", "a\nb") && matches("a…", "a"));
    assert!(!matches("a … c", "a b d") && !matches("a", "a\nb") && !matches("…\nc", "c\nd"));
}

#[test]
fn figures_of_any_size_match() {
    let same = |one: &str, other: &str| assert_eq!(without_figures(one), without_figures(other));
    same("  proxied     8/8  35 631  436 µs  27.2 µs  14.0 MiB", "  proxied  8/9  963  1.25 ms  102 µs  9.50 MiB");
    same("reports/default/20261124T205140Z-24984/record.json", "reports/default/20261125T000000Z-1/record.json");
    same("  pingpong  proxied  ▅▄▆▅", "  pingpong  proxied  ×▅");
    assert_ne!(without_figures("8 rounds"), without_figures("8 blocks"));
}
