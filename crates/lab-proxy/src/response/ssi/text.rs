//! Text with variables in the parameters of SSI commands.

/// Replaces `$name` and `${name}` by what `lookup` finds, and removes the backslashes of escapes.
///
/// # Errors
/// A variable without a name, or a brace that is not closed.
pub(super) fn evaluate(text: &[u8], lookup: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match byte {
            b'$' => {
                let (name, behind) = variable(text, behind)?;
                out.extend(lookup(&name.to_ascii_lowercase()).unwrap_or_default());
                behind
            }
            b'\\' => match behind.split_first() {
                Some((escaped @ (b'\\' | b'\'' | b'"' | b'$'), behind)) => {
                    out.push(*escaped);
                    behind
                }
                Some((other, behind)) => {
                    out.extend([b'\\', *other]);
                    behind
                }
                None => behind,
            },
            other => {
                out.push(other);
                behind
            }
        };
    }
    Ok(out)
}

/// The name of a variable behind its `$`, and what follows.
fn variable<'t>(text: &[u8], rest: &'t [u8]) -> Result<(&'t [u8], &'t [u8]), String> {
    let (name, behind) = match rest.strip_prefix(b"{") {
        Some(inner) => match memchr::memchr(b'}', inner) {
            Some(end) => (&inner[..end], &inner[end + 1..]),
            None => {
                let text = text.escape_ascii();
                return Err(format!("the closing bracket in \"{text}\" variable is missing"));
            }
        },
        None => {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            rest.split_at(rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len()))
        }
    };
    if name.is_empty() {
        return Err(format!("invalid variable name in \"{}\"", text.escape_ascii()));
    }
    Ok((name, behind))
}

/// An expression of `if` and `elif`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expression<'e> {
    /// `$name`: whether it has a value that is not empty.
    Value(&'e [u8]),
    /// `$name = text`, `$name != text`
    Text { left: &'e [u8], right: &'e [u8], is_negated: bool },
    /// `$name = /regex/`, `$name != /regex/`
    Pattern { left: &'e [u8], pattern: &'e [u8], is_negated: bool },
}

impl Expression<'_> {
    /// # Errors
    /// The expression has another form.
    pub(super) fn parse(text: &[u8]) -> Result<Expression<'_>, String> {
        let invalid = || format!("invalid expression in \"{}\"", text.escape_ascii());
        let is_left =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(*byte, b'$' | b'{' | b'}' | b'_' | b'"' | b'\'');
        let end = text.iter().position(|byte| !is_left(byte)).unwrap_or(text.len());
        let (left, rest) = text.split_at(end);
        let (is_negated, right) = match rest.trim_ascii_start() {
            [] => return Ok(Expression::Value(left)),
            [b'!', b'=', right @ ..] => (true, right.trim_ascii_start()),
            [b'=', right @ ..] => (false, right.trim_ascii_start()),
            _ => return Err(invalid()),
        };
        match right {
            [b'/', pattern @ .., b'/'] => Ok(Expression::Pattern { left, pattern, is_negated }),
            [b'/', ..] => Err(invalid()),
            [b'\\', b'/', ..] => Ok(Expression::Text { left, right: &right[1..], is_negated }),
            _ => Ok(Expression::Text { left, right, is_negated }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced() {
        let lookup = |name: &[u8]| (name == b"a").then(|| b"1".to_vec());
        for (text, expected) in [
            ("", Ok("")),
            ("x$A-${a}b", Ok("x1-1b")),
            ("$b", Ok("")),
            (r#"\$a\\\"\'\n"#, Ok(r#"$a\"'\n"#)),
            ("a\\", Ok("a")),
            ("$", Err("invalid variable name in \"$\"")),
            ("${a", Err("the closing bracket in \"${a\" variable is missing")),
        ] {
            let expected = expected.map(|text| text.as_bytes().to_vec()).map_err(str::to_owned);
            assert_eq!(evaluate(text.as_bytes(), lookup), expected, "{text}");
        }
    }

    #[test]
    fn expressions_have_three_forms() {
        let text = |left, right, is_negated| Ok(Expression::Text { left, right, is_negated });
        for (expression, expected) in [
            ("$a", Ok(Expression::Value(b"$a"))),
            ("$a = b c", text(b"$a", b"b c", false)),
            ("$a!=$b", text(b"$a", b"$b", true)),
            ("$a = ", text(b"$a", b"", false)),
            ("$a = \\/b/", text(b"$a", b"/b/", false)),
            ("$a != /b.c/", Ok(Expression::Pattern { left: b"$a", pattern: b"b.c", is_negated: true })),
            ("$a = /b", Err("invalid expression in \"$a = /b\"".to_owned())),
            ("$a < b", Err("invalid expression in \"$a < b\"".to_owned())),
        ] {
            assert_eq!(Expression::parse(expression.as_bytes()), expected, "{expression}");
        }
    }
}
