//! What workers report over their pipes: answered requests, for the access log and statsd, and their own words, for
//! the error log. The master writes both, so that it alone has files to reopen.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use lab_worker::access_record::AccessRecord;
use lab_worker::worker_settings::AccessLog;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::task::{JoinHandle, spawn_local};

use crate::access_log::AccessFormat;
use crate::log::ErrorLog;
use crate::log_sink::LogSink;
use crate::statsd::Statsd;

/// Bytes that are read from a pipe at once.
const CHUNK: usize = 64 * 1024;
/// The longest record; what is longer is cut up and cannot be read.
const LONGEST_RECORD: usize = 1024 * 1024;

/// Where answered requests are written down.
#[derive(Debug)]
pub struct Journal {
    /// The access log with its format.
    pub access: Option<(LogSink, AccessFormat)>,
    /// Metrics.
    pub statsd: Option<Statsd>,
}

impl Journal {
    /// What workers are to report, if anything. The descriptor is theirs to know.
    #[must_use]
    pub fn wanted(&self) -> Option<AccessLog> {
        let nothing = AccessLog { fd: 0, request_headers: vec![], response_headers: vec![], environ: vec![] };
        match &self.access {
            Some((_, format)) => Some(AccessLog {
                request_headers: format.request_headers(),
                response_headers: format.response_headers(),
                environ: format.environ(),
                ..nothing
            }),
            None => self.statsd.as_ref().map(|_| nothing),
        }
    }

    /// Opens the access log anew.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn reopen(&mut self) -> io::Result<()> {
        match &mut self.access {
            Some((file, _)) => file.reopen(),
            None => Ok(()),
        }
    }

    /// Writes down whole lines of records by worker `pid`.
    fn write(&mut self, lines: &[u8], pid: u32) {
        let time = jiff::Zoned::now().strftime("[%d/%b/%Y:%H:%M:%S %z]").to_string();
        let mut text = String::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(record) = serde_json::from_slice::<AccessRecord>(line) else {
                tracing::error!("worker {pid} reported a request in a way that cannot be read");
                continue;
            };
            if let Some(statsd) = &self.statsd {
                statsd.request(&record);
            }
            if let Some((_, format)) = &self.access {
                text.push_str(&format.line(&record, pid, &time));
                text.push('\n');
            }
        }
        if let Some((file, _)) = &mut self.access
            && let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.flush())
        {
            tracing::error!("cannot write the access log: {error}");
        }
    }
}

/// Writes down what comes over `records` until worker `pid` has ended.
///
/// # Errors
/// It is no pipe.
pub fn record(records: OwnedFd, pid: u32, journal: Rc<RefCell<Journal>>) -> io::Result<JoinHandle<()>> {
    let mut pipe = pipe::Receiver::from_owned_fd(records)?;
    Ok(spawn_local(async move {
        let mut buffer = Vec::new();
        while read(&mut pipe, &mut buffer).await {
            let Some(end) = buffer.iter().rposition(|byte| *byte == b'\n') else {
                if buffer.len() > LONGEST_RECORD {
                    buffer.clear();
                }
                continue;
            };
            journal.borrow_mut().write(&buffer[..=end], pid);
            buffer.drain(..=end);
        }
    }))
}

/// Passes what comes over `words` on to the error log until the worker has ended.
///
/// # Errors
/// It is no pipe.
pub fn pass_on(words: OwnedFd, log: ErrorLog) -> io::Result<JoinHandle<()>> {
    let mut pipe = pipe::Receiver::from_owned_fd(words)?;
    Ok(spawn_local(async move {
        let mut buffer = Vec::new();
        while read(&mut pipe, &mut buffer).await {
            // Nothing better can be done when even the error log cannot be written.
            let _ = log.write(&buffer);
            buffer.clear();
        }
    }))
}

/// Reads on; false at the end.
async fn read(pipe: &mut pipe::Receiver, buffer: &mut Vec<u8>) -> bool {
    buffer.reserve(CHUNK);
    matches!(pipe.read_buf(buffer).await, Ok(length) if length > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access");
        let file = LogSink::open(&path, (0, 0)).unwrap();
        let format = AccessFormat::new("%(m)s %(s)s %(p)s").unwrap();
        let journal = Rc::new(RefCell::new(Journal { access: Some((file, format)), statsd: None }));
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let reading = record(reader, 7, Rc::clone(&journal)).unwrap();
            let record = AccessRecord { method: "GET".into(), status: 200, ..AccessRecord::default() };
            let line = serde_json::to_string(&record).unwrap();
            rustix::io::write(&writer, format!("{line}\nnonsense\n{line}\n{line}").as_bytes()).unwrap();
            rustix::io::write(&writer, b"\n").unwrap();
            drop(writer);
            reading.await.unwrap();
        });
        assert_eq!(std::fs::read_to_string(path).unwrap(), "GET 200 <7>\n".repeat(3));
    }
}
