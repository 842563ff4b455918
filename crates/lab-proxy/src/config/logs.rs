//! `access_log`, `log_format` and `error_log`.

use std::path::PathBuf;
use std::sync::Arc;

pub use crate::config::log_format::{AccessLogFile, LogFormat};
use crate::config::reader::ConfigReader;
pub use crate::config::severity::Severity;
use crate::config::syslog::SyslogConfig;
use crate::variables::{LogEscape, Template};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, closest, parse_number, parse_size, parse_time};

/// One `access_log`.
#[derive(Debug, Clone)]
pub struct AccessLog {
    pub format: Arc<LogFormat>,
    pub target: AccessLogTarget,
    /// `if=`: a request is logged unless this is empty or `0`.
    pub condition: Option<Template>,
}

/// Where the lines of an `access_log` go.
#[derive(Debug, Clone)]
pub enum AccessLogTarget {
    /// An index into [`Config::access_log_files`](super::Config::access_log_files).
    File(usize),
    /// A path with variables: each line goes to a file that is opened for it.
    PathTemplate {
        template: Template,
        /// What relative paths start from.
        folder: PathBuf,
    },
    Syslog(SyslogConfig),
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
    Syslog(SyslogConfig),
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
            path if path.starts_with("memory:") => {
                return Err(directive.unsupported(format!("\"{path}\""), "a file, stderr, syslog:server=ADDRESS"));
            }
            path => match path.strip_prefix("syslog:") {
                Some(parameters) => ErrorLogTarget::Syslog(SyslogConfig::read(directive, parameters)?),
                None => {
                    let path = reader.prefix.join(path);
                    reader.log_paths.add_error(&path);
                    ErrorLogTarget::File(path)
                }
            },
        };
        let level = match directive.arg(1) {
            None => Severity::Error,
            // nginx has a level for each of its parts
            Some(
                "debug_core" | "debug_alloc" | "debug_mutex" | "debug_event" | "debug_http" | "debug_mail"
                | "debug_stream",
            ) => Severity::Debug,
            Some(text) => Severity::from_name(text)
                .ok_or_else(|| directive.invalid(text, "debug, info, notice, warn, error, crit, alert, emerg"))?,
        };
        self.level = self.level.max(level);
        self.targets.push((target, level));
        Ok(())
    }
}

/// The size of the buffer of a compressed log without `buffer=`.
const GZIP_BUFFER: usize = 64 * 1024;

impl AccessLog {
    /// Reads one directive; none for `off`.
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Option<AccessLog>, ConfError> {
        const ACCEPTED: &str = "off, or a file or syslog:server=ADDRESS, the name of a log_format, buffer=SIZE, \
                                flush=TIME, gzip[=LEVEL], if=CONDITION";
        let path = directive.first();
        if path == "off" {
            return match directive.arg(1) {
                None => Ok(None),
                Some(more) => Err(directive.invalid(more, "off without parameters")),
            };
        }
        let parameters = path.strip_prefix("syslog:");
        let syslog = parameters.map(|parameters| SyslogConfig::read(directive, parameters)).transpose()?;
        let mut name = "combined";
        let (mut buffer, mut flush, mut gzip, mut condition) = (None, None, None, None);
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
                None if text == "gzip" => gzip = Some(1),
                Some(("gzip", level)) => {
                    let level = parse_number(level).filter(|level| (1..=9).contains(level));
                    gzip = Some(level.ok_or_else(invalid)?);
                }
                _ => return Err(invalid()),
            }
        }
        // as in nginx, a compressed log is always buffered
        let buffer = buffer.or(gzip.map(|_| GZIP_BUFFER));
        if flush.is_some() && buffer.is_none() {
            let message = format!("no buffer is defined for access_log \"{path}\"");
            return Err(directive.error(ConfErrorKind::Conflict(message)));
        }
        let format = reader.formats.find(name).ok_or_else(|| {
            let hint = closest(name, reader.formats.names());
            directive.error(ConfErrorKind::UnknownLogFormat { name: name.to_owned(), hint })
        })?;
        let target = if let Some(syslog) = syslog {
            if buffer.is_some() {
                let message = "logs to syslog cannot be buffered".to_owned();
                return Err(directive.error(ConfErrorKind::Conflict(message)));
            }
            AccessLogTarget::Syslog(syslog)
        } else if path.contains('$') {
            if buffer.is_some() {
                let message = "buffered logs cannot have variables in name".to_owned();
                return Err(directive.error(ConfErrorKind::Conflict(message)));
            }
            AccessLogTarget::PathTemplate {
                template: reader.template(directive, path)?,
                folder: reader.prefix.to_owned(),
            }
        } else {
            let file = AccessLogFile { path: reader.prefix.join(path), buffer, flush, gzip };
            let file = reader.log_paths.add_access(file).ok_or_else(|| {
                let message = format!("access_log \"{path}\" already defined with conflicting parameters");
                directive.error(ConfErrorKind::Conflict(message))
            })?;
            AccessLogTarget::File(file)
        };
        Ok(Some(AccessLog { format, target, condition }))
    }
}

/// Reads all `log_format` directives of the `http` block before any `access_log`.
pub(crate) fn read_formats(http: &[Directive], reader: &mut ConfigReader<'_>) {
    for directive in http.iter().filter(|directive| directive.name == "log_format") {
        let read = read_format(directive, reader);
        // a wrong one is added as well, so that its `access_log` is not reported too
        let format =
            reader.keep(read).unwrap_or_else(|| LogFormat { line: Template::text(""), escape: LogEscape::None });
        reader.formats.add(directive.first().to_owned(), format);
    }
}

fn read_format(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<LogFormat, ConfError> {
    let name = directive.first();
    if reader.formats.find(name).is_some() {
        return Err(directive.error(ConfErrorKind::DuplicateName { what: "log_format", name: name.to_owned() }));
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
    Ok(LogFormat { line: reader.template(directive, &text)?, escape })
}
