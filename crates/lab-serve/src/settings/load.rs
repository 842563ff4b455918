//! Loads the settings of one start, or of a reload, from all their sources.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lab_worker::tls::{self, TlsError};

use super::arguments::{GivenSettings, from_variable};
use super::config::Config;
use super::file::{self, FileError};
use super::resolve::{Origin, ResolvedSettings, SettingsContext, SettingsError};
use super::value::Value;
use crate::process::identity::{group_id, user_id};
use crate::process::interpreter::{self, InterpreterError};

const DEFAULT_FILE: &str = "gunicorn.conf.py";

#[derive(Debug, Clone)]
pub struct CommandLine {
    pub app: Option<String>,
    pub venv: Option<PathBuf>,
    pub given: GivenSettings,
}

#[derive(Debug)]
pub struct LoadedSettings {
    /// All settings, for `--print-config`.
    pub resolved: ResolvedSettings,
    pub config: Config,
    /// The interpreter for the configuration file and the application.
    pub python: PathBuf,
    /// Environment variables that the configuration file sets, and (None) removes.
    pub environment: BTreeMap<String, Option<String>>,
    pub warnings: Vec<String>,
    /// What the configuration file printed.
    pub printed: String,
}

/// Why settings cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{}", lines(.0))]
    Settings(Vec<SettingsError>),
    #[error("{0}")]
    Tls(TlsError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Interpreter(#[from] InterpreterError),
}

fn lines(errors: &[SettingsError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl From<SettingsError> for LoadError {
    fn from(error: SettingsError) -> LoadError {
        LoadError::Settings(vec![error])
    }
}

/// The context of this process.
///
/// # Errors
/// The current folder no longer exists.
pub fn process_context() -> std::io::Result<SettingsContext> {
    Ok(SettingsContext {
        folder: std::env::current_dir()?,
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        user: rustix::process::geteuid().as_raw(),
        group: rustix::process::getegid().as_raw(),
        user_id,
        group_id,
    })
}

/// Loads the settings; see [`resolve`](super::resolve) for their precedence.
///
/// # Errors
/// A setting is invalid or unsupported, or a file cannot be used.
pub fn load(line: &CommandLine, context: &SettingsContext) -> Result<LoadedSettings, LoadError> {
    let variable = from_variable(context.variable("GUNICORN_CMD_ARGS").unwrap_or_default())?;
    let python = interpreter::find(line.venv.as_deref(), context.variable("VIRTUAL_ENV"))?;
    let mut resolved = ResolvedSettings::new(context)?;
    if let Some(app) = &line.app {
        resolved.set_default_proc_name(app);
    }
    let mut warnings = Vec::new();
    let mut evaluated = file::Evaluated::default();
    if let Some(location) = location(line, &variable, context) {
        evaluated = file::evaluate(&python, &location, &context.folder)?;
        for (name, setting) in &evaluated.misspelt {
            warnings.push(format!("{location}: {name:?} is not a setting; did you mean {setting:?}?"));
        }
        resolved.apply(&Origin::File(location), std::mem::take(&mut evaluated.given), context)?;
    }
    resolved.apply(&Origin::Variable, variable, context)?;
    resolved.apply(&Origin::CommandLine, line.given.iter().cloned(), context)?;
    let hooks = resolved.hooks();
    if !hooks.is_empty() {
        warnings.push(format!("hooks are not called: {}", hooks.join(", ")));
    }
    let config = Config::new(line.app.as_deref(), &resolved, context).map_err(LoadError::Settings)?;
    if let Some(settings) = &config.tls {
        tls::load(settings).map_err(LoadError::Tls)?;
    }
    let file::Evaluated { environment, printed, .. } = evaluated;
    Ok(LoadedSettings { resolved, config, python, environment, warnings, printed })
}

/// The configuration file: that of the command line, otherwise that of `GUNICORN_CMD_ARGS`, otherwise the default file
/// if it exists.
fn location(line: &CommandLine, variable: &GivenSettings, context: &SettingsContext) -> Option<String> {
    let named = |given: &GivenSettings| {
        given.iter().find(|(setting, _)| setting.name == "config").and_then(|(_, value)| match value {
            Value::Text(location) if !location.is_empty() => Some(location.clone()),
            _ => None,
        })
    };
    let default = || context.folder.join(DEFAULT_FILE).exists().then(|| DEFAULT_FILE.to_owned());
    named(&line.given).or_else(|| named(variable)).or_else(default)
}
