//! `access_log`, `log_format` and `error_log`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::reading::Reading;
use crate::eval::{Escape, Names, Template};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, closest, parse_size, parse_time};

/// One `access_log`: where lines go and what they look like.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// The line.
    pub format: Arc<LogFormat>,
    /// Which of [`Settings::access_log_files`](super::Settings::access_log_files) it goes to.
    pub file: usize,
    /// `if=`: whether there is a line at all; not if it is empty or `0`.
    pub condition: Option<Template>,
}

/// A `log_format`.
#[derive(Debug)]
pub struct LogFormat {
    /// The line, its end left out.
    pub line: Template,
    /// How values are written into it.
    pub escape: Escape,
}

/// A file of an access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFile {
    /// The file lines are appended to.
    pub path: PathBuf,
    /// `buffer=`: lines wait until they are so many bytes. Without it they wait until the worker has nothing to do.
    pub buffer: Option<usize>,
    /// `flush=`: but no longer than that.
    pub flush: Option<Duration>,
}

/// `error_log`: one or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorLog {
    /// Where lines go, and which.
    pub targets: Vec<(ErrorTarget, Severity)>,
    /// The least severe level that is written anywhere.
    pub level: Severity,
}

/// Where an error log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorTarget {
    /// The process's standard error.
    Stderr,
    /// A file that lines are appended to.
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

    /// The level as nginx writes it.
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
        ErrorLog { targets: vec![(ErrorTarget::Stderr, Severity::Error)], level: Severity::Error }
    }
}

impl ErrorLog {
    /// A log that goes nowhere yet.
    pub(super) fn none() -> ErrorLog {
        ErrorLog { targets: Vec::new(), level: Severity::Emerg }
    }

    /// To a file, for what is worth telling.
    pub(super) fn to_file(path: PathBuf) -> ErrorLog {
        ErrorLog { targets: vec![(ErrorTarget::File(path), Severity::Error)], level: Severity::Error }
    }

    /// Adds where one more directive sends lines.
    pub(super) fn add(&mut self, directive: &Directive, reading: &mut Reading<'_>) -> Result<(), ConfError> {
        let target = match directive.first() {
            "stderr" => ErrorTarget::Stderr,
            path if path.starts_with("syslog:") || path.starts_with("memory:") => {
                return Err(directive.unsupported(format!("\"{path}\""), "a file, stderr"));
            }
            path => {
                let path = reading.prefix.join(path);
                reading.add_error_file(&path);
                ErrorTarget::File(path)
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
    /// One directive: a log, or none for `off`.
    pub(super) fn read(directive: &Directive, reading: &mut Reading<'_>) -> Result<Option<AccessLog>, ConfError> {
        const ACCEPTED: &str = "off, or a file, the name of a log_format, buffer=SIZE, flush=TIME, if=CONDITION";
        let path = directive.first();
        if path == "off" {
            return match directive.arg(1) {
                None => Ok(None),
                Some(more) => Err(directive.invalid(more, "nothing behind off")),
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
                Some(("if", text)) => condition = Some(reading.template(directive, text)?),
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
        let format = reading.formats.find(name).ok_or_else(|| {
            let hint = closest(name, reading.formats.list.iter().map(|(name, _)| name.as_str()));
            directive.error(ConfErrorKind::UnknownLogFormat { name: name.to_owned(), hint })
        })?;
        let file = AccessFile { path: reading.prefix.join(path), buffer, flush };
        let file = reading.add_access_file(file).ok_or_else(|| {
            let message = format!("access_log \"{path}\" already defined with conflicting parameters");
            directive.error(ConfErrorKind::Conflict(message))
        })?;
        Ok(Some(AccessLog { format, file, condition }))
    }
}

impl Reading<'_> {
    /// The place of a file among those of access logs; none if it is there with other parameters.
    fn add_access_file(&mut self, file: AccessFile) -> Option<usize> {
        match self.access_files.iter().position(|own| own.path == file.path) {
            Some(place) => (self.access_files[place] == file).then_some(place),
            None => {
                self.access_files.push(file);
                Some(self.access_files.len() - 1)
            }
        }
    }

    fn add_error_file(&mut self, path: &Path) {
        if !self.error_files.iter().any(|own| own == path) {
            self.error_files.push(path.to_owned());
        }
    }
}

/// The formats that `log_format` defines, and `combined`.
#[derive(Debug)]
pub(super) struct LogFormats {
    list: Vec<(String, Arc<LogFormat>)>,
}

/// nginx's documentation of `log_format` defines it so.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

impl Default for LogFormats {
    fn default() -> LogFormats {
        // OK because the variables of the constant are known
        let line = Template::compile(COMBINED, &Names::default()).expect("the combined format is a template");
        let combined = LogFormat { line, escape: Escape::Default };
        LogFormats { list: vec![("combined".to_owned(), Arc::new(combined))] }
    }
}

impl LogFormats {
    /// Reads the `log_format` directives of the `http` block, wherever they stand in it.
    pub(super) fn read(http: &[Directive], reading: &mut Reading<'_>) -> Result<(), ConfError> {
        for directive in http.iter().filter(|directive| directive.name == "log_format") {
            let name = directive.first().to_owned();
            if reading.formats.find(&name).is_some() {
                return Err(directive.error(ConfErrorKind::DuplicateName { what: "log_format", name }));
            }
            let mut text = String::new();
            let mut escape = Escape::default();
            for (index, arg) in directive.args.iter().enumerate().skip(1) {
                match arg.value.strip_prefix("escape=").filter(|_| index == 1) {
                    Some("default") => escape = Escape::Default,
                    Some("json") => escape = Escape::Json,
                    Some("none") => escape = Escape::None,
                    Some(other) => {
                        return Err(directive.invalid(other, "escape=default, escape=json, escape=none"));
                    }
                    None => text.push_str(&arg.value),
                }
            }
            let line = reading.template(directive, &text)?;
            reading.formats.list.push((name, Arc::new(LogFormat { line, escape })));
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<Arc<LogFormat>> {
        self.list.iter().find(|(own, _)| own == name).map(|(_, format)| Arc::clone(format))
    }
}
