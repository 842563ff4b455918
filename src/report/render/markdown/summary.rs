//! A run in one page: the job summary of a CI system, and the text of a comment on a pull request.

use std::fmt::Write as _;

use super::table::escaped;
use super::{load, outcome, versions};
use crate::record::Record;
use crate::report::view::outcome::outcome as sentence;
use crate::report::view::provenance::title;
use crate::report::view::stack_summary::driven_loads;
use crate::report::view::test_suites::RunContext;
use crate::report::view::versions::Tone;

/// What GitHub takes as a comment, in characters.
pub const MAX_COMMENT: usize = 65_536;

/// What GitHub takes as the summary of a step, in bytes.
pub const MAX_JOB_SUMMARY: usize = 1 << 20;

/// The outcome, the failures and the verdicts; then the figures, folded. At most `max` bytes: the figures are left out where
/// they do not fit, and what is still too long is cut.
///
/// The first line is invisible, and the same for every run of a scenario: a bot finds its comment by it.
#[must_use]
pub fn render(record: &Record, context: RunContext, max: usize) -> String {
    let provenance = &record.provenance;
    let mut head = format!("{}\n", marker(&provenance.scenario));
    let mark = match sentence(record, context).tone {
        Tone::Good => "✅",
        Tone::Bad => "❌",
        Tone::Unsure => "⚠️",
    };
    let _ = writeln!(head, "# {mark} {}\n", escaped(title(provenance)));
    match &record.comparison {
        Some(comparison) => versions::section(&mut head, record, comparison),
        None => outcome::sentence(&mut head, record, context),
    }
    outcome::section(&mut head, record);
    let mut figures = String::new();
    for name in driven_loads(record) {
        load::section(&mut figures, record, name);
    }
    let machine = provenance.machine.summary();
    let _ = writeln!(figures, "{}, run `{}`, {}.", escaped(&machine), provenance.run, provenance.ended);
    let figures = format!("<details><summary>Figures</summary>\n\n{figures}\n</details>\n");
    match head.len() + figures.len() <= max {
        true => head + &figures,
        false => cut(head, max),
    }
}

/// The comment by which a bot knows the summaries of one scenario.
fn marker(scenario: &str) -> String {
    // Two hyphens would end the comment.
    format!("<!-- lab: {} -->", scenario.replace("--", "-"))
}

fn cut(text: String, max: usize) -> String {
    const NOTE: &str = "\n\n… cut here; the record has everything.\n";
    if text.len() <= max {
        return text;
    }
    let mut end = max.saturating_sub(NOTE.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let end = text[..end].rfind('\n').unwrap_or(end);
    format!("{}{NOTE}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_line() {
        assert_eq!(cut("short\n".to_owned(), 100), "short\n");
        let lines = "ä line\n".repeat(50);
        let short = cut(lines.clone(), 120);
        assert!(short.len() <= 120, "{short}");
        let kept = short.strip_suffix("\n\n… cut here; the record has everything.\n").unwrap();
        assert!(lines.starts_with(&format!("{kept}\n")), "{short}");
    }
}
