//! Templates in Jinja's language with Flask's context: `request` and `url_for`.
//!
//! Autoescaping writes the same entities as Jinja, so a page matches Flask's to the byte.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, Value, from_args};
use minijinja::{ErrorKind, State};

use crate::multi_dict::MultiDict;
use crate::request::Request;
use crate::routing::PathValue;
use crate::template_environment::STRING_TEMPLATE;

#[derive(Debug, thiserror::Error)]
#[error("the template `{template}` cannot be rendered: {error}")]
pub struct TemplateError {
    /// The template's name; `<template>` for a string template.
    pub template: String,
    #[source]
    pub error: minijinja::Error,
}

/// Renders a template that is given as a string, as `flask.render_template_string`.
///
/// # Errors
/// The template does not compile or render. In a handler the error becomes a 500.
pub fn render_template_string(request: &Request, source: &str, values: Value) -> Result<String, TemplateError> {
    let rendered = request.context().templates.render_string(source, context(request, values));
    rendered.map_err(|error| TemplateError { template: STRING_TEMPLATE.to_owned(), error })
}

/// Renders one of the app's templates, as `flask.render_template`.
///
/// # Errors
/// The template does not exist, compile or render. In a handler the error becomes a 500.
pub fn render_template(request: &Request, name: &str, values: Value) -> Result<String, TemplateError> {
    let rendered = request.context().templates.render_named(name, context(request, values));
    rendered.map_err(|error| TemplateError { template: name.to_owned(), error })
}

fn context(request: &Request, values: Value) -> Value {
    Value::from_object(TemplateContext { request: request.clone(), values })
}

/// The values given to a template, then Flask's own.
#[derive(Debug)]
struct TemplateContext {
    request: Request,
    values: Value,
}

impl Object for TemplateContext {
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
            "args" => Value::from_object(MultiDictObject(request.args().clone())),
            "cookies" => Value::from_object(MultiDictObject(request.cookies().clone())),
            "form" => Value::from_object(MultiDictObject(request.form().ok()?.clone())),
            "headers" => Value::from_object(MultiDictObject(request.received().headers.into())),
            _ => return None,
        })
    }
}

/// A [`MultiDict`] in a template: `args.name`, `args["name"]`, `args.get("name", default)`, `args.getlist("name")`.
#[derive(Debug)]
struct MultiDictObject(MultiDict);

impl Object for MultiDictObject {
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
