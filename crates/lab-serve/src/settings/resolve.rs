//! The sources of values, in order of precedence: default, configuration file, `GUNICORN_CMD_ARGS`, command line. Each
//! overrides the ones before (gunicorn: "Configuration Overview").

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::{Origin, SettingsError};
use super::lookup::{all, lookup};
use super::own_table::OWN_TABLE;
use super::table::{Action, DefaultValue, Setting, Support};
use super::value::Value;

/// The process state that settings depend on besides their sources.
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

/// All settings, each with the value of its strongest source.
#[derive(Debug, Clone)]
pub struct ResolvedSettings {
    entries: BTreeMap<&'static str, Entry>,
    /// About values that cannot be used, and are not among the entries.
    errors: Vec<SettingsError>,
}

#[derive(Debug, Clone)]
struct Entry {
    setting: &'static Setting,
    value: Value,
    origin: Origin,
}

impl ResolvedSettings {
    /// Starts with the defaults. One from the environment may be invalid, such as `WEB_CONCURRENCY=many`.
    #[must_use]
    pub fn new(context: &SettingsContext) -> ResolvedSettings {
        let mut resolved = ResolvedSettings { entries: BTreeMap::new(), errors: Vec::new() };
        for setting in all() {
            let given = setting.default.value(context);
            // gunicorn does not validate a default of None.
            let validated =
                if given == Value::None { Ok(given) } else { validate(setting, given, &Origin::Default, context) };
            let value = validated.unwrap_or_else(|error| {
                resolved.errors.push(error);
                Value::None
            });
            resolved.entries.insert(setting.name, Entry { setting, value, origin: Origin::Default });
        }
        resolved
    }

    /// Applies one source on top of the ones before. A value that is not of its setting's kind becomes one of the
    /// [errors](ResolvedSettings::errors), as in gunicorn even if a stronger source overrides it.
    pub fn apply(
        &mut self,
        origin: &Origin,
        given: impl IntoIterator<Item = (&'static Setting, Value)>,
        context: &SettingsContext,
    ) {
        for (setting, given) in given {
            self.set(setting, given, origin.clone(), context);
        }
    }

    /// Applies the values of a configuration file, with the lines that set them.
    pub fn apply_file(
        &mut self,
        name: &str,
        given: impl IntoIterator<Item = (&'static Setting, Value)>,
        lines: &BTreeMap<String, u32>,
        context: &SettingsContext,
    ) {
        for (setting, given) in given {
            let origin = Origin::File { name: name.to_owned(), line: lines.get(setting.name).copied() };
            self.set(setting, given, origin, context);
        }
    }

    fn set(&mut self, setting: &'static Setting, given: Value, origin: Origin, context: &SettingsContext) {
        match validate(setting, given, &origin, context) {
            Ok(value) => drop(self.entries.insert(setting.name, Entry { setting, value, origin })),
            Err(error) => self.errors.push(error),
        }
    }

    /// Sets a value that follows from another setting, unless a source has set it.
    pub(super) fn set_default(&mut self, name: &str, value: Value) {
        if let Some(entry) = self.entries.get_mut(name)
            && entry.origin == Origin::Default
        {
            entry.value = value;
        }
    }

    /// Adds an error about a value to those of [`errors`](ResolvedSettings::errors).
    pub(super) fn refuse(&mut self, error: SettingsError) {
        self.errors.push(error);
    }

    /// Errors for values that cannot be used.
    #[must_use]
    pub fn errors(&self) -> &[SettingsError] {
        &self.errors
    }

    /// Names processes after the application, unless `proc_name` is set (gunicorn's `default_proc_name`).
    pub fn set_default_proc_name(&mut self, app: &str) {
        self.set_default("default_proc_name", Value::text(app));
    }

    /// The value of a setting; `Value::None` for one that is not in the table.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.entries.get(name).map_or(&Value::None, |entry| &entry.value)
    }

    /// All settings that are not functions, for hooks and logger classes to read. `raw_env`, which may be long, is in a
    /// worker's settings anyway.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, serde_json::Value> {
        let entries = self.entries.iter().filter(|(name, _)| **name != "raw_env");
        entries.filter_map(|(name, entry)| Some(((*name).to_owned(), entry.value.to_json()?))).collect()
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
            let default = validate(entry.setting, entry.setting.default.value(context), &Origin::Default, context);
            let is_unset = entry.setting.default == DefaultValue::None && !entry.value.is_truthy();
            if default.as_ref() != Ok(&entry.value) && !is_unset {
                found.push(self.unsupported(entry.setting.name, hint));
            }
        }
        found
    }

    /// The settings of one kind of support that are set.
    #[must_use]
    pub fn given(&self, is_of_kind: impl Fn(Support) -> bool) -> Vec<&'static Setting> {
        let is_given = |entry: &&Entry| is_of_kind(entry.setting.support) && entry.origin != Origin::Default;
        self.entries.values().filter(is_given).map(|entry| entry.setting).collect()
    }

    /// The output of `--print-config`: one line for each setting, by name, first as gunicorn prints its settings, then
    /// lab's own.
    #[must_use]
    pub fn print(&self) -> String {
        let is_own = |name: &str| OWN_TABLE.iter().any(|own| own.name == name);
        let width = self.entries.keys().filter(|name| !is_own(name)).map(|name| name.len()).max().unwrap_or(0);
        let line = |(name, entry): (&&str, &Entry)| format!("{name:width$} = {}\n", entry.value);
        let gunicorns: String = self.entries.iter().filter(|(name, _)| !is_own(name)).map(line).collect();
        let own: String = self.entries.iter().filter(|(name, _)| is_own(name)).map(line).collect();
        format!("{gunicorns}\n# lab's own\n{own}")
    }
}

fn validate(
    setting: &'static Setting,
    given: Value,
    origin: &Origin,
    context: &SettingsContext,
) -> Result<Value, SettingsError> {
    let text = given.to_string();
    setting.kind.validate(given, context).map_err(|accepted| SettingsError::Value {
        setting: spelling(setting, origin),
        origin: origin.clone(),
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
    let best = all().max_by(|a, b| likeness(a.name).total_cmp(&likeness(b.name)))?;
    (likeness(best.name) > 0.9 && lookup(name).is_none()).then_some(best.name)
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

    fn given(name: &'static str, value: Value) -> (&'static Setting, Value) {
        (lookup(name).unwrap(), value)
    }

    fn resolved(context: &SettingsContext) -> ResolvedSettings {
        let resolved = ResolvedSettings::new(context);
        assert_eq!(resolved.errors(), []);
        resolved
    }

    /// Applies a file that sets each value on a line of its own.
    fn apply_file(resolved: &mut ResolvedSettings, values: &[(&'static Setting, Value)]) {
        let lines = values.iter().zip(1..).map(|((setting, _), line)| (setting.name.to_owned(), line)).collect();
        resolved.apply_file("gunicorn.conf.py", values.iter().cloned(), &lines, &test_context());
    }

    #[test]
    fn strongest_source_wins() {
        let context = test_context();
        let mut resolved = resolved(&context);
        assert_eq!(resolved.get("workers"), &Value::Int(1));
        apply_file(&mut resolved, &[given("workers", Value::Int(2)), given("threads", Value::Int(3))]);
        resolved.apply(&Origin::Variable, [given("workers", Value::Int(4))], &context);
        resolved.apply(&Origin::CommandLine, [given("workers", Value::Int(5))], &context);
        assert_eq!((resolved.get("workers"), resolved.get("threads")), (&Value::Int(5), &Value::Int(3)));
    }

    #[test]
    fn some_defaults_come_from_the_environment() {
        let mut context = test_context();
        context.environment = [("PORT", "80"), ("WEB_CONCURRENCY", "7"), ("FORWARDED_ALLOW_IPS", "*")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let resolved = resolved(&context);
        assert_eq!(resolved.get("bind").to_string(), "['0.0.0.0:80']");
        assert_eq!(resolved.get("workers"), &Value::Int(7));
        assert_eq!(resolved.get("forwarded_allow_ips").to_string(), "['*']");
        context.environment.insert("WEB_CONCURRENCY".to_owned(), "many".to_owned());
        let errors: Vec<_> = ResolvedSettings::new(&context).errors().iter().map(ToString::to_string).collect();
        assert_eq!(errors, ["default: WEB_CONCURRENCY = many: must be a number, 0 or more"]);
    }

    #[test]
    fn unsupported_settings_are_refused_unless_default() {
        let context = test_context();
        let mut resolved = resolved(&context);
        let values = [
            given("casefold_http_method", Value::Bool(true)),
            given("permit_obsolete_folding", Value::Bool(false)),
            given("spew", Value::Bool(false)),
        ];
        apply_file(&mut resolved, &values);
        resolved.apply(&Origin::CommandLine, [given("dirty_workers", Value::Int(2))], &context);
        let errors: Vec<_> = resolved.unsupported_settings(&context).iter().map(ToString::to_string).collect();
        assert_eq!(errors.len(), 2, "{errors:?}");
        let of_file = "gunicorn.conf.py:1: casefold_http_method = True is not supported\nhint: ";
        assert!(errors[0].starts_with(of_file), "{}", errors[0]);
        assert!(errors[1].starts_with("command line: --dirty-workers = 2 is not supported\nhint: "), "{}", errors[1]);
    }

    #[test]
    fn all_values_of_the_wrong_kind_are_named() {
        let mut resolved = resolved(&test_context());
        apply_file(&mut resolved, &[given("workers", Value::text("many")), given("reload", Value::Int(7))]);
        let errors: Vec<_> = resolved.errors().iter().map(ToString::to_string).collect();
        let expected = [
            "gunicorn.conf.py:1: workers = many: must be a number, 0 or more",
            "gunicorn.conf.py:2: reload = 7: must be True or False",
        ];
        assert_eq!(errors, expected);
        assert_eq!(resolved.get("workers"), &Value::Int(1));
    }

    #[test]
    fn set_hooks_are_named() {
        let mut resolved = resolved(&test_context());
        apply_file(&mut resolved, &[given("post_fork", Value::Callable("post_fork".into()))]);
        let hooks = resolved.given(|support| support == Support::WorkerHook);
        assert_eq!(hooks.iter().map(|setting| setting.name).collect::<Vec<_>>(), ["post_fork"]);
    }

    #[test]
    fn values_leave_out_functions() {
        let mut resolved = resolved(&test_context());
        apply_file(&mut resolved, &[given("statsd_host", Value::text("h:1"))]);
        let values = resolved.values();
        assert_eq!(values["statsd_host"], serde_json::json!(["h", 1]));
        assert!(!values.contains_key("post_fork"));
    }

    #[test]
    fn similar_names_are_noticed() {
        assert_eq!(similar("worker"), Some("workers"));
        assert_eq!(similar("max_request"), Some("max_requests"));
        assert_eq!(similar("workers"), None);
        assert_eq!(similar("multiprocessing"), None);
    }
}
