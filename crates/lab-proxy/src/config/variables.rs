//! Finds the variables that a configuration defines: by `set`, by `map`, and by named groups of regular expressions.

use crate::variables::pattern::group_names;
use crate::variables::{DefinedVariables, Variable};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// Collects all defined variables of the `http` block before any template is compiled, because a variable may be used
/// before its definition.
pub(crate) fn collect(block: &[Directive]) -> Result<DefinedVariables, ConfError> {
    let mut variables = DefinedVariables::default();
    collect_into(block, &mut variables)?;
    Ok(variables)
}

fn collect_into(block: &[Directive], variables: &mut DefinedVariables) -> Result<(), ConfError> {
    for directive in block {
        match directive.name.as_str() {
            "set" | "auth_request_set" => define(directive, directive.first(), variables)?,
            "map" => {
                define(directive, directive.arg(1).unwrap_or_default(), variables)?;
                for entry in directive.children() {
                    define_groups(entry, &entry.name, variables)?;
                }
                continue;
            }
            "geo" | "split_clients" => {
                define(directive, directive.arg(1).unwrap_or(directive.first()), variables)?;
                continue;
            }
            "types" => continue,
            _ => {}
        }
        for (index, arg) in directive.args.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|index| directive.arg(index)).unwrap_or_default();
            match (directive.name.as_str(), index) {
                ("rewrite", 0) => define_groups(directive, &format!("~{}", arg.value), variables)?,
                ("location" | "if", 1..) if matches!(before, "~" | "~*" | "!~" | "!~*") => {
                    let pattern = arg.value.strip_suffix(')').filter(|_| directive.name == "if").unwrap_or(&arg.value);
                    define_groups(directive, &format!("~{pattern}"), variables)?;
                }
                ("location", 0)
                | ("server_name", _)
                | ("proxy_redirect" | "proxy_cookie_domain" | "proxy_cookie_path", 0) => {
                    define_groups(directive, &arg.value, variables)?;
                }
                _ => {}
            }
        }
        collect_into(directive.children(), variables)?;
    }
    Ok(())
}

/// Defines `$name`. Of the built-in variables, only `$args` and `$limit_rate` may be set.
fn define(directive: &Directive, text: &str, variables: &mut DefinedVariables) -> Result<(), ConfError> {
    let name = text.strip_prefix('$').filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| directive.invalid(text, "the name of a variable, with its $"))?;
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_word {
        return Err(directive.invalid(text, "a variable of letters, digits and underscores"));
    }
    match Variable::built_in(name) {
        Some(Variable::Args) if name.eq_ignore_ascii_case("args") && directive.name == "set" => {}
        Some(Variable::LimitRate) if directive.name == "set" => {}
        Some(_) => {
            let name = name.to_owned();
            return Err(directive.error(ConfErrorKind::DuplicateName { what: "variable", name }));
        }
        None => _ = variables.define(name),
    }
    Ok(())
}

/// Defines the named groups of a regular expression, which is a text that begins with `~`.
fn define_groups(directive: &Directive, text: &str, variables: &mut DefinedVariables) -> Result<(), ConfError> {
    let Some(pattern) = text.strip_prefix('~') else { return Ok(()) };
    for name in group_names(pattern.strip_prefix('*').unwrap_or(pattern)) {
        define(directive, &format!("${name}"), variables)?;
    }
    Ok(())
}
