//! Command lines as a shell reads them.

/// The line that a shell splits into `words` (POSIX.1-2017, Shell Command Language §2.2).
#[must_use]
pub fn joined(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        let words = ["lab", "--only=a b", "it's", ""].map(str::to_owned);
        assert_eq!(joined(&words), r"lab '--only=a b' 'it'\''s' ''");
    }
}
