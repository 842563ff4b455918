//! `access_log`, `log_format` and `error_log`.

use std::path::PathBuf;
use std::sync::Arc;

pub use crate::config::log_format::{AccessLogFile, LogFormat};
use crate::config::reader::ConfigReader;
use crate::variables::{LogEscape, Template};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, closest, parse_size, parse_time};

/// One `access_log`.
#[derive(Debug, Clone)]
pub struct AccessLog {
    pub format: Arc<LogFormat>,
    /// An index into [`Config::access_log_files`](super::Config::access_log_files).
    pub file: usize,
    /// `if=`: a request is logged unless this is empty or `0`.
    pub condition: Option<Template>,
}

/// The `error_log`s of one level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorLog {
    /// Each with the least severe level it receives.
    pub targets: Vec<(ErrorLogTarget, Severity)>,
    /// The least severe level that any target receives.
    pub level: Severity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorLogTarget {
    Stderr,
    /// A file, which is appended to.
    File(PathBuf),
}

/// nginx's log levels, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Emerg,
    Alert,
    Crit,
    Error,
    Warn,
    Notice,
    Info,
    Debug,
}

impl Severity {
    const ALL: [Severity; 8] = [
        Severity::Emerg,
        Severity::Alert,
        Severity::Crit,
        Severity::Error,
        Severity::Warn,
        Severity::Notice,
        Severity::Info,
        Severity::Debug,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Emerg => "emerg",
            Severity::Alert => "alert",
            Severity::Crit => "crit",
            Severity::Error => "error",
            Severity::Warn => "warn",
            Severity::Notice => "notice",
            Severity::Info => "info",
            Severity::Debug => "debug",
        }
    }
}

impl Default for ErrorLog {
    fn default() -> ErrorLog {
        ErrorLog { targets: vec![(ErrorLogTarget::Stderr, Severity::Error)], level: Severity::Error }
    }
}

impl ErrorLog {
    /// A log without targets.
    pub(crate) fn empty() -> ErrorLog {
        ErrorLog { targets: Vec::new(), level: Severity::Emerg }
    }

    /// Errors and worse, to one file.
    pub(crate) fn to_file(path: PathBuf) -> ErrorLog {
        ErrorLog { targets: vec![(ErrorLogTarget::File(path), Severity::Error)], level: Severity::Error }
    }

    pub(crate) fn add(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        let target = match directive.first() {
            "stderr" => ErrorLogTarget::Stderr,
            path if path.starts_with("syslog:") || path.starts_with("memory:") => {
                return Err(directive.unsupported(format!("\"{path}\""), "a file, stderr"));
            }
            path => {
                let path = reader.prefix.join(path);
                reader.log_paths.add_error(&path);
                ErrorLogTarget::File(path)
            }
        };
        let level = match directive.arg(1) {
            None => Severity::Error,
            Some(text) => Severity::ALL
                .into_iter()
                .find(|level| level.as_str() == text)
                .ok_or_else(|| directive.invalid(text, "debug, info, notice, warn, error, crit, alert, emerg"))?,
        };
        self.level = self.level.max(level);
        self.targets.push((target, level));
        Ok(())
    }
}

impl AccessLog {
    /// Reads one directive; none for `off`.
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Option<AccessLog>, ConfError> {
        const ACCEPTED: &str = "off, or a file, the name of a log_format, buffer=SIZE, flush=TIME, if=CONDITION";
        let path = directive.first();
        if path == "off" {
            return match directive.arg(1) {
                None => Ok(None),
                Some(more) => Err(directive.invalid(more, "off without parameters")),
            };
        }
        if path.starts_with("syslog:") || path.contains('$') {
            return Err(directive.unsupported(format!("\"{path}\""), ACCEPTED));
        }
        let mut name = "combined";
        let (mut buffer, mut flush, mut condition) = (None, None, None);
        for (index, arg) in directive.args.iter().enumerate().skip(1) {
            let text = arg.value.as_str();
            let invalid = || directive.invalid(text, ACCEPTED);
            match text.split_once('=') {
                None if index == 1 => name = text,
                Some(("buffer", size)) => {
                    let size = parse_size(size).filter(|size| *size > 0).and_then(|size| usize::try_from(size).ok());
                    buffer = Some(size.ok_or_else(invalid)?);
                }
                Some(("flush", time)) => {
                    let time = parse_time(time).filter(|time| !time.is_zero());
                    flush = Some(time.ok_or_else(invalid)?);
                }
                Some(("if", text)) => condition = Some(reader.template(directive, text)?),
                _ if text == "gzip" || text.starts_with("gzip=") => {
                    return Err(directive.unsupported(format!("parameter \"{text}\""), ACCEPTED));
                }
                _ => return Err(invalid()),
            }
        }
        if flush.is_some() && buffer.is_none() {
            let message = format!("no buffer is defined for access_log \"{path}\"");
            return Err(directive.error(ConfErrorKind::Conflict(message)));
        }
        let format = reader.formats.find(name).ok_or_else(|| {
            let hint = closest(name, reader.formats.names());
            directive.error(ConfErrorKind::UnknownLogFormat { name: name.to_owned(), hint })
        })?;
        let file = AccessLogFile { path: reader.prefix.join(path), buffer, flush };
        let file = reader.log_paths.add_access(file).ok_or_else(|| {
            let message = format!("access_log \"{path}\" already defined with conflicting parameters");
            directive.error(ConfErrorKind::Conflict(message))
        })?;
        Ok(Some(AccessLog { format, file, condition }))
    }
}

/// Reads all `log_format` directives of the `http` block before any `access_log`.
pub(crate) fn read_formats(http: &[Directive], reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
    for directive in http.iter().filter(|directive| directive.name == "log_format") {
        let name = directive.first().to_owned();
        if reader.formats.find(&name).is_some() {
            return Err(directive.error(ConfErrorKind::DuplicateName { what: "log_format", name }));
        }
        let mut text = String::new();
        let mut escape = LogEscape::default();
        for (index, arg) in directive.args.iter().enumerate().skip(1) {
            match arg.value.strip_prefix("escape=").filter(|_| index == 1) {
                Some("default") => escape = LogEscape::Default,
                Some("json") => escape = LogEscape::Json,
                Some("none") => escape = LogEscape::None,
                Some(other) => {
                    return Err(directive.invalid(other, "escape=default, escape=json, escape=none"));
                }
                None => text.push_str(&arg.value),
            }
        }
        let line = reader.template(directive, &text)?;
        reader.formats.add(name, LogFormat { line, escape });
    }
    Ok(())
}
