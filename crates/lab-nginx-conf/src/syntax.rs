//! The syntax tree: directives in file order, with their positions in the source.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::error::{ConfError, ConfErrorKind};
use crate::lexer::{Lexer, Token, TokenKind};

/// One directive: `name arg …;` or `name arg … { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    pub name: String,
    pub args: Vec<Arg>,
    /// The content of the braces; `None` for a directive that ends with `;`.
    pub block: Option<Vec<Directive>>,
    /// The path that [`parse`] got.
    pub file: Arc<Path>,
    /// The line of the name, counted from 1.
    pub line: usize,
    /// In bytes of the source, from the name to the `;` or closing brace, both included.
    pub span: Range<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// The word, quotes and escapes resolved.
    pub value: String,
    /// In bytes of the source, quotes included. Replace them with a [`quote`]d word to change only this argument.
    pub span: Range<usize>,
}

impl Directive {
    /// The directives of the block; none for a directive that ends with `;`.
    #[must_use]
    pub fn children(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// The argument at `index`, counted from 0.
    #[must_use]
    pub fn arg(&self, index: usize) -> Option<&str> {
        self.args.get(index).map(|arg| arg.value.as_str())
    }
}

/// How deep blocks may nest. Real files need fewer than ten levels; nginx has no limit, and runs out of stack instead.
pub const MAX_NESTING: usize = 64;

/// The end of the names of directives whose block is code in Lua (OpenResty).
const LUA_BLOCK: &str = "_by_lua_block";

/// Parses the text of one file. `include` is a directive like any other. `file` is not opened; it appears in errors and
/// in the tree.
///
/// # Errors
/// A misplaced `;`, `{` or `}`, or an unfinished word or block, by file and line.
pub fn parse(source: &str, file: &Path) -> Result<Vec<Directive>, ConfError> {
    let file: Arc<Path> = file.into();
    let mut tokens = Lexer::new(source);
    let mut open: Vec<Directive> = Vec::new();
    let mut level: Vec<Directive> = Vec::new();
    let mut outer: Vec<Vec<Directive>> = Vec::new();
    let mut words: Vec<(String, Token)> = Vec::new();

    while let Some(token) = tokens.next() {
        let token = token.map_err(|error| ConfError::new(&file, error.line, error.kind))?;
        let unexpected =
            |character| Err(ConfError::new(&file, token.line, ConfErrorKind::UnexpectedCharacter(character)));
        match &token.kind {
            TokenKind::Word(word) => words.push((word.clone(), token)),
            TokenKind::End if words.is_empty() => return unexpected(';'),
            TokenKind::Open if words.is_empty() => return unexpected('{'),
            TokenKind::Close if !words.is_empty() => return unexpected('}'),
            TokenKind::End => level.push(directive(&mut words, &file, token.span.end)),
            TokenKind::Open if open.len() == MAX_NESTING => {
                let kind = ConfErrorKind::BlocksTooDeep { limit: MAX_NESTING };
                return Err(ConfError::new(&file, token.line, kind));
            }
            TokenKind::Open if words[0].0.ends_with(LUA_BLOCK) => {
                let end = tokens.skip_lua().map_err(|error| ConfError::new(&file, error.line, error.kind))?;
                let block = Some(Vec::new());
                level.push(Directive { block, ..directive(&mut words, &file, end) });
            }
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

/// Whether a directive outside all blocks opens a block for another protocol than HTTP. So does the `server` of a file that
/// `stream` includes: it passes connections on without a location.
#[must_use]
pub fn is_other_protocol(directive: &Directive) -> bool {
    match directive.name.as_str() {
        "mail" | "rtmp" | "stream" => true,
        "server" => directive.children().iter().any(|child| child.name == "proxy_pass"),
        _ => false,
    }
}

/// All directives of a tree in file order, parents before children.
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

/// Makes a directive without a block from the words read so far, of which there is at least one.
fn directive(words: &mut Vec<(String, Token)>, file: &Arc<Path>, end: usize) -> Directive {
    let mut words = std::mem::take(words).into_iter();
    // OK because both callers check that there is a word
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

/// Quotes a word if it needs quotes to be read back as one argument.
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
    fn walk_visits_parents_first() {
        let tree = read("a;\nb { c { d; } e; }\nf { }").unwrap();
        let names: Vec<&str> = walk(&tree).map(|directive| directive.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d", "e", "f"]);
    }

    #[test]
    fn spans_replace_single_arguments() {
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
    fn quoted_words_round_trip() {
        for word in ["", "a", "a b", "a\"b", "a'b", "a\\b", "#a", "a#b", "$a", "${a}", "a;b", "}", "\n", "a{", "é"] {
            let tree = read(&format!("x {};", quote(word))).unwrap();
            assert_eq!(tree[0].arg(0), Some(word), "{word:?} as {}", quote(word));
        }
    }

    #[test]
    fn code_in_lua_is_skipped() {
        let source = "\
location / {
    content_by_lua_block {
        local t = { a = '}', b = \"}\\\"}\" } -- }
        --[==[ } ]] ]==] ngx.say([[ } ]])
        if t.a[1] == 2 then return { } end
    }
    return 204;
}
";
        let tree = read(source).unwrap();
        let [lua, returned] = tree[0].children() else { panic!("{tree:?}") };
        assert_eq!((lua.name.as_str(), lua.line, lua.children().len()), ("content_by_lua_block", 2, 0));
        assert!(source[lua.span.clone()].ends_with("end\n    }"));
        assert_eq!((returned.name.as_str(), returned.line), ("return", 7));
        let unfinished = read("a_by_lua_block {\n x = '}'\n").unwrap_err();
        assert_eq!(unfinished, "nginx.conf:3: unexpected end of file, expecting \"}\"");
    }

    #[test]
    fn blocks_of_other_protocols_are_known() {
        let tree =
            read("stream { }\nserver { proxy_pass db:5432; }\nserver { location / { proxy_pass http://a; } }").unwrap();
        assert_eq!(tree.iter().map(is_other_protocol).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn nested_blocks_have_a_limit() {
        let nested = |levels: usize| format!("{}{}", "a {\n".repeat(levels), "}".repeat(levels));
        assert!(read(&nested(MAX_NESTING)).is_ok());
        assert_eq!(read(&nested(100_000)).unwrap_err(), "nginx.conf:65: blocks are nested more than 64 deep");
    }

    #[test]
    fn malformed_files_are_refused_by_line() {
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
