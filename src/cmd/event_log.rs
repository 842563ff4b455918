//! The file of `--events`: a line for each event, written at once, so that another program can follow the run.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use crate::event::line::{Event, EventLine};
use crate::event::{RunEvent, RunObserver};
use crate::record::rfc3339;

/// The file of events, if `--events` names one.
pub(super) struct EventLog {
    output: Option<Output>,
}

struct Output {
    path: PathBuf,
    file: File,
    /// The first error; nothing is written after it.
    error: Option<io::Error>,
}

/// Writes events and passes them on.
pub(super) struct LoggedObserver<'a> {
    pub(super) log: &'a mut EventLog,
    pub(super) next: &'a mut dyn RunObserver,
}

impl EventLog {
    pub(super) fn none() -> EventLog {
        EventLog { output: None }
    }

    /// Creates the file, if one is wanted. A pipe is waited for until it has a reader.
    pub(super) fn create(path: Option<&Path>) -> anyhow::Result<EventLog> {
        let Some(path) = path else { return Ok(EventLog::none()) };
        let file = File::create(path).with_context(|| format!("write {}", path.display()))?;
        Ok(EventLog { output: Some(Output { path: path.to_owned(), file, error: None }) })
    }

    pub(super) fn write(&mut self, event: Event<'_>) {
        let Some(output) = self.output.as_mut().filter(|output| output.error.is_none()) else { return };
        let line = EventLine { time: rfc3339(Timestamp::now()), event };
        let line = serde_json::to_string(&line).map_err(io::Error::other);
        // In one call: a reader must not see half a line for longer than that takes.
        let written = line.and_then(|line| output.file.write_all((line + "\n").as_bytes()));
        output.error = written.err();
    }

    /// Fails with the first error of writing.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        match self.output {
            Some(Output { path, error: Some(error), .. }) => {
                Err(error).with_context(|| format!("write {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}

impl RunObserver for LoggedObserver<'_> {
    fn on_event(&mut self, event: &RunEvent<'_>) {
        self.log.write(Event::from(event));
        self.next.on_event(event);
    }
}
