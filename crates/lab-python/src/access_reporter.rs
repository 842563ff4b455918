//! Sends access records to the arbiter. Records gather while the event loop is busy and leave together. No Python.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab_http::RequestHead;
use lab_worker::access_record::{AccessRecord, basic_auth_user};
use lab_worker::bootstrap::AccessLogSettings;
use lab_worker::wsgi::environ::Variables;
use lab_worker::wsgi::response::WsgiResponseHead;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::task::{spawn_local, yield_now};
use tokio::time::timeout;

/// How many bytes of records may be unsent before requests wait for the arbiter.
const BACKLOG: usize = 1024 * 1024;
/// How long the arbiter may take to read the last records.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct AccessReporter {
    settings: AccessLogSettings,
    unsent: RefCell<Vec<u8>>,
    /// Notified when there are records to send.
    has_records: Notify,
    /// Notified when records were sent.
    has_room: Notify,
}

/// When a request began.
pub(crate) struct StartTime {
    system: SystemTime,
    monotonic: Instant,
}

impl StartTime {
    pub(crate) fn now() -> StartTime {
        StartTime { system: SystemTime::now(), monotonic: Instant::now() }
    }
}

/// A completed request, as far as its access record needs it.
pub(crate) struct CompletedRequest<'a> {
    pub(crate) start: StartTime,
    pub(crate) head: &'a RequestHead,
    pub(crate) variables: &'a Variables<'a>,
    pub(crate) remote_addr: String,
    /// None if the application failed before its response began.
    pub(crate) response: Option<&'a WsgiResponseHead>,
    pub(crate) sent_bytes: u64,
    /// The environ variables that the settings name.
    pub(crate) environ: Vec<(String, String)>,
}

impl AccessReporter {
    /// Starts a task that writes records to `pipe`.
    pub(crate) fn start(settings: AccessLogSettings, pipe: OwnedFd) -> io::Result<Rc<AccessReporter>> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let pipe = pipe::Sender::from_owned_fd(pipe)?;
        let (unsent, has_records, has_room) = (RefCell::default(), Notify::new(), Notify::new());
        let reporter = Rc::new(AccessReporter { settings, unsent, has_records, has_room });
        spawn_local(Rc::clone(&reporter).send_records(pipe));
        Ok(reporter)
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

    /// Reports a request. Waits while too many records are unsent.
    pub(crate) async fn report(&self, request: CompletedRequest<'_>) {
        let record = self.record(request);
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
            duration_us: microseconds(start.monotonic.elapsed()),
            referer: field("referer"),
            user_agent: field("user-agent"),
            request_headers: select(&self.settings.request_headers, head.headers.iter()),
            response_headers: match response {
                Some(response) => select(&self.settings.response_headers, response.fields()),
                None => Vec::new(),
            },
            environ,
        }
    }

    /// Waits until the last records are sent, for a limited time.
    pub(crate) async fn finish(&self) {
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
