//! Files of environment variables, as docker compose, systemd and python-dotenv read them: `NAME=value`, one per line.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file of variables cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    #[error("cannot read {}", file.display())]
    Unreadable { file: PathBuf, source: io::Error },
    #[error("{}:{line}: {problem}; accepted: `NAME=value`, with or without quotes, and comments after `#`", file.display())]
    Line { file: PathBuf, line: usize, problem: String },
}

/// Reads the variables in a file, in its order.
///
/// # Errors
/// The file cannot be read, or a line is malformed.
pub fn read(file: &Path) -> Result<Vec<(String, String)>, EnvFileError> {
    let text =
        std::fs::read_to_string(file).map_err(|source| EnvFileError::Unreadable { file: file.to_owned(), source })?;
    parse(&text).map_err(|(line, problem)| EnvFileError::Line { file: file.to_owned(), line, problem })
}

/// The variables in `text`. The error is a line's number and its fault.
fn parse(text: &str) -> Result<Vec<(String, String)>, (usize, String)> {
    let mut variables = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |problem: String| (index + 1, problem);
        let line = line.strip_prefix("export ").map_or(line, str::trim_start);
        let (name, value) = line.split_once('=').ok_or_else(|| wrong(format!("`{line}` has no `=`")))?;
        let name = name.trim_end();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(wrong(format!("`{name}` is not the name of a variable")));
        }
        variables.push((name.to_owned(), value_of(value.trim_start()).map_err(wrong)?));
    }
    Ok(variables)
}

/// The value in the text after the equals sign. As in a shell, only double quotes know escapes.
fn value_of(text: &str) -> Result<String, String> {
    let Some(quote) = text.chars().next().filter(|first| ['"', '\''].contains(first)) else {
        // A comment needs a space before it: `#` may be part of a password.
        let end = text.match_indices('#').map(|(at, _)| at).find(|at| text[..*at].ends_with([' ', '\t']));
        return Ok(text[..end.unwrap_or(text.len())].trim_end().to_owned());
    };
    let mut value = String::new();
    let mut rest = text[1..].chars();
    while let Some(c) = rest.next() {
        match c {
            c if c == quote => {
                let after = rest.as_str().trim_start();
                let is_end = after.is_empty() || after.starts_with('#');
                return if is_end { Ok(value) } else { Err(format!("`{after}` follows a quoted value")) };
            }
            '\\' if quote == '"' => match rest.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some(other @ ('"' | '\\' | '$')) => value.push(other),
                Some(other) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    Err(format!("a quoted value has no closing {quote}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_by_a_shell() {
        let text = "\
# settings of production
export SECRET_KEY='s3cr$t # not a comment'
DATABASE_URL=postgres://u:p#w@host/db  # a comment
GREETING = \"hello\\n\\\"world\\\"\"   # another

EMPTY=
";
        let expected = [
            ("SECRET_KEY", "s3cr$t # not a comment"),
            ("DATABASE_URL", "postgres://u:p#w@host/db"),
            ("GREETING", "hello\n\"world\""),
            ("EMPTY", ""),
        ];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, expected) in [
            ("A=1\nB", (2, "`B` has no `=`")),
            ("2A=1", (1, "`2A` is not the name of a variable")),
            ("A='1", (1, "a quoted value has no closing '")),
            ("A=\"1\" 2", (1, "`2` follows a quoted value")),
        ] {
            assert_eq!(parse(text), Err((expected.0, expected.1.to_owned())), "{text}");
        }
    }
}
