//! Resolves `[app]`: what is served.

use std::path::PathBuf;

use toml::Spanned;

use super::super::model::{App, WsgiApp};
use super::super::wire;
use super::context::{ResolveContext, existing_file};
use crate::catalog;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::suggest;
use crate::document::table::Table as _;

/// The app; `None` where something is wrong with it.
pub(super) fn app(
    wire: &Spanned<wire::AppTable>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<App> {
    let (at, wire) = (wire.span(), wire.get_ref());
    if wire.native.is_absent() && wire.wsgi.is_absent() {
        if !wire.has_unknown_keys() {
            let message = "`[app]` names neither a `wsgi` application nor a `native` app";
            problems.push(Diagnostic::at(at, message).hint("write `wsgi = \"pong:app\"` or `native = \"hello\"`"));
        }
        return None;
    }
    let native = wire.native.or(None, |native| Some(Some(native.get_ref().0.0.to_owned())));
    let wsgi = wire.wsgi.or(None, |name| wsgi(name, wire, context, problems).map(Some));
    if wire.wsgi.is_absent() {
        let others = [
            ("path", wire.path.good().map(Spanned::span)),
            ("environment", wire.environment.good().map(Spanned::span)),
            ("requirements", wire.requirements.good().map(Spanned::span)),
        ];
        for (key, span) in others.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            problems.push(Diagnostic::at(span, format!("`{key}` belongs to a `wsgi` application, and there is none")));
        }
    }
    match (native?, wsgi?) {
        (Some(native), Some(wsgi)) => Some(App::Both { native, wsgi }),
        (Some(native), None) => Some(App::Native(native)),
        (None, Some(wsgi)) => Some(App::Wsgi(wsgi)),
        (None, None) => None,
    }
}

fn wsgi(
    name: &Spanned<String>,
    wire: &wire::AppTable,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<WsgiApp> {
    let is_dotted = |text: &str| {
        let is_word = |word: &str| {
            let starts_well = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            starts_well && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        text.split('.').all(is_word)
    };
    let parts = name.get_ref().split_once(':').filter(|(module, callable)| is_dotted(module) && is_dotted(callable));
    let Some((module, callable)) = parts else {
        let message = format!("`{}` does not name a WSGI application", name.get_ref());
        problems.push(Diagnostic::at(name.span(), message).hint("accepted: `module:callable`"));
        return None;
    };
    let path = wire.path.or(None, |path| folder(path, module, context, problems).map(Some));
    if wire.path.is_absent() && catalog::app(module).is_none() {
        let message = format!("lab has no application `{module}` of its own");
        let hint =
            format!("{}; for one of yours, `path` is the folder it is in", suggest::accepted(module, &catalog::apps()));
        problems.push(Diagnostic::at(name.span(), message).hint(hint));
        return None;
    }
    let requirements = wire.requirements.or(None, |path| existing_file(path, context, problems).map(Some));
    let environment = wire.environment.or(Vec::new(), |variables| {
        let all = variables.get_ref().0.iter();
        all.map(|(name, value)| Some((name.get_ref().clone(), value.value()?.clone()))).collect()
    });
    Some(WsgiApp {
        module: module.to_owned(),
        callable: callable.to_owned(),
        path: path?,
        environment: environment?,
        requirements: requirements?,
    })
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
