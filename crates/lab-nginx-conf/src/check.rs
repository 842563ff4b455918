//! Checks a tree against the table of directives.

use std::collections::HashSet;
use std::path::Path;

use crate::context::Context;
use crate::directives::{ANY_NUMBER, DirectiveRule, Shape};
use crate::error::{ConfError, ConfErrorKind, closest};
use crate::no_effect::{self, is_gateway_setting};
use crate::rules::rules;
use crate::syntax::{Directive, walk};
use crate::unsupported;

/// Checks the name, context, form and number of arguments of every directive. Expects a tree with resolved `include`s,
/// as [`load`](crate::load()) returns it.
///
/// # Errors
/// All directives, in file order, that are unknown, not supported, misplaced, malformed or duplicate.
pub fn check(tree: &[Directive]) -> Result<(), ConfError> {
    ConfError::join(find_faults(tree).into_iter().map(|(_, error)| error).collect()).map_or(Ok(()), Err)
}

/// As [`check`], but returns the errors with the directives that have none, so that their values can be checked too.
#[must_use]
pub fn without_faults(tree: &[Directive]) -> (Vec<Directive>, Vec<ConfError>) {
    let faults = find_faults(tree);
    let faulty: HashSet<*const Directive> = faults.iter().map(|(directive, _)| *directive).collect();
    (copy_without(tree, &faulty), faults.into_iter().map(|(_, error)| error).collect())
}

fn copy_without(block: &[Directive], faulty: &HashSet<*const Directive>) -> Vec<Directive> {
    let kept = block.iter().filter(|directive| !faulty.contains(&std::ptr::from_ref(*directive)));
    kept.map(|directive| Directive {
        name: directive.name.clone(),
        args: directive.args.clone(),
        block: directive.block.as_deref().map(|inner| copy_without(inner, faulty)),
        file: directive.file.clone(),
        line: directive.line,
        span: directive.span.clone(),
    })
    .collect()
}

/// Makes one error of several, in the order of their lines in `tree`; none if there are none.
#[must_use]
pub fn join_in_order(mut errors: Vec<ConfError>, tree: &[Directive]) -> Option<ConfError> {
    let mut files: Vec<&Path> = Vec::new();
    for directive in walk(tree) {
        if files.last() != Some(&&*directive.file) && !files.contains(&&*directive.file) {
            files.push(&directive.file);
        }
    }
    errors.sort_by_key(|error| (files.iter().position(|file| *file == error.file), error.line));
    ConfError::join(errors)
}

/// A directive and its error.
type Fault = (*const Directive, ConfError);

fn find_faults(tree: &[Directive]) -> Vec<Fault> {
    let mut faults = Vec::new();
    check_block(tree, Context::Main, &mut faults);
    faults
}

fn check_block(block: &[Directive], context: Context, faults: &mut Vec<Fault>) {
    let mut names = HashSet::new();
    for directive in block {
        let is_first = names.insert(directive.name.as_str());
        match check_directive(directive, context, is_first) {
            Err(error) => faults.push((std::ptr::from_ref(directive), error)),
            Ok(None) => {}
            Ok(Some(
                inner @ (Context::Map | Context::Types | Context::Geo | Context::SplitClients | Context::CharsetMap),
            )) => {
                for entry in directive.children() {
                    if let Err(error) = check_entry(entry, inner) {
                        faults.push((std::ptr::from_ref(entry), error));
                    }
                }
            }
            Ok(Some(inner)) => check_block(directive.children(), inner, faults),
        }
    }
}

/// Checks one directive without its block. Returns the context of the block, if it has one.
fn check_directive(directive: &Directive, context: Context, is_first: bool) -> Result<Option<Context>, ConfError> {
    if is_gateway_setting(&directive.name) && directive.block.is_none() {
        return Ok(None);
    }
    let rule = rule_for(directive, context)?;
    let name = || directive.name.clone();
    let inner = match (rule.shape, &directive.block) {
        (Shape::OneBlock(_) | Shape::Blocks(_) | Shape::Entries(_), None) => {
            return Err(directive.error(ConfErrorKind::MissingBlock { name: name() }));
        }
        (Shape::Once | Shape::Many, Some(_)) => {
            return Err(directive.error(ConfErrorKind::UnexpectedBlock { name: name() }));
        }
        (Shape::OneBlock(inner) | Shape::Blocks(inner) | Shape::Entries(inner), Some(_)) => Some(inner),
        (Shape::Once | Shape::Many, None) => None,
    };
    let (least, most) = rule.args;
    if !(least..=most).contains(&directive.args.len()) {
        let found = directive.args.len();
        let accepted = describe_arguments(least, most);
        return Err(directive.error(ConfErrorKind::ArgumentCount { name: name(), accepted, found }));
    }
    if !is_first && matches!(rule.shape, Shape::Once | Shape::OneBlock(_)) {
        return Err(directive.error(ConfErrorKind::Duplicate { name: name() }));
    }
    no_effect::check_value(directive)?;
    Ok(inner)
}

/// Checks a line of `map`, `types` and the like, which begins with a key.
fn check_entry(entry: &Directive, context: Context) -> Result<(), ConfError> {
    let name = entry.name.clone();
    if entry.block.is_some() {
        return Err(entry.error(ConfErrorKind::UnexpectedBlock { name }));
    }
    let is_flag = match context {
        Context::Map => matches!(name.as_str(), "hostnames" | "volatile"),
        Context::Geo => matches!(name.as_str(), "ranges" | "proxy_recursive"),
        _ => false,
    };
    let accepted = match (context, entry.args.len()) {
        (_, 0) if is_flag => return Ok(()),
        (Context::Types, 1..) => return Ok(()),
        (Context::Types, _) => "at least 1 argument",
        (_, 1) if !is_flag => return Ok(()),
        (_, _) if is_flag => "none",
        _ => "1 argument",
    };
    let (accepted, found) = (accepted.to_owned(), entry.args.len());
    Err(entry.error(ConfErrorKind::ArgumentCount { name, accepted, found }))
}

fn rule_for(directive: &Directive, context: Context) -> Result<&'static DirectiveRule, ConfError> {
    let mut allowed = Vec::new();
    for rule in rules().filter(|rule| rule.name == directive.name) {
        if rule.contexts.contains(&context) {
            return Ok(rule);
        }
        allowed.extend_from_slice(rule.contexts);
    }
    let name = directive.name.clone();
    Err(directive.error(if allowed.is_empty() {
        if let Some(advice) = unsupported::advice(&name) {
            return Err(directive.error(ConfErrorKind::UnsupportedDirective { name, advice }));
        }
        let hint = closest(&name, rules().map(|rule| rule.name).chain(["include"]));
        ConfErrorKind::UnknownDirective { name, hint }
    } else {
        ConfErrorKind::MisplacedDirective { name, context, allowed }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_listed_in_file_order() {
        let text = "events { }\nhttp {\n  zstd_dict_file a;\n  server {\n    lisen 80;\n    root a b;\n    xslt_types a;\n  }\n}\n";
        let tree = crate::parse(text, Path::new("nginx.conf")).unwrap();
        let message = check(&tree).unwrap_err().to_string();
        let places: Vec<&str> = message.lines().filter_map(|line| line.strip_prefix("nginx.conf:")).collect();
        let lines: Vec<&str> = places.iter().map(|line| &line[..1]).collect();
        assert_eq!(lines, ["3", "5", "6", "7"], "{message}");
        let (rest, faults) = without_faults(&tree);
        assert_eq!((faults.len(), rest[1].children().len(), rest[1].children()[0].children().len()), (4, 1, 0));
    }
}
