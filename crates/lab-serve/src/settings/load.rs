//! Brings the settings of one start together: command line, `GUNICORN_CMD_ARGS` and configuration file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lab_worker::tls::{self, TlsError};

use super::arguments::{Given, from_variable};
use super::config::Config;
use super::file::{self, FileError};
use super::layers::{Layers, Origin, SettingsError, Surroundings};
use super::value::Value;
use crate::identity::{group_id, user_id};
use crate::interpreter::{self, InterpreterError};

/// The configuration file that is read unless another one is named.
const DEFAULT_FILE: &str = "gunicorn.conf.py";

/// What the command line says.
#[derive(Debug, Clone)]
pub struct CommandLine {
    /// The application.
    pub app: Option<String>,
    /// The virtual environment.
    pub venv: Option<PathBuf>,
    /// The settings.
    pub given: Given,
}

/// The settings of one start.
#[derive(Debug)]
pub struct Loaded {
    /// All of them, as they are to be printed.
    pub layers: Layers,
    /// What a server makes of them.
    pub config: Config,
    /// The interpreter for configuration and application.
    pub python: PathBuf,
    /// Environment variables that the configuration file sets, and (None) removes.
    pub environment: BTreeMap<String, Option<String>>,
    /// What is to be said about them.
    pub warnings: Vec<String>,
    /// What the configuration file has printed.
    pub printed: String,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Some are wrong.
    #[error("{}", lines(.0))]
    Settings(Vec<SettingsError>),
    /// There can be no TLS.
    #[error("{0}")]
    Tls(TlsError),
    /// The configuration file is.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no Python to evaluate it.
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

/// What surrounds this process.
///
/// # Errors
/// The current folder is gone.
pub fn surroundings() -> std::io::Result<Surroundings> {
    Ok(Surroundings {
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

/// Brings the settings together; see the module for who wins.
///
/// # Errors
/// Something is wrong with them.
pub fn load(line: &CommandLine, around: &Surroundings) -> Result<Loaded, LoadError> {
    let variable = from_variable(around.variable("GUNICORN_CMD_ARGS").unwrap_or_default())?;
    let python = interpreter::find(line.venv.as_deref(), around.variable("VIRTUAL_ENV"))?;
    let mut layers = Layers::new(around)?;
    if let Some(app) = &line.app {
        layers.name_after(app);
    }
    let mut warnings = Vec::new();
    let mut evaluated = file::Evaluated::default();
    if let Some(location) = location(line, &variable, around) {
        evaluated = file::evaluate(&python, &location, &around.folder)?;
        for (name, setting) in &evaluated.misspelt {
            warnings.push(format!("{location}: {name:?} is not a setting; did you mean {setting:?}?"));
        }
        layers.apply(&Origin::File(location), std::mem::take(&mut evaluated.given), around)?;
    }
    layers.apply(&Origin::Variable, variable, around)?;
    layers.apply(&Origin::CommandLine, line.given.iter().cloned(), around)?;
    let hooks = layers.hooks();
    if !hooks.is_empty() {
        warnings.push(format!("hooks are not called, for there is no gunicorn to hook into: {}", hooks.join(", ")));
    }
    let config = Config::new(line.app.as_deref(), &layers, around).map_err(LoadError::Settings)?;
    if let Some(settings) = &config.tls {
        tls::load(settings).map_err(LoadError::Tls)?;
    }
    let file::Evaluated { environment, printed, .. } = evaluated;
    Ok(Loaded { layers, config, python, environment, warnings, printed })
}

/// The configuration file: the one on the command line, else the one in `GUNICORN_CMD_ARGS`, else the default one if it
/// is there.
fn location(line: &CommandLine, variable: &Given, around: &Surroundings) -> Option<String> {
    let named = |given: &Given| {
        given.iter().find(|(setting, _)| setting.name == "config").and_then(|(_, value)| match value {
            Value::Text(location) if !location.is_empty() => Some(location.clone()),
            _ => None,
        })
    };
    let default = || around.folder.join(DEFAULT_FILE).exists().then(|| DEFAULT_FILE.to_owned());
    named(&line.given).or_else(|| named(variable)).or_else(default)
}
