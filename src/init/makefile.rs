//! The server that a recipe of a Makefile starts. Pure.

use super::command_line::{self, CommandLine};
use super::launch_files::{Launch, joined};

/// How deep the values of variables refer to others.
const MAX_DEPTH: usize = 8;

/// The first server that does not reload for development, otherwise the first.
pub(super) fn server(text: &str) -> Option<Launch> {
    let variables = variables(text);
    let launches = joined(text).into_iter().filter_map(|(line, recipe)| {
        let recipe = recipe.strip_prefix('\t')?.trim_start_matches(['@', '-', '+']);
        let command: CommandLine = command_line::parse(&expanded(recipe, &variables, 0))?;
        // A word alone may be anything.
        let is_server = command.app.is_some() || command.config.is_some();
        is_server.then(|| Launch { command, line, ..Launch::default() })
    });
    launches.min_by_key(|launch| (launch.command.reloads, launch.line))
}

/// `NAME = value`, `NAME := value`, `NAME ?= value`.
fn variables(text: &str) -> Vec<(String, String)> {
    let assignment = |(_, line): (usize, String)| {
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with(['\t', '#']))?;
        let name = name.trim_end_matches([':', '?', '+']).trim();
        let name = name.strip_prefix("export ").unwrap_or(name).trim();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then(|| (name.to_owned(), value.trim().to_owned()))
    };
    joined(text).into_iter().filter_map(assignment).collect()
}

/// A recipe with `$(NAME)` and `${NAME}` replaced; unknown ones are those of the shell or of the environment. `$$` is a dollar
/// sign for the shell.
fn expanded(text: &str, variables: &[(String, String)], depth: usize) -> String {
    let mut expansion = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expansion.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expansion.push('$');
            rest = after;
            continue;
        }
        let closing = if after.starts_with('(') { ')' } else { '}' };
        let inner = after.strip_prefix(['(', '{']).and_then(|inner| inner.split_once(closing));
        match inner {
            Some((name, after)) if depth < MAX_DEPTH => {
                if let Some((_, value)) = variables.iter().find(|(own, _)| own == name) {
                    expansion.push_str(&expanded(value, variables, depth + 1));
                }
                rest = after;
            }
            _ => {
                expansion.push('$');
                rest = after;
            }
        }
    }
    expansion + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_of_a_recipe_is_found() {
        let text = "\
VENV := .venv
GUNICORN = $(VENV)/bin/gunicorn
WORKERS ?= 3

.PHONY: install dev run
install:
\tpip install gunicorn
dev:
\t@uvicorn shop:app --reload
run: install
\t@$(GUNICORN) --workers ${WORKERS} \\
\t    --bind 0.0.0.0:$$PORT shop:app
";
        let found = server(text).unwrap();
        assert_eq!((found.line, found.command.kind, found.command.workers), (11, "gunicorn", Some(3)));
        assert_eq!(found.command.app.as_deref(), Some("shop:app"));
        assert_eq!(server("test:\n\tpytest\n"), None);
        assert_eq!(server("dev:\n\tuvicorn a:b --reload\n").unwrap().line, 2);
    }
}
