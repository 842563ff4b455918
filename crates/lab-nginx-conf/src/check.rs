//! Checks a tree against the table of directives.

use crate::context::Context;
use crate::directives::{ANY_NUMBER, DirectiveRule, RULES, Shape};
use crate::error::{ConfError, ConfErrorKind, closest};
use crate::syntax::Directive;
use crate::unsupported;

/// Checks the name, place, form and number of arguments of every directive. Expects a tree whose `include`s were
/// resolved, as [`load`](crate::load()) returns it.
///
/// # Errors
/// The first directive in file order that is unknown, not supported, misplaced, malformed or duplicate.
pub fn check(tree: &[Directive]) -> Result<(), ConfError> {
    check_block(tree, Context::Main)
}

fn check_block(block: &[Directive], context: Context) -> Result<(), ConfError> {
    for (index, directive) in block.iter().enumerate() {
        let rule = rule_for(directive, context)?;
        let name = || directive.name.clone();
        let inner = match (rule.shape, &directive.block) {
            (Shape::OneBlock(_) | Shape::Blocks(_) | Shape::Entries(_), None) => {
                return Err(directive.error(ConfErrorKind::NoBlock { name: name() }));
            }
            (Shape::Once | Shape::Many, Some(_)) => {
                return Err(directive.error(ConfErrorKind::NotABlock { name: name() }));
            }
            (Shape::OneBlock(inner) | Shape::Blocks(inner), Some(block)) => Some((inner, block)),
            (Shape::Entries(inner), Some(block)) => {
                check_entries(block, inner)?;
                None
            }
            (Shape::Once | Shape::Many, None) => None,
        };
        let (least, most) = rule.args;
        if !(least..=most).contains(&directive.args.len()) {
            let found = directive.args.len();
            let accepted = describe_arguments(least, most);
            return Err(directive.error(ConfErrorKind::Arguments { name: name(), accepted, found }));
        }
        let once = matches!(rule.shape, Shape::Once | Shape::OneBlock(_));
        if once && block[..index].iter().any(|earlier| earlier.name == directive.name) {
            return Err(directive.error(ConfErrorKind::Duplicate { name: name() }));
        }
        if let Some((inner, block)) = inner {
            check_block(block, inner)?;
        }
    }
    Ok(())
}

/// Checks the lines of `map` and `types`, which begin with keys.
fn check_entries(block: &[Directive], context: Context) -> Result<(), ConfError> {
    for entry in block {
        let name = entry.name.clone();
        if entry.block.is_some() {
            return Err(entry.error(ConfErrorKind::NotABlock { name }));
        }
        let is_flag = context == Context::Map && matches!(name.as_str(), "hostnames" | "volatile");
        let accepted = match (context, entry.args.len()) {
            (_, 0) if is_flag => continue,
            (Context::Map, 1) if !is_flag => continue,
            (Context::Types, 1..) => continue,
            (Context::Map, _) if is_flag => "none",
            (Context::Map, _) => "1 argument",
            _ => "at least 1 argument",
        };
        let (accepted, found) = (accepted.to_owned(), entry.args.len());
        return Err(entry.error(ConfErrorKind::Arguments { name, accepted, found }));
    }
    Ok(())
}

fn rule_for(directive: &Directive, context: Context) -> Result<&'static DirectiveRule, ConfError> {
    let mut allowed = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.name == directive.name) {
        if rule.contexts.contains(&context) {
            return Ok(rule);
        }
        allowed.extend_from_slice(rule.contexts);
    }
    let name = directive.name.clone();
    Err(directive.error(if allowed.is_empty() {
        if unsupported::is_refused(&name) {
            return Err(directive.error(ConfErrorKind::UnsupportedDirective { name }));
        }
        let hint = closest(&name, RULES.iter().map(|rule| rule.name).chain(["include"]));
        ConfErrorKind::UnknownDirective { name, hint }
    } else {
        ConfErrorKind::NotAllowedHere { name, context, allowed }
    }))
}

fn describe_arguments(least: usize, most: usize) -> String {
    let noun = |count| if count == 1 { "argument" } else { "arguments" };
    match (least, most) {
        (0, 0) => "none".to_owned(),
        (least, most) if least == most => format!("{least} {}", noun(least)),
        (least, ANY_NUMBER) => format!("at least {least} {}", noun(least)),
        (least, most) => format!("{least} to {most} arguments"),
    }
}
