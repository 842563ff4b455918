//! Templates in Jinja's language (minijinja), with Flask's context: `request` and `url_for`.
//!
//! Autoescaping is on, with the entities that Jinja writes, so that a page is the same to the byte. A template that is
//! given as a string is compiled once and kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Kwargs, Object, Value, ValueKind as Kind, from_args};
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State};

use crate::markup::escape;
use crate::multi_dict::MultiDict;
use crate::request::Request;
use crate::routing::PathValue;

/// How many templates given as strings are kept: the size of Jinja's own cache. Beyond it they are compiled each time.
const KEPT: usize = 400;

/// In front of the names of an app's templates inside the environment, where a template given as a string is known by
/// its whole text.
const NAMED: char = '\u{0}';

/// Why a template could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("the template `{template}` cannot be rendered: {error}")]
pub struct TemplateError {
    /// Its name, `<template>` for one given as a string.
    pub template: String,
    /// What minijinja says.
    #[source]
    pub error: minijinja::Error,
}

/// Renders a template that is given as a string, as `flask.render_template_string`.
///
/// # Errors
/// A template that cannot be compiled or rendered; in a handler it becomes a 500.
pub fn render_template_string(request: &Request, source: &str, values: Value) -> Result<String, TemplateError> {
    let context = context(request, values);
    let environment = &request.shared().templates.environment;
    let rendered = match environment.get_template(source) {
        Ok(template) => template.render(context),
        Err(error) if error.kind() == ErrorKind::TemplateNotFound => {
            environment.render_named_str("<template>", source, context)
        }
        Err(error) => Err(error),
    };
    rendered.map_err(|error| TemplateError { template: "<template>".to_owned(), error })
}

/// Renders a template of the app by its name, as `flask.render_template`.
///
/// # Errors
/// A template that does not exist, or that cannot be compiled or rendered; in a handler it becomes a 500.
pub fn render_template(request: &Request, name: &str, values: Value) -> Result<String, TemplateError> {
    let environment = &request.shared().templates.environment;
    environment
        .get_template(&format!("{NAMED}{name}"))
        .and_then(|template| template.render(context(request, values)))
        .map_err(|error| TemplateError { template: name.to_owned(), error })
}

/// The templates of an app.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    pub(super) fn new(named: HashMap<String, String>) -> Self {
        let mut environment = Environment::new();
        let kept = AtomicUsize::new(0);
        environment.set_loader(move |name| match name.strip_prefix(NAMED) {
            Some(name) => Ok(named.get(name).cloned()),
            None if kept.fetch_add(1, Ordering::Relaxed) < KEPT => Ok(Some(name.to_owned())),
            None => Ok(None),
        });
        // Called for `extends` and `include` only: what they name is never the text of a template.
        environment.set_path_join_callback(|name, _| format!("{NAMED}{name}").into());
        environment.set_auto_escape_callback(auto_escape);
        environment.set_formatter(format_like_jinja);
        environment.add_filter("escape", escape_filter);
        environment.add_filter("e", escape_filter);
        Self { environment }
    }
}

/// Flask's `select_jinja_autoescape`: on for markup and for templates given as strings.
fn auto_escape(name: &str) -> AutoEscape {
    let is_markup = [".html", ".htm", ".xml", ".xhtml", ".svg"].iter().any(|ending| name.ends_with(ending));
    if is_markup || !name.starts_with(NAMED) { AutoEscape::Html } else { AutoEscape::None }
}

/// Writes a value as Jinja does: MarkupSafe's entities, and Python's names for the constants.
fn format_like_jinja(out: &mut Output, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    let text = match value.kind() {
        Kind::Undefined => return Ok(()),
        Kind::None => "None".into(),
        Kind::Bool => if value.is_true() { "True" } else { "False" }.into(),
        _ => value.to_string(),
    };
    let escaped = match state.auto_escape() {
        AutoEscape::None => text.into(),
        _ if value.is_safe() => text.into(),
        _ => escape(&text),
    };
    out.write_str(&escaped).map_err(|_| minijinja::Error::from(ErrorKind::WriteFailure))
}

fn escape_filter(value: &Value) -> Value {
    if value.is_safe() { value.clone() } else { Value::from_safe_string(escape(&value.to_string()).into_owned()) }
}

fn context(request: &Request, values: Value) -> Value {
    Value::from_object(Context { request: request.clone(), values })
}

/// The values of a template, with Flask's own behind them.
#[derive(Debug)]
struct Context {
    request: Request,
    values: Value,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        if let Some(value) = self.values.get_attr(key).ok().filter(|value| !value.is_undefined()) {
            return Some(value);
        }
        match key {
            "request" => Some(Value::from_object(RequestObject(self.request.clone()))),
            "url_for" => Some(Value::from_object(UrlFor(self.request.clone()))),
            _ => None,
        }
    }
}

/// `request` in a template.
#[derive(Debug)]
struct RequestObject(Request);

impl Object for RequestObject {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let request = &self.0;
        Some(match key.as_str()? {
            "method" => request.method().as_str().into(),
            "path" => request.path().into(),
            "root_path" | "script_root" => Value::from(&request.root_path()),
            "query_string" => request.query_string().into(),
            "scheme" => Value::from(&request.scheme()),
            "host" => Value::from(&request.host()),
            "url" => request.url().into(),
            "base_url" => request.base_url().into(),
            "url_root" | "root_url" => request.url_root().into(),
            "remote_addr" => request.remote_addr().map(Cow::into_owned).into(),
            "endpoint" => request.endpoint().into(),
            "args" => Value::from_object(Lookup(request.args().clone())),
            "cookies" => Value::from_object(Lookup(request.cookies().clone())),
            "form" => Value::from_object(Lookup(request.form().ok()?.clone())),
            "headers" => Value::from_object(Lookup(request.arrived().headers.into())),
            _ => return None,
        })
    }
}

/// A [`MultiDict`] in a template: `args.name`, `args["name"]`, `args.get("name", default)`, `args.getlist("name")`.
#[derive(Debug)]
struct Lookup(MultiDict);

impl Object for Lookup {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(Value::from)
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, minijinja::Error> {
        match method {
            "get" => {
                let (name, default): (&str, Option<Value>) = from_args(args)?;
                Ok(self.0.get(name).map(Value::from).or(default).unwrap_or(Value::from(())))
            }
            "getlist" => {
                let (name,): (&str,) = from_args(args)?;
                Ok(self.0.getlist(name).collect())
            }
            _ => Err(ErrorKind::UnknownMethod.into()),
        }
    }
}

/// `url_for(endpoint, name=value, _external=true)` in a template.
#[derive(Debug)]
struct UrlFor(Request);

impl Object for UrlFor {
    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, args: &[Value]) -> Result<Value, minijinja::Error> {
        let (endpoint, named): (&str, Kwargs) = from_args(args)?;
        let external = named.get::<Option<bool>>("_external")?.unwrap_or(false);
        let mut values = Vec::new();
        for name in named.args().filter(|name| *name != "_external") {
            let value: Value = named.get(name)?;
            // As in Flask, a value that is None counts as not given.
            if !value.is_none() {
                values.push((name, path_value(&value)));
            }
        }
        let url = if external { self.0.url_for_external(endpoint, &values) } else { self.0.url_for(endpoint, &values) };
        url.map(Value::from).map_err(|error| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string()))
    }
}

fn path_value(value: &Value) -> PathValue {
    match (value.as_i64(), f64::try_from(value.clone())) {
        (Some(int), _) if value.is_number() => PathValue::Int(int),
        (_, Ok(float)) if value.is_number() => PathValue::Float(float),
        _ => PathValue::Text(value.to_string()),
    }
}
