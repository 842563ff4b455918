//! Resolves `[app]`, the served application.

use std::path::PathBuf;

use toml::Spanned;

use super::super::model::{App, PythonApp};
use super::super::wire;
use super::context::{ResolveContext, existing_file};
use super::service;
use crate::catalog;
use crate::catalog::kind::Interface;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::Field;
use crate::document::suggest;
use crate::document::table::Table as _;

/// The Python of a virtual environment.
const PYTHON: &str = "bin/python";

/// Resolves the app. `None` if it is invalid.
pub(super) fn app(
    wire: &Spanned<wire::AppTable>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<App> {
    let (at, wire) = (wire.span(), wire.get_ref());
    if wire.native.is_absent() && wire.wsgi.is_absent() && wire.asgi.is_absent() {
        if !wire.has_unknown_keys() {
            let message = "`[app]` names neither a `wsgi` or `asgi` application nor a `native` app";
            problems.push(Diagnostic::at(at, message).hint("write `wsgi = \"pong:app\"` or `native = \"hello\"`"));
        }
        return None;
    }
    exclude("wsgi", &wire.wsgi, ("asgi", &wire.asgi), problems);
    let native = wire.native.or(None, |native| Some(Some(native.get_ref().0.0.to_owned())));
    let (name, interface) = match wire.wsgi.is_absent() {
        true => (&wire.asgi, Interface::Asgi),
        false => (&wire.wsgi, Interface::Wsgi),
    };
    let python = name.or(None, |name| python(name, interface, wire, context, problems).map(Some));
    if name.is_absent() {
        let others = [
            ("path", wire.path.good().map(Spanned::span)),
            ("env", wire.env.good().map(Spanned::span)),
            ("environment", wire.environment.good().map(Spanned::span)),
            ("env_file", wire.env_file.good().map(Spanned::span)),
            ("requirements", wire.requirements.good().map(Spanned::span)),
            ("venv", wire.venv.good().map(Spanned::span)),
            ("cwd", wire.cwd.good().map(Spanned::span)),
            ("setup", wire.setup.good().map(Spanned::span)),
            ("services", wire.services.good().map(Spanned::span)),
        ];
        for (key, span) in others.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            let message = format!("`{key}` belongs to a `wsgi` or `asgi` application, and there is none");
            problems.push(Diagnostic::at(span, message));
        }
    }
    match (native?, python?) {
        (Some(native), Some(python)) => Some(App::Both { native, python }),
        (Some(native), None) => Some(App::Native(native)),
        (None, Some(python)) => Some(App::Python(python)),
        (None, None) => None,
    }
}

fn python(
    name: &Spanned<String>,
    interface: Interface,
    wire: &wire::AppTable,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<PythonApp> {
    let parts = name.get_ref().split_once(':').filter(|(module, callable)| is_dotted(module) && is_callable(callable));
    let Some((module, callable)) = parts else {
        let message = format!("`{}` does not name {} application", name.get_ref(), article(interface));
        let hint = "accepted: `module:callable`, or `module:create_app()` for a factory";
        problems.push(Diagnostic::at(name.span(), message).hint(hint));
        return None;
    };
    let path = wire.path.or(None, |path| folder(path, module, context, problems).map(Some));
    if wire.path.is_absent() && interface == Interface::Asgi {
        let message = "an ASGI application needs `path`, the folder of its module";
        problems.push(Diagnostic::at(name.span(), message).hint("lab's own modules are WSGI applications"));
        return None;
    }
    if wire.path.is_absent() && catalog::app(module).is_none() {
        let message = format!("lab has no application `{module}`");
        let hint =
            format!("{}; for one of yours, `path` is the folder it is in", suggest::accepted(module, &catalog::apps()));
        problems.push(Diagnostic::at(name.span(), message).hint(hint));
        return None;
    }
    let requirements = wire.requirements.or(None, |path| existing_file(path, context, problems).map(Some));
    let env_files = wire.env_file.or(Vec::new(), |paths| {
        // Every missing file is reported.
        let files: Vec<_> = paths.get_ref().0.iter().map(|path| existing_file(path, context, problems)).collect();
        files.into_iter().collect()
    });
    let venv = wire.venv.or(None, |path| venv(path, context, problems).map(Some));
    let cwd = wire.cwd.or(None, |path| Some(Some(context.root.join(path.get_ref()))));
    let setup = wire.setup.or(None, |command| not_empty(command, "`setup`", problems).map(Some));
    let services = service::services(&wire.services, context.root, problems);
    exclude("requirements", &wire.requirements, ("venv", &wire.venv), problems);
    exclude("environment", &wire.environment, ("env", &wire.env), problems);
    let variables = if wire.env.is_absent() { &wire.environment } else { &wire.env };
    let environment = variables.or(Vec::new(), |variables| {
        let all = variables.get_ref().0.iter();
        Some(all.filter_map(|(name, value)| Some((name.get_ref().clone(), value.value()?.clone()))).collect())
    });
    Some(PythonApp {
        interface,
        module: module.to_owned(),
        callable: callable.to_owned(),
        path: path?,
        environment: environment?,
        env_files: env_files?,
        requirements: requirements?,
        venv: venv?,
        cwd: cwd?,
        setup: setup?,
        services: services?,
    })
}

fn article(interface: Interface) -> &'static str {
    if interface == Interface::Asgi { "an ASGI" } else { "a WSGI" }
}

fn is_dotted(text: &str) -> bool {
    let is_word = |word: &str| {
        let starts_well = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        starts_well && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.split('.').all(is_word)
}

/// A dotted name, or its call with arguments that Python judges.
fn is_callable(text: &str) -> bool {
    match text.split_once('(') {
        Some((name, arguments)) => is_dotted(name) && arguments.ends_with(')'),
        None => is_dotted(text),
    }
}

fn not_empty(text: &Spanned<String>, what: &str, problems: &mut Problems<'_>) -> Option<String> {
    if text.get_ref().trim().is_empty() {
        problems.push(Diagnostic::at(text.span(), format!("{what} is empty")).hint("leave it out"));
        return None;
    }
    Some(text.get_ref().clone())
}

/// Reports two keys that are given both.
fn exclude<T, U>(first: &str, one: &Field<T>, (second, other): (&str, &Field<U>), problems: &mut Problems<'_>) {
    if let (Some(one), Some(other)) = (one.good(), other.good()) {
        let message = format!("`{first}` and `{second}` exclude each other");
        let related = format!("`{second}` is here");
        problems.push(Diagnostic::at(one.span(), message).related(other.span(), related).hint("leave one of them out"));
    }
}

/// The virtual environment at `path`, which has a Python.
fn venv(path: &Spanned<String>, context: &ResolveContext<'_>, problems: &mut Problems<'_>) -> Option<PathBuf> {
    let folder = context.root.join(path.get_ref());
    // The environment of today serves an earlier version too: a repository does not have it.
    let is_there = (context.is_file)(&folder.join(PYTHON)) || context.is_earlier;
    if path.get_ref().is_empty() || !is_there {
        let message = format!("`{}` is no virtual environment", path.get_ref());
        let hint = format!(
            "it has no `{PYTHON}`; a relative path starts at the scenario's root, and `python3 -m venv {}` makes one",
            path.get_ref()
        );
        problems.push(Diagnostic::at(path.span(), message).hint(hint));
        return None;
    }
    Some(folder)
}

/// The folder that holds `module`, as a file or as a package.
fn folder(
    path: &Spanned<String>,
    module: &str,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<PathBuf> {
    let folder = context.root.join(path.get_ref());
    let inside = module.replace('.', "/");
    let files = [format!("{inside}.py"), format!("{inside}/__init__.py")];
    if !files.iter().any(|file| (context.is_file)(&folder.join(file))) {
        let message = format!("no module `{module}` in `{}`", path.get_ref());
        let hint = format!("looked for: {} from the scenario's root", suggest::quoted(&[&files[0], &files[1]]));
        problems.push(Diagnostic::at(path.span(), message).hint(hint));
        return None;
    }
    Some(folder)
}
