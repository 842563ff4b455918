//! Splits a configuration into words and punctuation.
//!
//! As in nginx: a word ends at white space, `;` or `{`; `#` begins a comment only where a word could
//! begin; `${` inside a word does not open a block; a quoted word must be followed by white space or punctuation.

use std::ops::Range;

use crate::error::ConfErrorKind;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// In bytes of the source, quotes included.
    pub(super) span: Range<usize>,
    /// The first line of the token, counted from 1.
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

#[derive(Debug)]
pub(super) struct LexError {
    pub(super) line: usize,
    pub(super) kind: ConfErrorKind,
}

pub(super) struct Lexer<'a> {
    source: &'a str,
    position: usize,
    line: usize,
    /// The last token was a quoted word: only white space or punctuation may follow.
    after_quoted: bool,
    /// An error ends the tokens.
    failed: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Lexer<'a> {
        Lexer { source, position: 0, line: 1, after_quoted: false, failed: false }
    }

    /// The current line, counted from 1.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.position).copied()
    }

    fn advance(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line += 1;
        }
        self.position += 1;
    }

    fn skip_blank(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.advance(),
                b'#' if !self.after_quoted => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.advance();
                    }
                }
                _ => return,
            }
            self.after_quoted = false;
        }
    }

    fn next_token(&mut self) -> Result<Option<Token>, LexError> {
        self.skip_blank();
        let (start, line) = (self.position, self.line);
        let Some(byte) = self.peek() else { return Ok(None) };
        let kind = match byte {
            b';' => TokenKind::End,
            b'{' => TokenKind::Open,
            // as in nginx: `)` may follow a quoted word directly, and is then a separate word
            b'}' if !self.after_quoted => TokenKind::Close,
            _ if self.after_quoted && byte != b')' => {
                let character = self.source[start..].chars().next().unwrap_or_default();
                return Err(LexError { line, kind: ConfErrorKind::UnexpectedCharacter(character) });
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
        self.advance();
        Ok(Some(Token { kind, span: start..self.position, line }))
    }

    fn quoted(&mut self, quote: u8) -> Result<String, LexError> {
        self.advance();
        let start = self.position;
        loop {
            match self.peek() {
                None => {
                    let expecting = if quote == b'"' { "a closing '\"'" } else { "a closing \"'\"" };
                    return Err(LexError { line: self.line, kind: ConfErrorKind::UnexpectedEnd { expecting } });
                }
                Some(b'\\') => {
                    self.advance();
                    self.advance();
                }
                Some(byte) if byte == quote => break,
                Some(_) => self.advance(),
            }
        }
        let word = unescape(&self.source[start..self.position]);
        self.advance();
        Ok(word)
    }

    /// Skips code in Lua up to the brace that closes its block, and returns the position behind it. As in OpenResty, braces in
    /// strings and comments do not count.
    pub(super) fn skip_lua(&mut self) -> Result<usize, LexError> {
        let mut depth = 1;
        while let Some(byte) = self.peek() {
            // Empty inside a character, whose bytes mean nothing here.
            let rest = self.source.get(self.position..).unwrap_or_default();
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b'"' | b'\'' => self.skip_lua_string(byte),
                b'[' => self.advance_by(long_bracket(rest).unwrap_or(0)),
                b'-' if rest.starts_with("--") => {
                    let line = rest.find('\n').unwrap_or(rest.len());
                    self.advance_by(long_bracket(&rest[2..]).map_or(line, |length| 2 + length));
                    continue;
                }
                _ => {}
            }
            self.advance_by(1);
            if depth == 0 {
                return Ok(self.position);
            }
        }
        Err(LexError { line: self.line, kind: ConfErrorKind::UnexpectedEnd { expecting: "\"}\"" } })
    }

    /// Skips a string up to its closing quote.
    fn skip_lua_string(&mut self, quote: u8) {
        self.advance();
        while let Some(byte) = self.peek().filter(|byte| *byte != quote) {
            self.advance_by(if byte == b'\\' { 2 } else { 1 });
        }
    }

    fn advance_by(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.advance();
        }
    }

    fn unquoted(&mut self) -> String {
        let start = self.position;
        let mut after_dollar = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'{' if after_dollar => {}
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' => break,
                b'\\' => self.advance(),
                _ => {}
            }
            after_dollar = byte == b'$';
            if self.peek().is_some() {
                self.advance();
            }
        }
        unescape(&self.source[start..self.position])
    }
}

impl Iterator for Lexer<'_> {
    type Item = Result<Token, LexError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let token = self.next_token().transpose();
        self.failed = matches!(token, Some(Err(_)));
        token
    }
}

/// The length of a string of Lua in long brackets, such as `[[…]]` and `[==[…]==]`, without its last bracket. None if the text
/// does not begin with one.
fn long_bracket(text: &str) -> Option<usize> {
    let level = text.strip_prefix('[')?.bytes().take_while(|byte| *byte == b'=').count();
    let content = text[1 + level..].strip_prefix('[')?;
    let closing = format!("]{}]", "=".repeat(level));
    let opening = level + 2;
    Some(content.find(&closing).map_or(text.len(), |at| opening + at + closing.len() - 1))
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
    fn words_end_as_in_nginx() {
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
    fn tokens_have_lines_and_spans() {
        let source = "a;\n  b \"c\nd\";";
        let tokens: Vec<Token> = Lexer::new(source).map(Result::unwrap).collect();
        let places: Vec<(usize, &str)> = tokens.iter().map(|token| (token.line, &source[token.span.clone()])).collect();
        assert_eq!(places, [(1, "a"), (1, ";"), (2, "b"), (2, "\"c\nd\""), (3, ";")]);
    }

    #[test]
    fn only_punctuation_follows_quoted_words() {
        for (source, unexpected) in [("a \"b\"c;", 'c'), ("a 'b'\"c\";", '"'), ("a 'b'#c", '#'), ("a 'b'}", '}')] {
            let error = Lexer::new(source).find_map(Result::err).unwrap();
            assert!(
                matches!(error.kind, ConfErrorKind::UnexpectedCharacter(found) if found == unexpected),
                "{source}: {error:?}"
            );
        }
    }

    #[test]
    fn trailing_backslashes_do_not_panic() {
        assert_eq!(words("a b\\"), ["a", "b\\"]);
        assert!(Lexer::new("a \"b\\").any(|token| token.is_err()));
        assert_eq!(words("a \\é;"), ["a", "\\é", ";"]);
    }
}
