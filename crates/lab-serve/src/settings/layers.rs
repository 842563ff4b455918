//! Where the value of a setting comes from, and which of several wins: default, configuration file,
//! `GUNICORN_CMD_ARGS`, command line, each stronger than the one before (gunicorn: "Configuration Overview").

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::table::{self, Action, Initial, Setting, Standing, TABLE};
use super::value::Value;

/// What surrounds this process, as far as settings depend on it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The current folder.
    pub folder: PathBuf,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The effective user.
    pub user: u32,
    /// The effective group.
    pub group: u32,
    /// The number of the user of a name.
    pub user_id: fn(&str) -> Option<u32>,
    /// The number of the group of a name.
    pub group_id: fn(&str) -> Option<u32>,
}

impl Surroundings {
    /// An environment variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file of this name.
    File(String),
    /// `GUNICORN_CMD_ARGS`.
    Variable,
    /// The command line.
    CommandLine,
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The value is not of its kind.
    #[error("{origin}: {setting} = {given}: {accepted}")]
    Value {
        /// Who said it.
        origin: Origin,
        /// The setting's name, or its flag.
        setting: String,
        /// What was said.
        given: String,
        /// What would be accepted.
        accepted: String,
    },
    /// lab does not have it.
    #[error("{origin}: {setting} = {given} is not supported\nhint: {instead}")]
    Unsupported {
        /// Who said it.
        origin: Origin,
        /// The setting's name, or its flag.
        setting: String,
        /// What was said.
        given: String,
        /// What to do.
        instead: String,
    },
    /// There is no such setting.
    #[error("{origin}: there is no setting {name:?}{}", hint(.similar.as_deref()))]
    Unknown {
        /// Who said it.
        origin: Origin,
        /// Its name.
        name: String,
        /// A setting of a similar name.
        similar: Option<String>,
    },
    /// `GUNICORN_CMD_ARGS` cannot be read.
    #[error("GUNICORN_CMD_ARGS: {0}")]
    Arguments(String),
    /// No application is named.
    #[error(
        "no application is named\nhint: give one, as in `lab serve module:app` or `lab serve native:hello`, or set wsgi_app"
    )]
    NoApplication,
}

fn hint(similar: Option<&str>) -> String {
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

/// All settings, each with the strongest value that was given for it.
#[derive(Debug, Clone)]
pub struct Layers {
    entries: BTreeMap<&'static str, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    setting: &'static Setting,
    value: Value,
    origin: Origin,
}

impl Layers {
    /// The defaults.
    ///
    /// # Errors
    /// A default that comes from the environment is none: `WEB_CONCURRENCY=many`.
    pub fn new(around: &Surroundings) -> Result<Layers, SettingsError> {
        let mut layers = Layers { entries: BTreeMap::new() };
        for setting in TABLE {
            let given = setting.default.value(around);
            // gunicorn leaves a setting alone whose default is None, so that it stays None.
            let value = if given == Value::None { given } else { judge(setting, given, Origin::Default, around)? };
            layers.entries.insert(setting.name, Entry { setting, value, origin: Origin::Default });
        }
        Ok(layers)
    }

    /// Sets what one source says, over all that was said before.
    ///
    /// # Errors
    /// A value that is not of its setting's kind.
    pub fn apply(
        &mut self,
        origin: &Origin,
        given: impl IntoIterator<Item = (&'static Setting, Value)>,
        around: &Surroundings,
    ) -> Result<(), SettingsError> {
        for (setting, given) in given {
            let value = judge(setting, given, origin.clone(), around)?;
            self.entries.insert(setting.name, Entry { setting, value, origin: origin.clone() });
        }
        Ok(())
    }

    /// Names the application: processes are called after it unless they have a name (gunicorn's `default_proc_name`).
    pub fn name_after(&mut self, app: &str) {
        if let Some(entry) = self.entries.get_mut("default_proc_name") {
            entry.value = Value::text(app);
        }
    }

    /// The value of a setting; `None` for one that is not in the table.
    #[must_use]
    pub fn get(&self, name: &str) -> &Value {
        self.entries.get(name).map_or(&Value::None, |entry| &entry.value)
    }

    /// An error about a setting's value as it stands.
    pub(super) fn unsupported(&self, name: &str, instead: impl Into<String>) -> SettingsError {
        let (origin, setting) = self.said(name);
        SettingsError::Unsupported { origin, setting, given: self.get(name).to_string(), instead: instead.into() }
    }

    /// An error about a setting's value as it stands.
    pub(super) fn wrong(&self, name: &str, accepted: impl Into<String>) -> SettingsError {
        let (origin, setting) = self.said(name);
        SettingsError::Value { origin, setting, given: self.get(name).to_string(), accepted: accepted.into() }
    }

    fn said(&self, name: &str) -> (Origin, String) {
        match self.entries.get(name) {
            Some(entry) => (entry.origin.clone(), spelling(entry.setting, &entry.origin)),
            None => (Origin::Default, name.to_owned()),
        }
    }

    /// The settings that lab cannot honour and that are not at their defaults.
    #[must_use]
    pub fn unsupported_ones(&self, around: &Surroundings) -> Vec<SettingsError> {
        let mut found = Vec::new();
        for entry in self.entries.values().filter(|entry| entry.origin != Origin::Default) {
            let Standing::Refused(instead) = entry.setting.standing else { continue };
            let default = judge(entry.setting, entry.setting.default.value(around), Origin::Default, around);
            let is_nothing = entry.setting.default == Initial::None && !entry.value.is_truthy();
            if default.as_ref() != Ok(&entry.value) && !is_nothing {
                found.push(self.unsupported(entry.setting.name, instead));
            }
        }
        found
    }

    /// The hooks that were set, which lab never calls.
    #[must_use]
    pub fn hooks(&self) -> Vec<&'static str> {
        let set = |entry: &&Entry| entry.setting.standing == Standing::Hook && entry.origin != Origin::Default;
        self.entries.values().filter(set).map(|entry| entry.setting.name).collect()
    }

    /// What `--print-config` prints: every setting on a line, by name.
    #[must_use]
    pub fn print(&self) -> String {
        let width = self.entries.keys().map(|name| name.len()).max().unwrap_or(0);
        let lines: Vec<_> =
            self.entries.iter().map(|(name, entry)| format!("{name:width$} = {}\n", entry.value)).collect();
        lines.concat()
    }
}

fn judge(
    setting: &'static Setting,
    given: Value,
    origin: Origin,
    around: &Surroundings,
) -> Result<Value, SettingsError> {
    let said = given.to_string();
    setting.kind.judge(given, around).map_err(|accepted| SettingsError::Value {
        setting: spelling(setting, &origin),
        origin,
        given: said,
        accepted,
    })
}

/// A setting as its source spells it: by its flag on a command line.
fn spelling(setting: &Setting, origin: &Origin) -> String {
    let flag = setting.flags.iter().find(|flag| flag.starts_with("--"));
    match (origin, flag, setting.default) {
        (Origin::Variable | Origin::CommandLine, Some(flag), _) => (*flag).to_owned(),
        (Origin::Default, _, Initial::Variable(variable, _)) => variable.to_owned(),
        _ => setting.name.to_owned(),
    }
}

/// A setting whose name is like this one, if it is like any.
#[must_use]
pub fn similar(name: &str) -> Option<&'static str> {
    let likeness = |candidate: &str| strsim::jaro_winkler(name, candidate);
    let best = TABLE.iter().max_by(|a, b| likeness(a.name).total_cmp(&likeness(b.name)))?;
    (likeness(best.name) > 0.9 && table::lookup(name).is_none()).then_some(best.name)
}

/// What a flag that stands alone means.
pub(super) fn alone(action: Action) -> Value {
    match action {
        Action::SetFalse => Value::Bool(false),
        Action::Optional(value) => Value::text(value),
        Action::SetTrue | Action::Value | Action::Append => Value::Bool(true),
    }
}

#[cfg(test)]
pub(super) fn surroundings_of_a_test() -> Surroundings {
    Surroundings {
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
    fn the_strongest_source_wins() {
        let around = surroundings_of_a_test();
        let mut layers = Layers::new(&around).unwrap();
        assert_eq!(layers.get("workers"), &Value::Int(1));
        layers
            .apply(&Origin::File("f".into()), [file("workers", Value::Int(2)), file("threads", Value::Int(3))], &around)
            .unwrap();
        layers.apply(&Origin::Variable, [file("workers", Value::Int(4))], &around).unwrap();
        layers.apply(&Origin::CommandLine, [file("workers", Value::Int(5))], &around).unwrap();
        assert_eq!((layers.get("workers"), layers.get("threads")), (&Value::Int(5), &Value::Int(3)));
    }

    #[test]
    fn defaults_come_from_the_environment_where_gunicorns_do() {
        let mut around = surroundings_of_a_test();
        around.environment = [("PORT", "80"), ("WEB_CONCURRENCY", "7"), ("FORWARDED_ALLOW_IPS", "*")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let layers = Layers::new(&around).unwrap();
        assert_eq!(layers.get("bind").to_string(), "['0.0.0.0:80']");
        assert_eq!(layers.get("workers"), &Value::Int(7));
        assert_eq!(layers.get("forwarded_allow_ips").to_string(), "['*']");
        around.environment.insert("WEB_CONCURRENCY".to_owned(), "many".to_owned());
        let error = Layers::new(&around).unwrap_err().to_string();
        assert_eq!(error, "default: WEB_CONCURRENCY = many: must be a number, 0 or more");
    }

    #[test]
    fn what_lab_does_not_have_is_refused_by_name_unless_it_is_the_default() {
        let around = surroundings_of_a_test();
        let mut layers = Layers::new(&around).unwrap();
        let given = [
            file("ssl_version", Value::text("TLSv1")),
            file("http_protocols", Value::text("h1")),
            file("paste", Value::None),
            file("spew", Value::Bool(false)),
        ];
        layers.apply(&Origin::File("gunicorn.conf.py".into()), given, &around).unwrap();
        layers.apply(&Origin::CommandLine, [file("preload_app", Value::Bool(true))], &around).unwrap();
        let said: Vec<_> = layers.unsupported_ones(&around).iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1].starts_with("gunicorn.conf.py: ssl_version = TLSv1 is not supported\nhint: "), "{}", said[1]);
        assert!(said[0].starts_with("command line: --preload = True is not supported\nhint: "), "{}", said[0]);
    }

    #[test]
    fn hooks_that_were_set_are_named() {
        let around = surroundings_of_a_test();
        let mut layers = Layers::new(&around).unwrap();
        layers
            .apply(&Origin::File("f".into()), [file("post_fork", Value::Callable("post_fork".into()))], &around)
            .unwrap();
        assert_eq!(layers.hooks(), ["post_fork"]);
    }

    #[test]
    fn names_that_are_almost_settings_are_noticed() {
        assert_eq!(similar("worker"), Some("workers"));
        assert_eq!(similar("max_request"), Some("max_requests"));
        assert_eq!(similar("workers"), None);
        assert_eq!(similar("multiprocessing"), None);
    }
}
