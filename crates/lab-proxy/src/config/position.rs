//! Positions of directives, for errors that are found after the configuration was read.

use std::path::Path;
use std::sync::Arc;

use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// A line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    file: Arc<Path>,
    line: usize,
}

impl Position {
    pub(crate) fn of(directive: &Directive) -> Position {
        Position { file: Arc::clone(&directive.file), line: directive.line }
    }

    #[must_use]
    pub fn error(&self, kind: ConfErrorKind) -> ConfError {
        ConfError::new(&self.file, self.line, kind)
    }
}
