//! `log_format`, and the files that logs are written to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::variables::{DefinedVariables, LogEscape, Template};

/// A `log_format`.
#[derive(Debug)]
pub struct LogFormat {
    /// The line, without its line end.
    pub line: Template,
    /// How values are escaped.
    pub escape: LogEscape,
}

/// A file of an access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogFile {
    pub path: PathBuf,
    /// `buffer=`: how many bytes of lines are collected before they are written. Without it, a worker writes its lines
    /// when it becomes idle.
    pub buffer: Option<usize>,
    /// `flush=`: how long a line may stay in the buffer.
    pub flush: Option<Duration>,
    /// `gzip=`: the level at which each buffer is compressed.
    pub gzip: Option<u32>,
}

/// The formats that `log_format` defines, and `combined`.
#[derive(Debug)]
pub(crate) struct LogFormats {
    list: Vec<(String, Arc<LogFormat>)>,
}

/// From nginx's documentation of `log_format`.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                        \"$http_referer\" \"$http_user_agent\"";

impl Default for LogFormats {
    fn default() -> LogFormats {
        // OK because the constant names only variables that exist
        let line =
            Template::compile(COMBINED, &DefinedVariables::default()).expect("the combined format is a template");
        let combined = LogFormat { line, escape: LogEscape::Default };
        LogFormats { list: vec![("combined".to_owned(), Arc::new(combined))] }
    }
}

impl LogFormats {
    pub(crate) fn add(&mut self, name: String, format: LogFormat) {
        self.list.push((name, Arc::new(format)));
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<LogFormat>> {
        self.list.iter().find(|(own, _)| own == name).map(|(_, format)| Arc::clone(format))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(name, _)| name.as_str())
    }
}

/// The files of all logs, each once.
#[derive(Debug, Default)]
pub(crate) struct LogPaths {
    pub(crate) access: Vec<AccessLogFile>,
    pub(crate) error: Vec<PathBuf>,
}

impl LogPaths {
    /// The index of an access log's file; none if the file is there with other parameters.
    pub(crate) fn add_access(&mut self, file: AccessLogFile) -> Option<usize> {
        match self.access.iter().position(|own| own.path == file.path) {
            Some(index) => (self.access[index] == file).then_some(index),
            None => {
                self.access.push(file);
                Some(self.access.len() - 1)
            }
        }
    }

    pub(crate) fn add_error(&mut self, path: &Path) {
        if !self.error.iter().any(|own| own == path) {
            self.error.push(path.to_owned());
        }
    }
}
