//! Words for hints: what is accepted, and which of it was probably meant.

/// The candidate that `word` is most likely a misspelling of, if any is close enough.
pub(crate) fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    /// Found by trying: `wokers` and `hedaers` are caught, `kind` for `king` too, `path` for `port` is not.
    const SIMILAR_ENOUGH: f64 = 0.8;
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR_ENOUGH)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// A hint that names what was probably meant, then everything that is accepted.
pub(crate) fn accepted(word: &str, candidates: &[&str]) -> String {
    let all = quoted(candidates);
    match closest(word, candidates.iter().copied()) {
        Some(close) if candidates.len() > 1 => format!("did you mean `{close}`? accepted: {all}"),
        _ => format!("accepted: {all}"),
    }
}

/// A sentence as part of another: no capital, no full stop.
pub(crate) fn in_a_sentence(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The names in back quotes, separated by commas.
pub(crate) fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_are_caught_and_other_words_are_not() {
        let keys = ["kind", "workers", "headers", "path", "status"];
        for (word, expected) in [
            ("wokers", Some("workers")),
            ("hedaers", Some("headers")),
            ("Status", Some("status")),
            ("king", Some("kind")),
            ("port", None),
            ("matrix", None),
        ] {
            assert_eq!(closest(word, keys), expected, "{word}");
        }
    }
}
