//! The events of a run as lines of JSON, each written at once: into the file of `--events`, so that another program can follow
//! the run, and to the live page.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::live::LiveServer;
use crate::event::line::{Event, EventLine};
use crate::event::{RunEvent, RunObserver};
use crate::record::{Record, rfc3339};
use crate::report::render::page::PageError;

/// The file of events, if `--events` names one, and the live page, if there is one.
pub(super) struct EventLog {
    output: Option<Output>,
    live: Option<LiveServer>,
    /// The first error of rendering the live page.
    page_error: Option<PageError>,
    /// The folder of the run, once it has one.
    folder: Option<PathBuf>,
    /// Whether a component may have written a log there.
    has_logs: bool,
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
        EventLog { output: None, live: None, page_error: None, folder: None, has_logs: false }
    }

    /// Creates the file, if one is wanted. A pipe is waited for until it has a reader.
    pub(super) fn create(path: Option<&Path>) -> anyhow::Result<EventLog> {
        let Some(path) = path else { return Ok(EventLog::none()) };
        let file = File::create(path).with_context(|| format!("write {}", path.display()))?;
        let output = Some(Output { path: path.to_owned(), file, error: None });
        Ok(EventLog { output, ..EventLog::none() })
    }

    /// Sends the events to a live page as well.
    pub(super) fn with_live(self, live: Option<LiveServer>) -> EventLog {
        EventLog { live, ..self }
    }

    /// The live page shows this report from now on.
    pub(super) fn show_report(&mut self, report: &Path) -> io::Result<()> {
        self.live.as_mut().map_or(Ok(()), |live| live.set_report(report))
    }

    /// The folder with the logs of the run; `None` if nothing was started.
    pub(super) fn log_folder(&self) -> Option<&Path> {
        self.folder.as_deref().filter(|_| self.has_logs)
    }

    pub(super) fn write(&mut self, event: Event<'_>) {
        let output = self.output.as_mut().filter(|output| output.error.is_none());
        if output.is_none() && self.live.is_none() {
            return;
        }
        let line = EventLine { time: rfc3339(Timestamp::now()), event };
        let line = serde_json::to_string(&line).map_err(io::Error::other);
        if let (Some(live), Ok(line)) = (&mut self.live, &line) {
            live.send(line.clone());
        }
        if let Some(output) = output {
            // In one call: a reader must not see half a line for longer than that takes.
            let written = line.and_then(|line| output.file.write_all((line + "\n").as_bytes()));
            output.error = written.err();
        }
    }

    /// Fails with the first error of writing.
    pub(super) fn finish(self) -> anyhow::Result<()> {
        self.live.map_or(Ok(()), LiveServer::finish).context("serve the live page")?;
        self.page_error.map_or(Ok(()), Err).context("update the live page")?;
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
        match event {
            RunEvent::Opened { folder, .. } => self.log.folder = Some(folder.to_path_buf()),
            RunEvent::Starting { .. } => self.log.has_logs = true,
            _ => {}
        }
        if let Some(line) = Event::new(event) {
            self.log.write(line);
        }
        self.next.on_event(event);
    }

    fn wants_interim_records(&self) -> bool {
        self.log.live.is_some()
    }

    fn on_interim_record(&mut self, record: &Record) {
        if let Some(live) = &mut self.log.live
            && let Err(error) = live.set_record(record)
        {
            self.log.page_error.get_or_insert(error);
        }
    }
}
