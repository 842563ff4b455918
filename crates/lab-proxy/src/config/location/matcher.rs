//! The arguments of `location`: how it is compared with the path of a request.

use super::EnclosingBlock;
use crate::config::reader::ConfigReader;
use crate::variables::pattern::Pattern;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// How a location is compared with the path of a request.
#[derive(Debug, Clone)]
pub enum Matcher {
    /// `location = /path`
    Exact,
    /// `location /path`, or `location ^~ /path`, after which no regular expression is tried.
    Prefix {
        /// Whether it is `^~`.
        is_final: bool,
    },
    /// `location ~ regex`
    Pattern(Pattern),
    /// `location @name`: reached by name only.
    Named,
    /// An `if`, or the server block: not matched by path.
    Never,
}

/// Reads the arguments of `location`: how it is compared, and its path, name or regular expression.
pub(super) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(Matcher, String), ConfError> {
    const ACCEPTED: &str = "/path, = /path, ^~ /path, ~ regex, ~* regex, @name";
    let words: Vec<&str> = directive.args.iter().map(|arg| arg.value.as_str()).collect();
    let (modifier, text) = match words[..] {
        [modifier @ ("=" | "^~" | "~" | "~*"), text] => (modifier, text),
        // nginx allows the modifier and the path to be one word
        [word] => {
            let modifier = ["=", "^~", "~*", "~"].into_iter().find(|modifier| word.starts_with(modifier));
            modifier.map_or(("", word), |modifier| (modifier, &word[modifier.len()..]))
        }
        [modifier, ..] => return Err(directive.invalid(modifier, ACCEPTED)),
        // `check` has counted the arguments
        [] => ("", ""),
    };
    let matcher = match modifier {
        "=" => Matcher::Exact,
        "^~" => Matcher::Prefix { is_final: true },
        "~" | "~*" => Matcher::Pattern(reader.pattern(directive, text, modifier == "~*")?),
        _ if text.starts_with('@') => Matcher::Named,
        _ => Matcher::Prefix { is_final: false },
    };
    Ok((matcher, text.to_owned()))
}

/// As in nginx: a location inside another matches a part of its paths, and a named one is only allowed in a server.
pub(super) fn check_nesting(
    directive: &Directive,
    matcher: &Matcher,
    path: &str,
    outer: &EnclosingBlock<'_>,
) -> Result<(), ConfError> {
    let Some((outer_matching, outer_path)) = outer.location else { return Ok(()) };
    let message = match outer_matching {
        Matcher::Exact => format!("location \"{path}\" cannot be inside the exact location \"{outer_path}\""),
        Matcher::Named => format!("location \"{path}\" cannot be inside the named location \"{outer_path}\""),
        _ if matches!(matcher, Matcher::Named) => {
            format!("named location \"{path}\" can be on the server level only")
        }
        _ if !matches!(matcher, Matcher::Pattern(_)) && !path.starts_with(outer_path) => {
            format!("location \"{path}\" is outside location \"{outer_path}\"")
        }
        _ => return Ok(()),
    };
    Err(directive.error(ConfErrorKind::Conflict(message)))
}
