//! Hints: the accepted words, and the one that was probably meant.

/// The candidate that `word` most likely misspells, if one is similar enough.
pub(crate) fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    /// Determined by experiment: `wokers` matches `workers` and `king` matches `kind`, but `port` does not match `path`.
    const SIMILAR_ENOUGH: f64 = 0.8;
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILAR_ENOUGH)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// A hint with the probable meaning, then all accepted words.
pub(crate) fn accepted(word: &str, candidates: &[&str]) -> String {
    let all = quoted(candidates);
    match closest(word, candidates.iter().copied()) {
        Some(close) if candidates.len() > 1 => format!("did you mean `{close}`? accepted: {all}"),
        _ => format!("accepted: {all}"),
    }
}

/// A sentence without its capital and full stop, for use inside another one.
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
    fn finds_misspellings_only() {
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
