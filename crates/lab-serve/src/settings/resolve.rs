//! The sources of values, in order of precedence: default, configuration file, `GUNICORN_CMD_ARGS`, command line. Each
//! overrides the ones before (gunicorn: "Configuration Overview").

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::table::{self, Action, DefaultValue, Setting, Support, TABLE};
use super::value::Value;

/// What settings depend on outside their sources.
#[derive(Debug, Clone)]
pub struct SettingsContext {
    /// The current folder.
    pub folder: PathBuf,
    pub environment: BTreeMap<String, String>,
    pub user: u32,
    pub group: u32,
    /// Looks up a user.
    pub user_id: fn(&str) -> Option<u32>,
    /// Looks up a group.
    pub group_id: fn(&str) -> Option<u32>,
}

impl SettingsContext {
    /// An environment variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }
}

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    /// The configuration file, as it was named.
    File(String),
    /// `GUNICORN_CMD_ARGS`
    Variable,
    CommandLine,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("{origin}: {setting} = {given}: {accepted}")]
    Value {
        origin: Origin,
        /// The name as the source spells it.
        setting: String,
        given: String,
        /// What would be accepted, as "must be …".
        accepted: String,
    },
    /// lab does not support the value.
    #[error("{origin}: {setting} = {given} is not supported\nhint: {hint}")]
    Unsupported {
        origin: Origin,
        /// The name as the source spells it.
        setting: String,
        given: String,
        hint: String,
    },
    #[error("{origin}: there is no setting {name:?}{}", did_you_mean(.similar.as_deref()))]
    Unknown {
        origin: Origin,
        name: String,
        /// A setting with a similar name.
        similar: Option<String>,
    },
    #[error("GUNICORN_CMD_ARGS: {0}")]
    Arguments(String),
    #[error(
        "no application is named\nhint: give one, as in `lab serve module:app` or `lab serve native:hello`, or set wsgi_app"
    )]
    NoApplication,
}

fn did_you_mean(similar: Option<&str>) -> String {
    similar.map(|name| format!("\nhint: did you mean {name:?}?")).unwrap_or_default()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(name) => f.write_str(name),
            Origin::Variable => f.write_str("GUNICORN_CMD_ARGS"),
            Origin::CommandLine => f.write_str("command line"),
        }
    }
}

/// All settings, each with the value of its strongest source.
#[derive(Debug, Clone)]
pub struct ResolvedSettings {
    entries: BTreeMap<&'static str, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    setting: &'static Setting,
    value: Value,
    origin: Origin,
}

impl ResolvedSettings {
    /// Starts with the defaults.
    ///
    /// # Errors
    /// A default from the environment is invalid, such as `WEB_CONCURRENCY=many`.
    pub fn new(context: &SettingsContext) -> Result<ResolvedSettings, SettingsError> {
        let mut resolved = ResolvedSettings { entries: BTreeMap::new() };
        for setting in TABLE {
            let given = setting.default.value(context);
            // gunicorn does not validate a default of None.
            let value = if given == Value::None { given } else { validate(setting, given, Origin::Default, context)? };
            resolved.entries.insert(setting.name, Entry { setting, value, origin: Origin::Default });
        }
        Ok(resolved)
    }

    /// Applies one source on top of the ones before.
    ///
    /// # Errors
    /// A value is not of its setting's kind.
    pub fn apply(
        &mut self,
        origin: &Origin,
        given: impl IntoIterator<Item = (&'static Setting, Value)>,
        context: &SettingsContext,
    ) -> Result<(), SettingsError> {
        for (setting, given) in given {
            let value = validate(setting, given, origin.clone(), context)?;
            self.entries.insert(setting.name, Entry { setting, value, origin: origin.clone() });
        }
        Ok(())
    }

    /// Names processes after the application, unless `proc_name` is set (gunicorn's `default_proc_name`).
    pub fn set_default_proc_name(&mut self, app: &str) {
        if let Some(entry) = self.entries.get_mut("default_proc_name") {
            entry.value = Value::text(app);
        }
    }

    /// The value of a setting; `Value::None` for one that is not in the table.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.entries.get(name).map_or(&Value::None, |entry| &entry.value)
    }

    /// An error that refuses the current value of a setting.
    pub(super) fn unsupported(&self, name: &str, hint: impl Into<String>) -> SettingsError {
        let (origin, setting) = self.origin(name);
        SettingsError::Unsupported { origin, setting, given: self.get(name).to_string(), hint: hint.into() }
    }

    /// An error that says the current value of a setting is invalid.
    pub(super) fn invalid(&self, name: &str, accepted: impl Into<String>) -> SettingsError {
        let (origin, setting) = self.origin(name);
        SettingsError::Value { origin, setting, given: self.get(name).to_string(), accepted: accepted.into() }
    }

    /// The source of the current value, and the setting's name as that source spells it.
    fn origin(&self, name: &str) -> (Origin, String) {
        match self.entries.get(name) {
            Some(entry) => (entry.origin.clone(), spelling(entry.setting, &entry.origin)),
            None => (Origin::Default, name.to_owned()),
        }
    }

    /// Errors for all unsupported settings that are not at their defaults.
    #[must_use]
    pub fn unsupported_settings(&self, context: &SettingsContext) -> Vec<SettingsError> {
        let mut found = Vec::new();
        for entry in self.entries.values().filter(|entry| entry.origin != Origin::Default) {
            let Support::Refused(hint) = entry.setting.support else { continue };
            let default = validate(entry.setting, entry.setting.default.value(context), Origin::Default, context);
            let is_unset = entry.setting.default == DefaultValue::None && !entry.value.is_truthy();
            if default.as_ref() != Ok(&entry.value) && !is_unset {
                found.push(self.unsupported(entry.setting.name, hint));
            }
        }
        found
    }

    /// The hooks that are set, which lab never calls.
    #[must_use]
    pub fn hooks(&self) -> Vec<&'static str> {
        let set = |entry: &&Entry| entry.setting.support == Support::HookNotCalled && entry.origin != Origin::Default;
        self.entries.values().filter(set).map(|entry| entry.setting.name).collect()
    }

    /// The output of `--print-config`: one line for each setting, by name.
    #[must_use]
    pub fn print(&self) -> String {
        let width = self.entries.keys().map(|name| name.len()).max().unwrap_or(0);
        let lines: Vec<_> =
            self.entries.iter().map(|(name, entry)| format!("{name:width$} = {}\n", entry.value)).collect();
        lines.concat()
    }
}

fn validate(
    setting: &'static Setting,
    given: Value,
    origin: Origin,
    context: &SettingsContext,
) -> Result<Value, SettingsError> {
    let text = given.to_string();
    setting.kind.validate(given, context).map_err(|accepted| SettingsError::Value {
        setting: spelling(setting, &origin),
        origin,
        given: text,
        accepted,
    })
}

/// The name of a setting as its source spells it: on a command line its flag, for a default from the environment the
/// variable.
fn spelling(setting: &Setting, origin: &Origin) -> String {
    let flag = setting.flags.iter().find(|flag| flag.starts_with("--"));
    match (origin, flag, setting.default) {
        (Origin::Variable | Origin::CommandLine, Some(flag), _) => (*flag).to_owned(),
        (Origin::Default, _, DefaultValue::Variable(variable, _)) => variable.to_owned(),
        _ => setting.name.to_owned(),
    }
}

/// A setting with a similar name, for "did you mean".
#[must_use]
pub fn similar(name: &str) -> Option<&'static str> {
    let likeness = |candidate: &str| strsim::jaro_winkler(name, candidate);
    let best = TABLE.iter().max_by(|a, b| likeness(a.name).total_cmp(&likeness(b.name)))?;
    (likeness(best.name) > 0.9 && table::lookup(name).is_none()).then_some(best.name)
}

/// The value of a flag that is given without one.
pub(super) fn bare_flag_value(action: Action) -> Value {
    match action {
        Action::SetFalse => Value::Bool(false),
        Action::Optional(value) => Value::text(value),
        Action::SetTrue | Action::Value | Action::Append => Value::Bool(true),
    }
}

#[cfg(test)]
pub(super) fn test_context() -> SettingsContext {
    SettingsContext {
        folder: PathBuf::from("/"),
        environment: BTreeMap::new(),
        user: 1000,
        group: 1000,
        user_id: |name| (name == "nobody").then_some(65534),
        group_id: |name| (name == "nogroup").then_some(65534),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &'static str, value: Value) -> (&'static Setting, Value) {
        (table::lookup(name).unwrap(), value)
    }

    #[test]
    fn strongest_source_wins() {
        let context = test_context();
        let mut resolved = ResolvedSettings::new(&context).unwrap();
        assert_eq!(resolved.get("workers"), &Value::Int(1));
        resolved
            .apply(
                &Origin::File("f".into()),
                [file("workers", Value::Int(2)), file("threads", Value::Int(3))],
                &context,
            )
            .unwrap();
        resolved.apply(&Origin::Variable, [file("workers", Value::Int(4))], &context).unwrap();
        resolved.apply(&Origin::CommandLine, [file("workers", Value::Int(5))], &context).unwrap();
        assert_eq!((resolved.get("workers"), resolved.get("threads")), (&Value::Int(5), &Value::Int(3)));
    }

    #[test]
    fn some_defaults_come_from_the_environment() {
        let mut context = test_context();
        context.environment = [("PORT", "80"), ("WEB_CONCURRENCY", "7"), ("FORWARDED_ALLOW_IPS", "*")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let resolved = ResolvedSettings::new(&context).unwrap();
        assert_eq!(resolved.get("bind").to_string(), "['0.0.0.0:80']");
        assert_eq!(resolved.get("workers"), &Value::Int(7));
        assert_eq!(resolved.get("forwarded_allow_ips").to_string(), "['*']");
        context.environment.insert("WEB_CONCURRENCY".to_owned(), "many".to_owned());
        let error = ResolvedSettings::new(&context).unwrap_err().to_string();
        assert_eq!(error, "default: WEB_CONCURRENCY = many: must be a number, 0 or more");
    }

    #[test]
    fn unsupported_settings_are_refused_unless_default() {
        let context = test_context();
        let mut resolved = ResolvedSettings::new(&context).unwrap();
        let given = [
            file("ssl_version", Value::text("TLSv1")),
            file("http_protocols", Value::text("h1")),
            file("paste", Value::None),
            file("spew", Value::Bool(false)),
        ];
        resolved.apply(&Origin::File("gunicorn.conf.py".into()), given, &context).unwrap();
        resolved.apply(&Origin::CommandLine, [file("preload_app", Value::Bool(true))], &context).unwrap();
        let errors: Vec<_> = resolved.unsupported_settings(&context).iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(
            errors[1].starts_with("gunicorn.conf.py: ssl_version = TLSv1 is not supported\nhint: "),
            "{}",
            errors[1]
        );
        assert!(errors[0].starts_with("command line: --preload = True is not supported\nhint: "), "{}", errors[0]);
    }

    #[test]
    fn set_hooks_are_named() {
        let context = test_context();
        let mut resolved = ResolvedSettings::new(&context).unwrap();
        resolved
            .apply(&Origin::File("f".into()), [file("post_fork", Value::Callable("post_fork".into()))], &context)
            .unwrap();
        assert_eq!(resolved.hooks(), ["post_fork"]);
    }

    #[test]
    fn similar_names_are_noticed() {
        assert_eq!(similar("worker"), Some("workers"));
        assert_eq!(similar("max_request"), Some("max_requests"));
        assert_eq!(similar("workers"), None);
        assert_eq!(similar("multiprocessing"), None);
    }
}
