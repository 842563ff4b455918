//! Access records on their way to the arbiter. They gather while the loop is busy and leave together. No Python.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lab_http::RequestHead;
use lab_worker::access_record::AccessRecord;
use lab_worker::worker_settings::AccessLog as Wanted;
use lab_worker::wsgi::environ::Variables;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::task::{spawn_local, yield_now};
use tokio::time::timeout;

use crate::call::Outcome;

/// Bytes of records that may lie unwritten before requests have to wait for the arbiter.
const BACKLOG: usize = 1024 * 1024;
/// How long the arbiter may take to read the last records.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The records of one worker.
pub(crate) struct AccessLog {
    wanted: Wanted,
    unwritten: RefCell<Vec<u8>>,
    /// Signalled when there is something to write.
    more: Notify,
    /// Signalled when something was written.
    less: Notify,
}

/// When a request began.
pub(crate) struct Began {
    at: SystemTime,
    clock: Instant,
}

impl AccessLog {
    /// Starts to write records to `pipe`.
    pub(crate) fn start(wanted: Wanted, pipe: OwnedFd) -> io::Result<Rc<AccessLog>> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let mut pipe = pipe::Sender::from_owned_fd(pipe)?;
        let (unwritten, more, less) = (RefCell::default(), Notify::new(), Notify::new());
        let log = Rc::new(AccessLog { wanted, unwritten, more, less });
        let writing = Rc::clone(&log);
        spawn_local(async move {
            loop {
                writing.more.notified().await;
                // Whoever is ready now has a record soon.
                yield_now().await;
                let records = writing.unwritten.take();
                let written = pipe.write_all(&records).await;
                writing.less.notify_waiters();
                if let Err(error) = written {
                    tracing::error!("cannot write access records any more: {error}");
                    return;
                }
            }
        });
        Ok(log)
    }

    /// The variables of the environ that are wanted.
    pub(crate) fn begin(&self) -> Began {
        Began { at: SystemTime::now(), clock: Instant::now() }
    }

    /// Records an answered request.
    pub(crate) async fn record(
        &self,
        began: Began,
        head: &RequestHead,
        variables: &Variables<'_>,
        remote_addr: String,
        outcome: &Outcome,
        status: u16,
    ) {
        let wanted = |names: &[String], fields: &mut dyn Iterator<Item = (&[u8], &[u8])>| -> Vec<(String, String)> {
            let named = |name: &[u8]| names.iter().find(|own| own.as_bytes().eq_ignore_ascii_case(name)).cloned();
            fields.filter_map(|(name, value)| Some((named(name)?, text(value)))).collect()
        };
        let field = |name: &str| head.headers.get(name).map(text);
        let since_1970 = began.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let answered = outcome.head.as_ref();
        let record = AccessRecord {
            remote_addr,
            user: head.headers.get("authorization").and_then(lab_worker::access_record::user),
            time_us: microseconds(since_1970),
            method: text(head.method()),
            target: text(head.target()),
            path: text(&variables.path_info),
            query: text(variables.query),
            protocol: head.version.text().to_owned(),
            status,
            sent_bytes: outcome.sent,
            duration_us: microseconds(began.clock.elapsed()),
            referer: field("referer"),
            user_agent: field("user-agent"),
            request_headers: wanted(&self.wanted.request_headers, &mut head.headers.iter()),
            response_headers: match answered {
                Some(started) => wanted(&self.wanted.response_headers, &mut started.fields()),
                None => Vec::new(),
            },
            environ: outcome.recorded.clone(),
        };
        {
            let mut unwritten = self.unwritten.borrow_mut();
            // OK because a record has only strings and numbers, and a vector takes every byte.
            serde_json::to_writer(&mut *unwritten, &record).expect("a record is JSON");
            unwritten.push(b'\n');
        }
        self.more.notify_one();
        while self.unwritten.borrow().len() > BACKLOG {
            self.less.notified().await;
        }
    }

    /// Waits until the last records are written, for a while.
    pub(crate) async fn finish(&self) {
        let written = async {
            while !self.unwritten.borrow().is_empty() {
                self.less.notified().await;
            }
        };
        // An arbiter that does not read them does not want them.
        let _ = timeout(LAST_WORDS, written).await;
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
