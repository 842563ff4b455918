//! Words and punctuation of nginx's configuration language.
//!
//! The rules are nginx's own: a word ends at white space, `;` or `{`; `#` begins a comment only where a word could
//! begin; `${` inside a word does not open a block; a quoted word must be followed by white space or punctuation.

use std::ops::Range;

use crate::error::ConfErrorKind;

/// One token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// Bytes of the source, quotes included.
    pub(super) span: Range<usize>,
    /// The line it begins on, counted from 1.
    pub(super) line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A word with quotes and escapes resolved.
    Word(String),
    /// `;`
    End,
    /// `{`
    Open,
    /// `}`
    Close,
}

/// An error and the line it was noticed on.
pub(super) type Located = (usize, ConfErrorKind);

/// Reads one token after the other.
pub(super) struct Lexer<'a> {
    source: &'a str,
    position: usize,
    line: usize,
    /// A quoted word ended just now: only white space or punctuation may follow.
    after_quoted: bool,
    /// An error was given out: nothing follows it.
    failed: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Lexer<'a> {
        Lexer { source, position: 0, line: 1, after_quoted: false, failed: false }
    }

    /// The line the reader stands on, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.position).copied()
    }

    fn bump(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.position += 1;
    }

    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.bump(),
                b'#' if !self.after_quoted => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.bump();
                    }
                }
                _ => return,
            }
            self.after_quoted = false;
        }
    }

    fn next_token(&mut self) -> Result<Option<Token>, Located> {
        self.skip_blank();
        let (start, line) = (self.position, self.line);
        let Some(byte) = self.peek() else { return Ok(None) };
        let kind = match byte {
            b';' => TokenKind::End,
            b'{' => TokenKind::Open,
            // as in nginx: `)` may follow a quoted word directly, and is a word of its own then
            b'}' if !self.after_quoted => TokenKind::Close,
            _ if self.after_quoted && byte != b')' => {
                let character = self.source[start..].chars().next().unwrap_or_default();
                return Err((line, ConfErrorKind::Unexpected(character)));
            }
            b'"' | b'\'' => {
                let word = self.quoted(byte)?;
                self.after_quoted = true;
                return Ok(Some(Token { kind: TokenKind::Word(word), span: start..self.position, line }));
            }
            _ => {
                let word = self.unquoted();
                self.after_quoted = false;
                return Ok(Some(Token { kind: TokenKind::Word(word), span: start..self.position, line }));
            }
        };
        self.after_quoted = false;
        self.bump();
        Ok(Some(Token { kind, span: start..self.position, line }))
    }

    fn quoted(&mut self, quote: u8) -> Result<String, Located> {
        self.bump();
        let start = self.position;
        loop {
            match self.peek() {
                None => {
                    let expecting = if quote == b'"' { "a closing '\"'" } else { "a closing \"'\"" };
                    return Err((self.line, ConfErrorKind::UnexpectedEnd { expecting }));
                }
                Some(b'\\') => {
                    self.bump();
                    self.bump();
                }
                Some(byte) if byte == quote => break,
                Some(_) => self.bump(),
            }
        }
        let word = unescape(&self.source[start..self.position]);
        self.bump();
        Ok(word)
    }

    fn unquoted(&mut self) -> String {
        let start = self.position;
        let mut after_dollar = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' if after_dollar => {}
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' => break,
                b'\\' => self.bump(),
                _ => {}
            }
            after_dollar = byte == b'$';
            if self.peek().is_some() {
                self.bump();
            }
        }
        unescape(&self.source[start..self.position])
    }
}

impl Iterator for Lexer<'_> {
    type Item = Result<Token, Located>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let token = self.next_token().transpose();
        self.failed = matches!(token, Some(Err(_)));
        token
    }
}

/// Resolves `\"`, `\'`, `\\`, `\t`, `\r` and `\n`; any other backslash stays, as in nginx.
fn unescape(raw: &str) -> String {
    let mut word = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            word.push(character);
            continue;
        }
        match rest.next() {
            Some(escaped @ ('"' | '\'' | '\\')) => word.push(escaped),
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(other) => word.extend(['\\', other]),
            None => word.push('\\'),
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        Lexer::new(source)
            .map(|token| match token.unwrap().kind {
                TokenKind::Word(word) => word,
                TokenKind::End => ";".to_owned(),
                TokenKind::Open => "{".to_owned(),
                TokenKind::Close => "}".to_owned(),
            })
            .collect()
    }

    #[test]
    fn words_end_where_nginx_ends_them() {
        for (source, expected) in [
            ("a b;", vec!["a", "b", ";"]),
            ("a{b;}", vec!["a", "{", "b", ";", "}"]),
            ("a b#c; # d\ne;", vec!["a", "b#c", ";", "e", ";"]),
            ("a ${b}c;", vec!["a", "${b}c", ";"]),
            ("a $b{", vec!["a", "$b", "{"]),
            ("a \"b c\" 'd;e';", vec!["a", "b c", "d;e", ";"]),
            (r#"a "b\"c" d\ne f\.g;"#, vec!["a", "b\"c", "d\ne", "f\\.g", ";"]),
            (r"a b\;c;", vec!["a", r"b\;c", ";"]),
            ("a \"\";", vec!["a", "", ";"]),
            ("if ($a = \"b\") {", vec!["if", "($a", "=", "b", ")", "{"]),
            ("a b}c;", vec!["a", "b}c", ";"]),
            ("a\r\nb\t;", vec!["a", "b", ";"]),
        ] {
            assert_eq!(words(source), expected, "{source}");
        }
    }

    #[test]
    fn tokens_know_their_line_and_bytes() {
        let source = "a;\n  b \"c\nd\";";
        let tokens: Vec<Token> = Lexer::new(source).map(Result::unwrap).collect();
        let places: Vec<(usize, &str)> = tokens.iter().map(|token| (token.line, &source[token.span.clone()])).collect();
        assert_eq!(places, [(1, "a"), (1, ";"), (2, "b"), (2, "\"c\nd\""), (3, ";")]);
    }

    #[test]
    fn what_follows_a_quoted_word_is_checked() {
        for (source, unexpected) in [("a \"b\"c;", 'c'), ("a 'b'\"c\";", '"'), ("a 'b'#c", '#'), ("a 'b'}", '}')] {
            let error = Lexer::new(source).find_map(Result::err).unwrap();
            assert!(matches!(error.1, ConfErrorKind::Unexpected(found) if found == unexpected), "{source}: {error:?}");
        }
    }

    #[test]
    fn a_trailing_backslash_is_no_panic() {
        assert_eq!(words("a b\\"), ["a", "b\\"]);
        assert!(Lexer::new("a \"b\\").any(|token| token.is_err()));
        assert_eq!(words("a \\é;"), ["a", "\\é", ";"]);
    }
}
