//! The template engine: minijinja, configured to write what Jinja writes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Value, ValueKind as Kind};
use minijinja::{AutoEscape, Environment, ErrorKind, Output, State};

use crate::markup::escape;

/// The number of string templates to cache: the size of Jinja's own cache. Further ones are compiled each time.
const MAX_CACHED: usize = 400;

/// The prefix of the names of an app's templates. A string template is registered under its own text, which does not
/// start with this character.
const NAME_MARK: char = '\u{0}';

/// The name of string templates in messages.
pub(crate) const STRING_TEMPLATE: &str = "<template>";

/// An app's templates by name, and a cache of templates given as strings.
#[derive(Debug)]
pub(crate) struct TemplateEnvironment(Environment<'static>);

impl TemplateEnvironment {
    pub(crate) fn new(named: HashMap<String, String>) -> Self {
        let mut environment = Environment::new();
        let cached = AtomicUsize::new(0);
        environment.set_loader(move |name| match name.strip_prefix(NAME_MARK) {
            Some(name) => Ok(named.get(name).cloned()),
            None if cached.fetch_add(1, Ordering::Relaxed) < MAX_CACHED => Ok(Some(name.to_owned())),
            None => Ok(None),
        });
        // minijinja calls this only for `extends` and `include`, which always name a template.
        environment.set_path_join_callback(|name, _| format!("{NAME_MARK}{name}").into());
        environment.set_auto_escape_callback(auto_escape);
        environment.set_formatter(format_like_jinja);
        environment.add_filter("escape", escape_filter);
        environment.add_filter("e", escape_filter);
        Self(environment)
    }

    pub(crate) fn render_string(&self, source: &str, context: Value) -> Result<String, minijinja::Error> {
        match self.0.get_template(source) {
            Ok(template) => template.render(context),
            Err(error) if error.kind() == ErrorKind::TemplateNotFound => {
                self.0.render_named_str(STRING_TEMPLATE, source, context)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn render_named(&self, name: &str, context: Value) -> Result<String, minijinja::Error> {
        self.0.get_template(&format!("{NAME_MARK}{name}"))?.render(context)
    }
}

/// Flask's `select_jinja_autoescape`: on for markup and for string templates.
fn auto_escape(name: &str) -> AutoEscape {
    let is_markup = [".html", ".htm", ".xml", ".xhtml", ".svg"].iter().any(|ending| name.ends_with(ending));
    if is_markup || !name.starts_with(NAME_MARK) { AutoEscape::Html } else { AutoEscape::None }
}

/// Writes a value as Jinja does, with MarkupSafe's entities and Python's `None`, `True` and `False`.
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
