//! The settings of logs and metrics.

use tracing::Level;

use super::error::SettingsError;
use super::reader::ConfigReader;
use super::value::Value;
use crate::logging::access_format::AccessFormat;
use crate::logging::statsd::{StatsdConfig, StatsdHost};
use crate::logging::syslog::{Facility, SyslogAddress, SyslogConfig};

/// The logs of a server.
#[derive(Debug, Clone, PartialEq)]
pub struct LogConfig {
    /// The access log: a file, or `-`.
    pub accesslog: Option<String>,
    pub access_log_format: AccessFormat,
    /// The error log: a file, or `-`.
    pub errorlog: String,
    pub loglevel: Level,
    /// Whether the error log also receives what the application prints.
    pub capture_output: bool,
    pub syslog: Option<SyslogConfig>,
    /// Whether `logger_class` is one of the configuration's own, which may count requests in statsd itself.
    pub has_own_class: bool,
    /// Whether Python workers log through a logger that the configuration sets up.
    pub python: PythonLogging,
}

/// What Python's logging does in workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PythonLogging {
    /// Nothing is configured: workers report to the arbiter.
    Unconfigured,
    /// The worker's messages go through a logger; the arbiter writes the access log.
    Errors,
    /// The worker's messages and the access log go through a logger.
    ErrorsAndAccess,
}

/// The settings that workers need Python's logging for.
const PYTHON_SETTINGS: [&str; 3] = ["logconfig_dict", "logconfig_json", "logconfig"];

/// The logger classes of gunicorn itself. `Statsd` adds metrics, which the arbiter sends.
const GUNICORN_CLASSES: [&str; 3] = ["gunicorn.glogging.Logger", "gunicorn.instrument.statsd.Statsd", "simple"];

/// Reads them.
///
/// # Errors
/// All errors at once.
pub(super) fn read(reader: &ConfigReader<'_>) -> Result<LogConfig, Vec<SettingsError>> {
    let mut errors = Vec::new();
    let mut invalid = |name: &str, accepted: String| errors.push(reader.resolved.invalid(name, accepted));
    // As in gunicorn: a level that does not exist stands for info.
    let loglevel = reader.text("loglevel").map(|name| level(&name).unwrap_or(Level::INFO));
    if loglevel.is_none() {
        invalid("loglevel", format!("must be one of {LEVELS}"));
    }
    let format = AccessFormat::new(&reader.text("access_log_format").unwrap_or_default());
    let format = format.map_err(|error| invalid("access_log_format", error.to_string()));
    let has_syslog = reader.flag("syslog");
    let facility = Facility::parse(&reader.text("syslog_facility").unwrap_or_default());
    if has_syslog && facility.is_none() {
        invalid("syslog_facility", format!("must be one of {}", Facility::names().collect::<Vec<_>>().join(", ")));
    }
    let address = SyslogAddress::parse(&reader.text("syslog_addr").unwrap_or_default());
    if has_syslog && address.is_none() {
        let accepted = "must be udp://HOST:PORT, tcp://HOST:PORT, unix://PATH or unix://PATH#dgram";
        invalid("syslog_addr", accepted.to_owned());
    }
    let (Some(loglevel), Ok(access_log_format), true) = (loglevel, format, errors.is_empty()) else {
        return Err(errors);
    };
    let syslog = address.zip(facility).filter(|_| has_syslog);
    let syslog = syslog.map(|(address, facility)| SyslogConfig {
        address,
        facility,
        name: syslog_name(reader),
        writes_access: !reader.flag("disable_redirect_access_to_syslog"),
    });
    Ok(LogConfig {
        accesslog: reader.text("accesslog"),
        access_log_format,
        errorlog: reader.text("errorlog").unwrap_or_else(|| "-".to_owned()),
        loglevel,
        capture_output: reader.flag("capture_output"),
        python: match (python_setting(reader), &syslog) {
            (Some(_), _) => PythonLogging::ErrorsAndAccess,
            (None, Some(_)) => PythonLogging::Errors,
            (None, None) => PythonLogging::Unconfigured,
        },
        has_own_class: has_own_class(reader),
        syslog,
    })
}

/// The names of all levels.
pub(super) const LEVELS: &str = "debug, info, warning, error, critical";

/// The level of this name.
pub(super) fn level(name: &str) -> Option<Level> {
    match name.to_lowercase().as_str() {
        "debug" => Some(Level::DEBUG),
        "info" => Some(Level::INFO),
        "warning" => Some(Level::WARN),
        "error" | "critical" => Some(Level::ERROR),
        _ => None,
    }
}

fn syslog_name(reader: &ConfigReader<'_>) -> String {
    let process = || reader.text("proc_name").or_else(|| reader.text("default_proc_name")).unwrap_or_default();
    reader.text("syslog_prefix").unwrap_or_else(|| process().replace(':', "."))
}

impl LogConfig {
    /// Whether anything gets the lines of the access log that gunicorn's own logger class writes.
    fn has_access_log(&self) -> bool {
        self.accesslog.is_some() || self.syslog.as_ref().is_some_and(|syslog| syslog.writes_access)
    }

    /// Lets workers log through the loggers that the configuration file has changed.
    pub(super) fn use_changed_loggers(&mut self) {
        if self.python != PythonLogging::ErrorsAndAccess {
            self.python = if self.has_access_log() { PythonLogging::ErrorsAndAccess } else { PythonLogging::Errors };
        }
    }
}

/// The setting, if any, that only Python's logging can honour.
pub(super) fn python_setting(reader: &ConfigReader<'_>) -> Option<&'static str> {
    let set = PYTHON_SETTINGS.into_iter().find(|name| reader.resolved.get(name).is_truthy());
    set.or(has_own_class(reader).then_some("logger_class"))
}

fn has_own_class(reader: &ConfigReader<'_>) -> bool {
    reader.text("logger_class").is_some_and(|class| !GUNICORN_CLASSES.contains(&class.as_str()))
}

pub(super) fn statsd(reader: &ConfigReader<'_>) -> Option<StatsdConfig> {
    let host = match reader.resolved.get("statsd_host") {
        Value::Text(path) => StatsdHost::Unix(path.into()),
        Value::Tuple(pair) => match pair.as_slice() {
            [Value::Text(host), Value::Int(port)] => StatsdHost::Udp(host.clone(), u16::try_from(*port).ok()?),
            _ => return None,
        },
        _ => return None,
    };
    let prefix = reader.text("statsd_prefix").unwrap_or_default();
    let prefix = prefix.trim_end_matches('.');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}.") };
    let tags = reader.text("dogstatsd_tags").unwrap_or_default();
    Some(StatsdConfig { host, prefix, tags, backlog: reader.flag("enable_backlog_metric") })
}
