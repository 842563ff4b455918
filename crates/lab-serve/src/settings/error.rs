//! A mistake in a setting, with the place where its value comes from.

use std::fmt;

/// The source of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Default,
    File {
        /// The configuration file, as it was named.
        name: String,
        /// The line that sets the value, counted from 1; None where it is not the file itself that does.
        line: Option<u32>,
    },
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

impl SettingsError {
    /// Where the mistake is. Mistakes are listed in this order.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            SettingsError::Value { origin, .. }
            | SettingsError::Unsupported { origin, .. }
            | SettingsError::Unknown { origin, .. } => origin.clone(),
            SettingsError::Arguments(_) => Origin::Variable,
            SettingsError::NoApplication => Origin::CommandLine,
        }
    }
}

fn did_you_mean(similar: Option<&str>) -> String {
    similar.map(|name| format!("\nhint: did you mean {name:?}?")).unwrap_or_default()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { name, line: Some(line) } => write!(f, "{name}:{line}"),
            Origin::File { name, line: None } => f.write_str(name),
            Origin::Variable => f.write_str("GUNICORN_CMD_ARGS"),
            Origin::CommandLine => f.write_str("command line"),
        }
    }
}
