//! A worker for a native app: the app is a tower service, called in place, and watched.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use lab_http::extensions::ArrivedHead;
use lab_net::Listener;
use lab_worker::notes::{HEARTBEAT, LINE, LINE_LENGTH, LONGEST_LINE, REQUESTS, SERVING};
use lab_worker::observer::{Answered, Observer};
use lab_worker::order::Order;
use lab_worker::worker::{self, WorkerError};
use lab_worker::worker_settings::{AccessLog, WorkerSettings};
use lab_worker::{RequestBody, ServiceGateway};
use rustix::io::pwrite;
use tokio::sync::{Notify, watch};
use tokio::task::{spawn_local, yield_now};
use tower_service::Service;

use crate::handover::Descriptors;
use crate::native_record::record;

/// How often the worker is looked at by the thread that keeps its notes.
const LOOK: Duration = Duration::from_millis(250);
/// How often the worker gives a sign of life when it has nothing else to do; less than [`LOOK`].
const BEAT: Duration = Duration::from_millis(100);

/// Serves `app` until a signal says to end, or all requests are served that a worker may serve.
///
/// # Errors
/// The system refuses.
pub fn serve<S, B>(app: S, settings: &WorkerSettings, descriptors: Descriptors) -> Result<(), WorkerError>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Display,
    B: Body<Data = Bytes> + 'static,
    B::Error: Display,
{
    let terms = settings.terms()?;
    let failed = |error| WorkerError::Io { what: "serve the listening sockets", error };
    let served = worker::runtime()?.block_on(async {
        let (give, orders) = watch::channel(Order::Serve);
        worker::obey_signals(give.clone())?;
        let listeners = descriptors.sockets.into_iter().map(Listener::new).collect::<io::Result<Vec<_>>>()?;
        let life = Arc::new(Life::default());
        keep_notes(Arc::clone(&life), descriptors.notes)?;
        let log = settings.access_log.clone().zip(descriptors.access);
        let reports = log.map(|(wanted, pipe)| Rc::new(Reports::new(wanted, pipe)));
        if let Some(reports) = &reports {
            spawn_local(Rc::clone(reports).send());
        }
        spawn_local(beat(Arc::clone(&life)));
        let left = Rc::new(Cell::new(most_requests(settings)));
        let watcher = Watcher { life, reports: reports.clone(), left, give };
        worker::serve(listeners, ServiceGateway(app, watcher), terms, orders).await?;
        reports.map_or(Ok(()), |reports| reports.flush())
    });
    served.map_err(failed)
}

/// Requests after which the worker ends, if it ever does so by itself (gunicorn's `max_requests` and its jitter).
fn most_requests(settings: &WorkerSettings) -> Option<u64> {
    // Keys of hash maps are random, which is random enough to keep workers from ending together.
    let random = RandomState::new().build_hasher().finish();
    let jitter = settings.max_requests_jitter.checked_add(1).map_or(random, |end| random % end);
    (settings.max_requests > 0).then(|| settings.max_requests.saturating_add(jitter))
}

/// The signs of life of a worker, as its own other thread sees them.
#[derive(Debug, Default)]
struct Life {
    /// Goes up with all that happens.
    beats: AtomicU64,
    requests: AtomicU64,
    /// The request the app is running for.
    request: Mutex<Option<ArrivedHead>>,
}

async fn beat(life: Arc<Life>) {
    loop {
        life.beats.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(BEAT).await;
    }
}

/// Writes the notes from a thread of its own, as nobody can write who hangs, and so that a request costs no system
/// call. The first sign of life is written at once: the master waits for it.
fn keep_notes(life: Arc<Life>, notes: OwnedFd) -> io::Result<()> {
    pwrite(&notes, &SERVING.to_le_bytes(), HEARTBEAT as u64)?;
    let keep = move || {
        let (mut seen, mut heartbeat) = (u64::MAX, SERVING);
        loop {
            std::thread::sleep(LOOK);
            let beats = life.beats.load(Ordering::Relaxed);
            let line = if beats == seen { life.request_line() } else { Vec::new() };
            if beats != seen {
                heartbeat += 1;
            }
            seen = beats;
            // Who cannot write its notes is taken for hung, and rightly so.
            let _ = write_notes(&notes, heartbeat, life.requests.load(Ordering::Relaxed), &line);
        }
    };
    std::thread::Builder::new().name("notes".to_owned()).spawn(keep).map(drop)
}

fn write_notes(notes: &OwnedFd, heartbeat: u64, requests: u64, line: &[u8]) -> io::Result<()> {
    let line = &line[..line.len().min(LONGEST_LINE)];
    pwrite(notes, line, LINE as u64)?;
    pwrite(notes, &(line.len() as u64).to_le_bytes(), LINE_LENGTH as u64)?;
    pwrite(notes, &requests.to_le_bytes(), REQUESTS as u64)?;
    pwrite(notes, &heartbeat.to_le_bytes(), HEARTBEAT as u64)?;
    Ok(())
}

impl Life {
    fn slot(&self) -> std::sync::MutexGuard<'_, Option<ArrivedHead>> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request_line(&self) -> Vec<u8> {
        match &*self.slot() {
            Some(arrived) => {
                let head = arrived.head();
                [head.method(), b" ", head.target(), b" ", arrived.version_text().as_bytes()].concat()
            }
            None => Vec::new(),
        }
    }
}

/// Access records on their way to the master: those of one turn of the loop in one write.
#[derive(Debug)]
struct Reports {
    wanted: AccessLog,
    pipe: OwnedFd,
    lines: RefCell<Vec<u8>>,
    some: Notify,
}

impl Reports {
    fn new(wanted: AccessLog, pipe: OwnedFd) -> Reports {
        Reports { wanted, pipe, lines: RefCell::default(), some: Notify::new() }
    }

    fn push(&self, answered: &Answered<'_>) {
        let mut lines = self.lines.borrow_mut();
        if lines.is_empty() {
            self.some.notify_one();
        }
        if let Err(error) = serde_json::to_writer(&mut *lines, &record(answered, &self.wanted)) {
            tracing::error!("a request cannot be reported: {error}");
        }
        lines.push(b'\n');
    }

    async fn send(self: Rc<Self>) {
        loop {
            self.some.notified().await;
            yield_now().await;
            if let Err(error) = self.flush() {
                tracing::error!("requests cannot be reported: {error}");
            }
        }
    }

    fn flush(&self) -> io::Result<()> {
        let lines = self.lines.take();
        let mut rest = lines.as_slice();
        while !rest.is_empty() {
            let written = rustix::io::write(&self.pipe, rest)?;
            rest = &rest[written..];
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Watcher {
    life: Arc<Life>,
    reports: Option<Rc<Reports>>,
    left: Rc<Cell<Option<u64>>>,
    give: watch::Sender<Order>,
}

impl Observer for Watcher {
    fn enter(&self, arrived: &ArrivedHead) {
        *self.life.slot() = Some(arrived.clone());
        self.life.beats.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        *self.life.slot() = None;
    }

    fn answered(&self, answered: &Answered<'_>) {
        self.life.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(reports) = &self.reports {
            reports.push(answered);
        }
        if let Some(left) = self.left.get() {
            self.left.set(Some(left.saturating_sub(1)));
            if left == 1 {
                tracing::info!("worker {} has served its requests and is to be replaced", std::process::id());
                Order::Finish.give(&self.give);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lab_worker::notes::{Notes, SIZE};
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    #[test]
    fn who_hangs_is_seen_in_its_request() {
        let notes = memfd_create("notes", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&notes, SIZE as u64).unwrap();
        let life = Arc::new(Life::default());
        *life.slot() = Some(ArrivedHead::new("GET", "/slow", "HTTP/1.1", &[]));
        keep_notes(Arc::clone(&life), notes.try_clone().unwrap()).unwrap();
        loop {
            let mut page = [0; SIZE];
            rustix::io::pread(&notes, &mut page, 0).unwrap();
            let notes = Notes::decode(&page).unwrap();
            assert!(notes.heartbeat >= SERVING);
            if notes.request.as_deref() == Some("GET /slow HTTP/1.1") {
                return;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_number_of_requests_varies_by_its_jitter() {
        let text = r#"{"app": "native:hello", "master": 1, "sockets": []}"#;
        let mut settings: WorkerSettings = serde_json::from_str(text).unwrap();
        assert_eq!(most_requests(&settings), None);
        settings.max_requests = 10;
        assert_eq!(most_requests(&settings), Some(10));
        settings.max_requests_jitter = 5;
        assert!((0..100).all(|_| most_requests(&settings).is_some_and(|most| (10..=15).contains(&most))));
    }
}
