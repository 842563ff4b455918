//! Where workers' reports go. Each worker has a pipe for access records, written to the access log and counted in
//! statsd, and a pipe for its output, written to the error log.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use lab_worker::access_record::AccessRecord;
use lab_worker::bootstrap::AccessLogSettings;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::task::{JoinHandle, spawn_local};

use super::access_format::AccessFormat;
use super::error_log::ErrorLog;
use super::log_sink::LogSink;
use super::statsd::Statsd;
use super::syslog::{Syslog, SyslogSource};

/// Bytes that are read from a pipe at once.
const READ_SIZE: usize = 64 * 1024;
/// The longest access record. A longer one is discarded.
const LONGEST_RECORD: usize = 1024 * 1024;

/// Where access records go.
#[derive(Debug)]
pub struct AccessSinks {
    pub format: AccessFormat,
    /// The access log with its name: a path, or `-`.
    pub file: Option<(LogSink, String)>,
    /// The syslog server, if it gets the access log.
    pub syslog: Option<Syslog>,
    /// Whether workers write to them. Those from before a reload may still report.
    pub workers_write: bool,
    pub statsd: Option<Statsd>,
    /// Whether statsd counts requests. Otherwise a logger class in the workers may do so.
    pub counts_requests: bool,
}

impl AccessSinks {
    /// What workers need to report, if anything. The worker fills in the descriptor.
    fn settings(&self) -> Option<AccessLogSettings> {
        let format = &self.format;
        if self.writes_lines() && !self.workers_write {
            return Some(AccessLogSettings {
                fd: 0,
                file: self.file.as_ref().map(|(_, name)| name.clone()),
                format: format.text().to_owned(),
                request_headers: format.request_headers(),
                response_headers: format.response_headers(),
                environ: format.environ(),
            });
        }
        (self.statsd.is_some() && self.counts_requests).then(AccessLogSettings::default)
    }

    fn writes_lines(&self) -> bool {
        self.file.is_some() || self.syslog.is_some()
    }

    fn reopen(&mut self) -> io::Result<()> {
        match &mut self.file {
            Some((file, _)) => file.reopen(),
            None => Ok(()),
        }
    }

    /// Writes the records of worker `pid`. `lines` holds whole lines only.
    fn write(&mut self, lines: &[u8], pid: u32) {
        let time = jiff::Zoned::now().strftime("[%d/%b/%Y:%H:%M:%S %z]").to_string();
        let mut text = String::new();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let Ok(record) = serde_json::from_slice::<AccessRecord>(line) else {
                tracing::error!("worker {pid} sent an access record that cannot be read");
                continue;
            };
            if let (Some(statsd), true) = (&self.statsd, self.counts_requests) {
                statsd.request(&record);
            }
            if record.is_logged || !self.writes_lines() {
                continue;
            }
            let line = self.format.line(&record, pid, &time);
            if let Some(syslog) = &mut self.syslog {
                syslog.send(SyslogSource::Access, tracing::Level::INFO, pid, &line);
            }
            text.push_str(&line);
            text.push('\n');
        }
        if let Some((file, _)) = &mut self.file
            && let Err(error) = file.write_all(text.as_bytes()).and_then(|()| file.flush())
        {
            tracing::error!("cannot write the access log: {error}");
        }
    }
}

/// All logs of an arbiter, with the tasks that read its workers' pipes.
#[derive(Debug)]
pub(crate) struct LogSinks {
    access: Rc<RefCell<AccessSinks>>,
    error_log: ErrorLog,
    /// Each ends when its worker has closed the pipe.
    pub(crate) readers: Vec<JoinHandle<()>>,
}

impl LogSinks {
    pub(crate) fn new(access: AccessSinks, error_log: ErrorLog) -> LogSinks {
        LogSinks { access: Rc::new(RefCell::new(access)), error_log, readers: Vec::new() }
    }

    pub(crate) fn access_log_settings(&self) -> Option<AccessLogSettings> {
        self.access.borrow().settings()
    }

    /// Sends access records to new sinks, those of running workers included.
    pub(crate) fn replace_access(&mut self, access: AccessSinks) {
        *self.access.borrow_mut() = access;
    }

    /// Reopens all log files, for example after `logrotate` has moved them.
    pub(crate) fn reopen(&mut self) {
        tracing::info!("reopening the logs");
        let access = self.access.borrow_mut().reopen();
        for error in [access, self.error_log.reopen()].into_iter().filter_map(Result::err) {
            tracing::error!("cannot reopen a log: {error}");
        }
    }

    pub(crate) fn report_workers(&self, count: usize) {
        if let Some(statsd) = &self.access.borrow().statsd {
            statsd.workers(count);
        }
    }

    pub(crate) fn report_backlog(&self, waiting: u64) {
        if let Some(statsd) = &self.access.borrow().statsd {
            statsd.backlog(waiting);
        }
    }

    /// Reads access records of worker `pid` until it closes the pipe.
    pub(crate) fn read_access_records(&mut self, records: OwnedFd, pid: u32) -> io::Result<()> {
        self.add_reader(read_access_records(records, pid, Rc::clone(&self.access))?);
        Ok(())
    }

    /// Copies a worker's output to the error log until it closes the pipe.
    pub(crate) fn read_output(&mut self, output: OwnedFd) -> io::Result<()> {
        self.add_reader(copy_output(output, self.error_log.clone())?);
        Ok(())
    }

    fn add_reader(&mut self, reader: JoinHandle<()>) {
        self.readers.retain(|reader| !reader.is_finished());
        self.readers.push(reader);
    }
}

fn read_access_records(records: OwnedFd, pid: u32, access: Rc<RefCell<AccessSinks>>) -> io::Result<JoinHandle<()>> {
    let mut pipe = pipe::Receiver::from_owned_fd(records)?;
    Ok(spawn_local(async move {
        let mut buffer = Vec::new();
        while read_more(&mut pipe, &mut buffer).await {
            let Some(end) = buffer.iter().rposition(|byte| *byte == b'\n') else {
                if buffer.len() > LONGEST_RECORD {
                    buffer.clear();
                }
                continue;
            };
            access.borrow_mut().write(&buffer[..=end], pid);
            buffer.drain(..=end);
        }
    }))
}

fn copy_output(output: OwnedFd, error_log: ErrorLog) -> io::Result<JoinHandle<()>> {
    let mut pipe = pipe::Receiver::from_owned_fd(output)?;
    Ok(spawn_local(async move {
        let mut buffer = Vec::new();
        while read_more(&mut pipe, &mut buffer).await {
            // A failure of the error log itself cannot be logged.
            let _ = error_log.write(&buffer);
            buffer.clear();
        }
    }))
}

/// Appends what the pipe holds. Returns false at its end.
async fn read_more(pipe: &mut pipe::Receiver, buffer: &mut Vec<u8>) -> bool {
    buffer.reserve(READ_SIZE);
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
        let file = Some((file, path.display().to_string()));
        let sinks =
            AccessSinks { format, file, syslog: None, workers_write: false, statsd: None, counts_requests: true };
        let access = Rc::new(RefCell::new(sinks));
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let reading = read_access_records(reader, 7, Rc::clone(&access)).unwrap();
            let record = AccessRecord { method: "GET".into(), status: 200, ..AccessRecord::default() };
            let line = serde_json::to_string(&record).unwrap();
            let written = serde_json::to_string(&AccessRecord { is_logged: true, ..record }).unwrap();
            let lines = format!("{line}\nnonsense\n{written}\n{line}\n{line}");
            rustix::io::write(&writer, lines.as_bytes()).unwrap();
            rustix::io::write(&writer, b"\n").unwrap();
            drop(writer);
            reading.await.unwrap();
        });
        assert_eq!(std::fs::read_to_string(path).unwrap(), "GET 200 <7>\n".repeat(3));
    }
}
