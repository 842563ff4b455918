//! `access_log`, `log_format` and `error_log`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::conf::{ConfError, ConfErrorKind, Directive, closest};
use super::super::variables::Template;

/// One `access_log`: where lines go and what they look like.
#[derive(Debug, Clone)]
pub struct AccessLog {
    /// The file lines are appended to.
    pub path: PathBuf,
    /// The line, its end left out.
    pub format: Arc<Template>,
}

/// `error_log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorLog {
    /// Where lines go.
    pub target: ErrorTarget,
    /// The least severe level that is written.
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
#[expect(missing_docs, reason = "the names say it")]
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
        ErrorLog { target: ErrorTarget::Stderr, level: Severity::Error }
    }
}

impl ErrorLog {
    pub(super) fn read(directive: &Directive, prefix: &Path) -> Result<ErrorLog, ConfError> {
        let target = match directive.first() {
            "stderr" => ErrorTarget::Stderr,
            path if path.starts_with("syslog:") || path.starts_with("memory:") => {
                return Err(directive.unsupported(format!("\"{path}\""), "a file, stderr"));
            }
            path => ErrorTarget::File(prefix.join(path)),
        };
        let level = match directive.arg(1) {
            None => Severity::Error,
            Some(text) => Severity::ALL
                .into_iter()
                .find(|level| level.as_str() == text)
                .ok_or_else(|| directive.invalid(text, "debug, info, notice, warn, error, crit, alert, emerg"))?,
        };
        Ok(ErrorLog { target, level })
    }
}

impl AccessLog {
    /// One directive: a log, or none for `off`.
    pub(super) fn read(
        directive: &Directive,
        formats: &LogFormats,
        prefix: &Path,
    ) -> Result<Option<AccessLog>, ConfError> {
        const ACCEPTED: &str = "off, or a file and the name of a log_format";
        let path = directive.first();
        if path == "off" {
            return Ok(None);
        }
        if path.starts_with("syslog:") || path.contains('$') {
            return Err(directive.unsupported(format!("\"{path}\""), ACCEPTED));
        }
        let name = directive.arg(1).unwrap_or("combined");
        if name.contains('=') {
            return Err(directive.unsupported(format!("parameter \"{name}\""), ACCEPTED));
        }
        let format = formats.find(name).ok_or_else(|| {
            let hint = closest(name, formats.list.iter().map(|(name, _)| name.as_str()));
            directive.error(ConfErrorKind::UnknownLogFormat { name: name.to_owned(), hint })
        })?;
        Ok(Some(AccessLog { path: prefix.join(path), format }))
    }
}

/// The formats that `log_format` defines, and `combined`.
#[derive(Debug)]
pub(super) struct LogFormats {
    list: Vec<(String, Arc<Template>)>,
}

/// nginx's documentation of `log_format` defines it so.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

impl LogFormats {
    /// Reads the `log_format` directives of the `http` block, wherever they stand in it.
    pub(super) fn read(http: &[Directive]) -> Result<LogFormats, ConfError> {
        // OK because the variables of the constant are known
        let combined = Template::compile(COMBINED).expect("the combined format is a template");
        let mut formats = LogFormats { list: vec![("combined".to_owned(), Arc::new(combined))] };
        for directive in http.iter().filter(|directive| directive.name == "log_format") {
            let name = directive.first().to_owned();
            if formats.find(&name).is_some() {
                return Err(directive.error(ConfErrorKind::DuplicateName { what: "log_format", name }));
            }
            let mut text = String::new();
            for (index, arg) in directive.args.iter().enumerate().skip(1) {
                match arg.value.strip_prefix("escape=") {
                    Some("default") if index == 1 => {}
                    Some(other) if index == 1 => {
                        return Err(directive.unsupported(format!("escape={other}"), "escape=default"));
                    }
                    _ => text.push_str(&arg.value),
                }
            }
            let template = Template::compile(&text).map_err(|kind| directive.error(kind))?;
            formats.list.push((name, Arc::new(template)));
        }
        Ok(formats)
    }

    fn find(&self, name: &str) -> Option<Arc<Template>> {
        self.list.iter().find(|(own, _)| own == name).map(|(_, format)| Arc::clone(format))
    }
}
