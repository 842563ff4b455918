//! Rules and observed texts as findings show them.

use crate::scenario::model::{Placeholders, TextRule};

/// More of a text is left out.
pub(super) const SHOWN_CHARS: usize = 200;

/// A rule in words.
pub(super) fn rule(rule: &TextRule, values: &Placeholders) -> String {
    match rule {
        TextRule::Equal(template) => quoted(&template.fill(values)),
        TextRule::Contains(template) => format!("a text with {}", quoted(&template.fill(values))),
        TextRule::Matches(pattern) => format!("a match of /{}/", pattern.0),
        TextRule::Lacks(template) => format!("a text without {}", quoted(&template.fill(values))),
        TextRule::Empty => "nothing".to_owned(),
        TextRule::Not(inner) => format!("not {}", self::rule(inner, values)),
    }
}

pub(super) fn quoted(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS {
        return format!("{text:?}");
    }
    let shown: String = text.chars().take(SHOWN_CHARS).collect();
    format!("{shown:?}… ({} bytes)", text.len())
}

pub(super) fn quoted_lines(lines: &[&str]) -> String {
    if lines.is_empty() {
        return "no such line".to_owned();
    }
    lines.iter().map(|line| quoted(line)).collect::<Vec<_>>().join(" then ")
}
