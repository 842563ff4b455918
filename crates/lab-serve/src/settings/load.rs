//! Loads the settings of one start, or of a reload, from all their sources.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lab_worker::bootstrap::{ConfigurationFile, HookSettings, LoggingSettings};
use lab_worker::http2_settings::CleartextHttp2;
use lab_worker::tls::{self, TlsError};

use super::arguments::{GivenSettings, from_variable};
use super::config::Config;
use super::error::{Origin, SettingsError};
use super::file::{self, FileError};
use super::log_settings::{self, PythonLogging};
use super::paste;
use super::resolve::{ResolvedSettings, SettingsContext};
use super::table::{Setting, Support};
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
    /// The server hooks that are called.
    pub hooks: Option<HookSettings>,
    /// How workers set up Python's logging.
    pub logging: Option<LoggingSettings>,
    /// Whether one of them is called in the arbiter by gunicorn.
    pub has_arbiter_hooks: bool,
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
    let mut resolved = ResolvedSettings::new(context);
    if let Some(app) = &line.app {
        resolved.set_default_proc_name(app);
    }
    let mut warnings = Vec::new();
    let mut evaluated = file::Evaluated::default();
    let location = location(line, &variable, context);
    if let Some(location) = location.clone() {
        evaluated = file::evaluate(&python, &location, &context.folder)?;
        for (name, setting) in &evaluated.misspelt {
            warnings.push(format!("{location}: {name:?} is not a setting; did you mean {setting:?}?"));
        }
        resolved.apply_file(&location, std::mem::take(&mut evaluated.given), &evaluated.lines, context);
    }
    resolved.apply(&Origin::Variable, variable, context);
    resolved.apply(&Origin::CommandLine, line.given.iter().cloned(), context);
    let paste = match paste::application(&mut resolved, context) {
        Ok(paste) => paste,
        Err(error) => {
            resolved.refuse(error);
            None
        }
    };
    let names = |settings: Vec<&'static Setting>| settings.iter().map(|setting| setting.name).collect::<Vec<_>>();
    let not_called = names(resolved.given(|support| support == Support::HookNotCalled));
    if !not_called.is_empty() {
        warnings.push(format!("hooks are not called: {}", not_called.join(", ")));
    }
    for setting in resolved.given(|support| matches!(support, Support::NoEffect(_))) {
        if let Support::NoEffect(reason) = setting.support {
            warnings.push(format!("{} has no effect: {reason}", setting.name));
        }
    }
    let has_arbiter_hooks = !resolved.given(|support| support == Support::ArbiterHook).is_empty();
    let hooks = names(resolved.given(|support| matches!(support, Support::WorkerHook | Support::ArbiterHook)));
    let configuration = location.map(|location| ConfigurationFile {
        location: file::absolute(&location, &context.folder),
        folder: context.folder.clone(),
    });
    // Only a file can define a hook.
    let hooks = configuration.clone().filter(|_| !hooks.is_empty()).map(|ConfigurationFile { location, folder }| {
        let names = hooks.into_iter().map(str::to_owned).collect();
        HookSettings { location, folder, names, values: resolved.values() }
    });
    let app = paste.as_deref().or(line.app.as_deref());
    let mut config = Config::new(app, &resolved, context).map_err(LoadError::Settings)?;
    if evaluated.changes_loggers {
        config.logs.use_changed_loggers();
    }
    if let Value::Text(name) = resolved.get("loglevel")
        && log_settings::level(name).is_none()
    {
        warnings.push(format!("loglevel = {name} is none of {}, and stands for info", log_settings::LEVELS));
    }
    if config.native_app().is_some() && hooks.is_some() {
        warnings.push("hooks are not called for a native application, which runs without Python".to_owned());
    }
    if config.tls.is_none() && config.http2.is_some_and(|http2| http2.cleartext == CleartextHttp2::Off) {
        warnings.push("http_protocols has h2, but without TLS and http2_cleartext no client speaks it".to_owned());
    }
    if config.reload && config.preload_app {
        warnings.push("reload does not load changed code of a preloaded application".to_owned());
    }
    let logging = logging(&resolved, &config, configuration);
    let file::Evaluated { environment, printed, .. } = evaluated;
    Ok(LoadedSettings { resolved, config, python, hooks, has_arbiter_hooks, logging, environment, warnings, printed })
}

/// How workers set up Python's logging; None if nothing about it is configured.
fn logging(resolved: &ResolvedSettings, config: &Config, file: Option<ConfigurationFile>) -> Option<LoggingSettings> {
    if config.logs.python == PythonLogging::Unconfigured || config.native_app().is_some() {
        return None;
    }
    let mut settings = resolved.values();
    // As gunicorn's configuration object has it.
    if !resolved.get("proc_name").is_truthy() {
        settings.insert("proc_name".to_owned(), resolved.get("default_proc_name").to_string().into());
    }
    let writes_access_log = config.logs.python == PythonLogging::ErrorsAndAccess;
    Some(LoggingSettings { file, settings, writes_access_log })
}

impl LoadedSettings {
    /// Checks the files that a server needs to start; a configuration may be checked on another machine.
    ///
    /// # Errors
    /// A file or folder cannot be used.
    pub fn check_files(&self) -> Result<(), LoadError> {
        if let Some(folder) = &self.config.tmp_upload_dir
            && !folder.is_dir()
        {
            return Err(self.resolved.invalid("tmp_upload_dir", "must be a folder that exists").into());
        }
        match &self.config.tls {
            Some(settings) => tls::load(settings, Vec::new()).map(drop).map_err(LoadError::Tls),
            None => Ok(()),
        }
    }
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
