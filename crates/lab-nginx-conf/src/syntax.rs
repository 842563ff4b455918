//! The syntax tree: directives in the order they were written, each with its place in the source.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::error::{ConfError, ConfErrorKind};
use crate::lexer::{Lexer, Token, TokenKind};

/// One directive: `name arg …;` or `name arg … { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The first word.
    pub name: String,
    /// The words after it.
    pub args: Vec<Arg>,
    /// What stands between the braces; `None` for a directive that ends with `;`.
    pub block: Option<Vec<Directive>>,
    /// The file it stands in, as it was named to [`parse`].
    pub file: Arc<Path>,
    /// The line its name stands on, counted from 1.
    pub line: usize,
    /// The bytes of the source from its name to its `;` or closing brace, both included.
    pub span: Range<usize>,
}

/// One argument of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// The word, quotes and escapes resolved.
    pub value: String,
    /// The bytes of the source that hold it, quotes included: replace these to change only this argument, and put a
    /// [`quote`]d word in their place.
    pub span: Range<usize>,
}

impl Directive {
    /// The directives of the block; none for a directive that ends with `;`.
    #[must_use]
    pub fn children(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The value of the argument at `index`, counted from 0 after the name.
    #[must_use]
    pub fn arg(&self, index: usize) -> Option<&str> {
        self.args.get(index).map(|arg| arg.value.as_str())
    }
}

/// Reads one file's text into its directives; `include` is a directive like any other. `file` is only named in errors
/// and in the tree.
///
/// # Errors
/// What the language itself refuses, by file and line: a misplaced `;`, `{` or `}`, an unfinished word or block.
pub fn parse(source: &str, file: &Path) -> Result<Vec<Directive>, ConfError> {
    let file: Arc<Path> = file.into();
    let mut tokens = Lexer::new(source);
    let mut open: Vec<Directive> = Vec::new();
    let mut level: Vec<Directive> = Vec::new();
    let mut outer: Vec<Vec<Directive>> = Vec::new();
    let mut words: Vec<(String, Token)> = Vec::new();

    for token in tokens.by_ref() {
        let token = token.map_err(|(line, kind)| ConfError::new(&file, line, kind))?;
        let unexpected = |character| Err(ConfError::new(&file, token.line, ConfErrorKind::Unexpected(character)));
        match &token.kind {
            TokenKind::Word(word) => words.push((word.clone(), token)),
            TokenKind::End if words.is_empty() => return unexpected(';'),
            TokenKind::Open if words.is_empty() => return unexpected('{'),
            TokenKind::Close if !words.is_empty() => return unexpected('}'),
            TokenKind::End => level.push(directive(&mut words, &file, token.span.end)),
            TokenKind::Open => {
                open.push(directive(&mut words, &file, token.span.end));
                outer.push(std::mem::take(&mut level));
            }
            TokenKind::Close => {
                let (Some(mut directive), Some(enclosing)) = (open.pop(), outer.pop()) else { return unexpected('}') };
                directive.block = Some(std::mem::replace(&mut level, enclosing));
                directive.span.end = token.span.end;
                level.push(directive);
            }
        }
    }
    let expecting = match (words.is_empty(), open.is_empty()) {
        (true, true) => return Ok(level),
        (false, _) => "\";\" or \"{\"",
        (true, false) => "\"}\"",
    };
    Err(ConfError::new(&file, tokens.line(), ConfErrorKind::UnexpectedEnd { expecting }))
}

/// Visits every directive of a tree in file order, each before its children.
pub fn walk(tree: &[Directive]) -> impl Iterator<Item = &Directive> {
    let mut pending: Vec<std::slice::Iter<'_, Directive>> = vec![tree.iter()];
    std::iter::from_fn(move || {
        loop {
            match pending.last_mut()?.next() {
                Some(directive) => {
                    pending.push(directive.children().iter());
                    return Some(directive);
                }
                None => _ = pending.pop(),
            }
        }
    })
}

/// Makes a directive without a block of the words read so far; there is at least one.
fn directive(words: &mut Vec<(String, Token)>, file: &Arc<Path>, end: usize) -> Directive {
    let mut words = std::mem::take(words).into_iter();
    // OK because both callers have seen a word
    let (name, first) = words.next().expect("a directive has a name");
    Directive {
        name,
        args: words.map(|(value, token)| Arg { value, span: token.span }).collect(),
        block: None,
        file: Arc::clone(file),
        line: first.line,
        span: first.span.start..end,
    }
}

/// Writes a word so that [`parse`] reads it back as one argument: bare where that is possible, quoted otherwise.
#[must_use]
pub fn quote(word: &str) -> Cow<'_, str> {
    let bare = !word.is_empty()
        && !word.starts_with(['#', '}'])
        && !word.contains([' ', '\t', '\r', '\n', ';', '{', '"', '\'', '\\']);
    if bare {
        return Cow::Borrowed(word);
    }
    let mut quoted = String::with_capacity(word.len() + 2);
    quoted.push('"');
    for character in word.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str) -> Result<Vec<Directive>, String> {
        parse(source, Path::new("nginx.conf")).map_err(|error| error.to_string())
    }

    #[test]
    fn blocks_nest_and_keep_their_order() {
        let tree = read("a 1;\nb {\n  c 2 3;\n  d { }\n}\ne;").unwrap();
        let names: Vec<&str> = tree.iter().map(|directive| directive.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "e"]);
        let inner = tree[1].block.as_ref().unwrap();
        assert_eq!((inner[0].arg(0), inner[0].arg(1), inner[0].arg(2)), (Some("2"), Some("3"), None));
        assert_eq!(inner[1].block.as_deref(), Some(&[][..]));
        assert_eq!((tree[0].line, inner[0].line, tree[2].line), (1, 3, 6));
    }

    #[test]
    fn walking_visits_parents_before_children() {
        let tree = read("a;\nb { c { d; } e; }\nf { }").unwrap();
        let names: Vec<&str> = walk(&tree).map(|directive| directive.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
    }

    #[test]
    fn a_span_replaces_one_argument_and_nothing_else() {
        let source = "server {\n    listen 80; # the port\n    access_log \"logs/a b\";\n}\n";
        let tree = read(source).unwrap();
        let inner = tree[0].block.as_ref().unwrap();
        let mut edited = source.to_owned();
        edited.replace_range(inner[1].args[0].span.clone(), &quote("/tmp/x y"));
        edited.replace_range(inner[0].args[0].span.clone(), &quote("127.0.0.1:8080"));
        assert_eq!(edited, "server {\n    listen 127.0.0.1:8080; # the port\n    access_log \"/tmp/x y\";\n}\n");
        assert_eq!(&source[inner[0].span.clone()], "listen 80;");
        assert_eq!(&source[tree[0].span.clone()], source.trim_end());
    }

    #[test]
    fn a_quoted_word_reads_back_as_itself() {
        for word in ["", "a", "a b", "a\"b", "a'b", "a\\b", "#a", "a#b", "$a", "${a}", "a;b", "}", "\n", "a{", "é"] {
            let tree = read(&format!("x {};", quote(word))).unwrap();
            assert_eq!(tree[0].arg(0), Some(word), "{word:?} as {}", quote(word));
        }
    }

    #[test]
    fn broken_files_are_refused_by_line() {
        for (source, message) in [
            (";", "nginx.conf:1: unexpected ';'"),
            ("a;\n{ }", "nginx.conf:2: unexpected '{'"),
            ("a;\n}\n", "nginx.conf:2: unexpected '}'"),
            ("a { b\n}", "nginx.conf:2: unexpected '}'"),
            ("a b", "nginx.conf:1: unexpected end of file, expecting \";\" or \"{\""),
            ("a {\nb;\n", "nginx.conf:3: unexpected end of file, expecting \"}\""),
            ("a 'b", "nginx.conf:1: unexpected end of file, expecting a closing \"'\""),
            ("a \"b\"c;", "nginx.conf:1: unexpected 'c'"),
        ] {
            assert_eq!(read(source).unwrap_err(), message, "{source:?}");
        }
    }
}
