//! The directives of the rewrite module, in the order they run: `set`, `rewrite`, `return`, `break`, `if`.

use super::Location;
use crate::config::reader::ConfigReader;
use crate::variables::pattern::Pattern;
use crate::variables::{Template, Variable};
use lab_nginx_conf::{ConfError, Directive, parse_number};

#[derive(Debug)]
pub enum Instruction {
    /// `set $name value`
    Set { target: SetTarget, value: Template },
    /// `rewrite`
    Rewrite(Rewrite),
    /// `return`
    Return(Return),
    /// `break`
    Break,
    /// `if`
    If {
        condition: Condition,
        /// The location that applies from here on; none for an `if` in a server.
        location: Option<Box<Location>>,
        then: Vec<Instruction>,
    },
}

/// The variable that a `set` changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetTarget {
    /// A variable of the configuration.
    Slot(usize),
    /// `$args`
    Args,
    /// `$limit_rate`
    LimitRate,
}

/// `rewrite regex replacement [flag]`
#[derive(Debug)]
pub struct Rewrite {
    /// The regular expression that the path must match.
    pub pattern: Pattern,
    /// The new path, or the target of the redirect.
    pub replacement: Template,
    /// The new arguments, if the replacement has any. A redirect keeps them in `replacement`.
    pub args: Option<Template>,
    /// Whether the request's arguments are appended. They are unless the replacement ends with `?`.
    pub keeps_args: bool,
    /// Whether the replacement has a `?`.
    pub has_query: bool,
    pub then: RewriteFlag,
}

/// What happens after a `rewrite` matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteFlag {
    /// No flag: the next directive runs.
    Next,
    /// `last`: the search for a location starts again.
    Last,
    /// `break`: rewriting ends, and the location stays.
    Break,
    /// `redirect`, `permanent`, or a URL as the replacement: a redirect with this status.
    Redirect(u16),
}

/// `return`
#[derive(Debug)]
pub struct Return {
    pub status: u16,
    /// The body, or the target of a redirect.
    pub text: Option<Template>,
}

/// The condition of an `if`.
#[derive(Debug)]
pub enum Condition {
    /// `$variable`: neither empty nor `0`.
    True(Template),
    /// `=`, `!=`
    Equal {
        left: Template,
        right: Template,
        /// `!=`
        negated: bool,
    },
    /// `~`, `~*`, `!~`, `!~*`
    Matches {
        text: Template,
        pattern: Pattern,
        /// `!~`, `!~*`
        negated: bool,
    },
    /// `-f`, `-d`, `-e`, `-x`
    File {
        path: Template,
        kind: FileTest,
        /// `!-f` and so on.
        negated: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileTest {
    /// A regular file.
    File,
    /// A directory.
    Folder,
    /// Anything.
    Exists,
    /// A file that its owner may execute.
    Executable,
}

/// Reads the location of an `if`, if it has one.
pub(crate) type ReadLocation<'p> =
    &'p mut dyn FnMut(&Directive, &mut ConfigReader<'_>) -> Result<Option<Box<Location>>, ConfError>;

/// Reads the rewrite directives of a block. `read_location` reads the location of an `if`.
pub(crate) fn read(
    block: &[Directive],
    reader: &mut ConfigReader<'_>,
    read_location: ReadLocation<'_>,
) -> Vec<Instruction> {
    let mut script = Vec::new();
    for directive in block {
        let read = read_instruction(directive, reader, read_location);
        script.extend(reader.keep(read).flatten());
    }
    script
}

/// None for a directive of another module.
fn read_instruction(
    directive: &Directive,
    reader: &mut ConfigReader<'_>,
    read_location: ReadLocation<'_>,
) -> Result<Option<Instruction>, ConfError> {
    Ok(Some(match directive.name.as_str() {
        "set" => {
            let name = directive.first().trim_start_matches('$');
            let target = match reader.variables.slot(name) {
                Some(slot) => SetTarget::Slot(slot),
                None if name.eq_ignore_ascii_case("limit_rate") => SetTarget::LimitRate,
                None => SetTarget::Args,
            };
            Instruction::Set { target, value: reader.template(directive, directive.arg(1).unwrap_or_default())? }
        }
        "rewrite" => Instruction::Rewrite(Rewrite::read(directive, reader)?),
        "return" => Instruction::Return(Return::read(directive, reader)?),
        "break" => Instruction::Break,
        "if" => {
            let condition = Condition::read(directive, reader)?;
            let location = read_location(directive, reader)?;
            // an `if` cannot contain another one, so this needs no location
            let then = read(directive.children(), reader, &mut |_, _| Ok(None));
            Instruction::If { condition, location, then }
        }
        _ => return Ok(None),
    }))
}

/// Whether a target is a URL, not a path.
fn is_url(text: &str) -> bool {
    ["http://", "https://", "$scheme"].iter().any(|start| text.starts_with(start))
}

impl Rewrite {
    fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Rewrite, ConfError> {
        let pattern = reader.pattern(directive, directive.first(), false)?;
        let text = directive.arg(1).unwrap_or_default();
        let mut then = match directive.arg(2) {
            None => RewriteFlag::Next,
            Some("last") => RewriteFlag::Last,
            Some("break") => RewriteFlag::Break,
            Some("redirect") => RewriteFlag::Redirect(302),
            Some("permanent") => RewriteFlag::Redirect(301),
            Some(other) => return Err(directive.invalid(other, "last, break, redirect, permanent")),
        };
        if is_url(text) && !matches!(then, RewriteFlag::Redirect(_)) {
            then = RewriteFlag::Redirect(302);
        }
        let (text, keeps_args) = match text.strip_suffix('?') {
            Some(text) => (text, false),
            None => (text, true),
        };
        let has_query = text.contains('?');
        let (replacement, args) = match (then, text.split_once('?')) {
            (RewriteFlag::Redirect(_), _) | (_, None) => (text, None),
            (_, Some((path, args))) => (path, Some(reader.template(directive, args)?)),
        };
        let replacement = reader.template(directive, replacement)?;
        Ok(Rewrite { pattern, replacement, args, keeps_args, has_query, then })
    }
}

impl Return {
    fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Return, ConfError> {
        const ACCEPTED: &str = "a status from 200 to 999, or a URL that begins with http://, https:// or $scheme";
        let first = directive.first();
        let status = parse_number::<u16>(first).filter(|_| !first.is_empty());
        let (status, text) = match (status, directive.arg(1)) {
            (Some(status @ 200..=999), text) => (status, text),
            (None, None) if is_url(first) => (302, Some(first)),
            _ => return Err(directive.invalid(first, ACCEPTED)),
        };
        let text = text.map(|text| reader.template(directive, text)).transpose()?;
        Ok(Return { status, text })
    }
}

impl Condition {
    fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Condition, ConfError> {
        const ACCEPTED: &str = "($variable), ($variable = text), ($variable ~ regex) or (-f file), with !=, !~, ~*, !~*, \
                                -d, -e, -x and their negations";
        let written = directive.args.iter().map(|arg| arg.value.as_str()).collect::<Vec<_>>();
        let invalid = || directive.invalid(&written.join(" "), ACCEPTED);
        let mut words = written.clone();
        let first = words.first_mut().and_then(|first| first.strip_prefix('(').map(|rest| *first = rest));
        let last = words.last_mut().and_then(|last| last.strip_suffix(')').map(|rest| *last = rest));
        first.and(last).ok_or_else(invalid)?;
        if words.first() == Some(&"") {
            words.remove(0);
        }
        // the closing parenthesis is a separate word; otherwise an empty last word is an operand
        if written.last() == Some(&")") {
            words.pop();
        }
        let variable = |word: &str, reader: &mut ConfigReader<'_>| -> Result<Template, ConfError> {
            let name = word.strip_prefix('$').filter(|name| !name.is_empty()).ok_or_else(invalid)?;
            let template = reader.template(directive, word)?;
            Variable::from_name(name, &reader.variables).ok_or_else(invalid)?;
            Ok(template)
        };
        match words[..] {
            [word] if word.starts_with('$') => Ok(Condition::True(variable(word, reader)?)),
            [left, operator @ ("=" | "!="), right] if left.starts_with('$') => Ok(Condition::Equal {
                left: variable(left, reader)?,
                right: reader.template(directive, right)?,
                negated: operator == "!=",
            }),
            [text, operator @ ("~" | "~*" | "!~" | "!~*"), pattern] if text.starts_with('$') => {
                Ok(Condition::Matches {
                    text: variable(text, reader)?,
                    pattern: reader.pattern(directive, pattern, operator.ends_with('*'))?,
                    negated: operator.starts_with('!'),
                })
            }
            [test, path] => {
                let kind = match test.trim_start_matches('!') {
                    "-f" => FileTest::File,
                    "-d" => FileTest::Folder,
                    "-e" => FileTest::Exists,
                    "-x" => FileTest::Executable,
                    _ => return Err(invalid()),
                };
                Ok(Condition::File { path: reader.template(directive, path)?, kind, negated: test.starts_with('!') })
            }
            _ => Err(invalid()),
        }
    }
}
