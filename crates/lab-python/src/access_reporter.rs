//! Reports completed requests: to the arbiter, which writes the access log and counts for statsd, and to Python's logger,
//! where one writes the access log. Records for the arbiter gather while the event loop is busy and leave together.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use lab_worker::access_record::{AccessRecord, basic_auth_user};
use lab_worker::bootstrap::AccessLogSettings;
use lab_worker::wsgi::response::WsgiResponseHead;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::task::{spawn_local, yield_now};
use tokio::time::timeout;

use crate::access_writer::AccessWriter;
use crate::completed_request::CompletedRequest;
use crate::executor::Executor;

/// How many bytes of records may be unsent before requests wait for the arbiter.
const BACKLOG: usize = 1024 * 1024;
/// How long the arbiter may take to read the last records.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct AccessReporter {
    writer: Option<AccessWriter>,
    pipe: Option<Rc<RecordPipe>>,
}

/// The pipe to the arbiter.
struct RecordPipe {
    settings: AccessLogSettings,
    unsent: RefCell<Vec<u8>>,
    /// Notified when there are records to send.
    has_records: Notify,
    /// Notified when records were sent.
    has_room: Notify,
}

impl AccessReporter {
    /// Starts the reports that the settings ask for; None if there are none.
    pub(crate) fn start(
        pipe: Option<(AccessLogSettings, OwnedFd)>,
        writer: Option<AccessWriter>,
    ) -> io::Result<Option<Rc<AccessReporter>>> {
        let pipe = pipe.map(|(settings, pipe)| RecordPipe::start(settings, pipe)).transpose()?;
        let is_used = pipe.is_some() || writer.is_some();
        Ok(is_used.then(|| Rc::new(AccessReporter { writer, pipe })))
    }

    /// Reports a request. Waits while too many records are unsent.
    pub(crate) async fn report(&self, executor: &Executor, mut request: CompletedRequest<'_>) {
        let duration_us = microseconds(request.start.monotonic.elapsed());
        let environ = request.environ.whole.take();
        let is_logged = match (&self.writer, environ) {
            (Some(writer), Some(environ)) => {
                writer.write(executor, &request, environ, duration_us).await;
                true
            }
            _ => false,
        };
        if let Some(pipe) = &self.pipe {
            pipe.send(AccessRecord { duration_us, is_logged, ..pipe.record(request) }).await;
        }
    }

    /// Waits until the last records are sent, for a limited time.
    pub(crate) async fn finish(&self) {
        if let Some(pipe) = &self.pipe {
            pipe.finish().await;
        }
    }
}

impl RecordPipe {
    /// Starts a task that writes records to `pipe`.
    fn start(settings: AccessLogSettings, pipe: OwnedFd) -> io::Result<Rc<RecordPipe>> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let pipe = pipe::Sender::from_owned_fd(pipe)?;
        let (unsent, has_records, has_room) = (RefCell::default(), Notify::new(), Notify::new());
        let records = Rc::new(RecordPipe { settings, unsent, has_records, has_room });
        spawn_local(Rc::clone(&records).send_records(pipe));
        Ok(records)
    }

    async fn send_records(self: Rc<Self>, mut pipe: pipe::Sender) {
        loop {
            self.has_records.notified().await;
            // Other ready connections add their records first, so that one write sends them all.
            yield_now().await;
            let records = self.unsent.take();
            let written = pipe.write_all(&records).await;
            self.has_room.notify_waiters();
            if let Err(error) = written {
                tracing::error!("cannot write access records any more: {error}");
                return;
            }
        }
    }

    /// Sends a record. Waits while too many are unsent.
    async fn send(&self, record: AccessRecord) {
        {
            let mut unsent = self.unsent.borrow_mut();
            // OK because a record has only strings and numbers, and a vector takes every byte.
            serde_json::to_writer(&mut *unsent, &record).expect("a record is JSON");
            unsent.push(b'\n');
        }
        self.has_records.notify_one();
        while self.unsent.borrow().len() > BACKLOG {
            self.has_room.notified().await;
        }
    }

    fn record(&self, request: CompletedRequest<'_>) -> AccessRecord {
        let CompletedRequest { start, head, variables, remote_addr, response, sent_bytes, environ } = request;
        let field = |name: &str| head.headers.get(name).map(latin1_text);
        AccessRecord {
            remote_addr,
            user: head.headers.get("authorization").and_then(basic_auth_user),
            time_us: microseconds(start.system.duration_since(UNIX_EPOCH).unwrap_or_default()),
            method: latin1_text(head.method()),
            target: latin1_text(head.target()),
            path: latin1_text(&variables.path_info),
            query: latin1_text(variables.query),
            protocol: head.version.text().to_owned(),
            status: response.map_or(500, WsgiResponseHead::status),
            sent_bytes,
            referer: field("referer"),
            user_agent: field("user-agent"),
            request_headers: select(&self.settings.request_headers, head.headers.iter()),
            response_headers: match response {
                Some(response) => select(&self.settings.response_headers, response.fields()),
                None => Vec::new(),
            },
            environ: environ.variables,
            ..AccessRecord::default()
        }
    }

    async fn finish(&self) {
        let all_sent = async {
            while !self.unsent.borrow().is_empty() {
                self.has_room.notified().await;
            }
        };
        // A worker must not hang because its arbiter stopped reading.
        let _ = timeout(FINISH_TIMEOUT, all_sent).await;
    }
}

/// The fields with one of these names, under the name in the settings.
fn select<'f>(names: &[String], fields: impl Iterator<Item = (&'f [u8], &'f [u8])>) -> Vec<(String, String)> {
    let find = |name: &[u8]| names.iter().find(|wanted| wanted.as_bytes().eq_ignore_ascii_case(name)).cloned();
    fields.filter_map(|(name, value)| Some((find(name)?, latin1_text(value)))).collect()
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn latin1_text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
