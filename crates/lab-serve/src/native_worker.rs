//! A worker for a native application: a tower service on the worker's own thread, with a second thread that keeps the
//! scoreboard.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use lab_http::message::extensions::RawHead;
use lab_net::Listener;
use lab_worker::bootstrap::{AccessLogSettings, WorkerSettings};
use lab_worker::native::observer::{CompletedRequest, Observer};
use lab_worker::scoreboard::{HEARTBEAT, LINE, LINE_LENGTH, LONGEST_LINE, REQUESTS, RETIRING, SERVING};
use lab_worker::worker::{self, WorkerError};
use lab_worker::{RequestBody, ServiceGateway, ShutdownState, WorkerConfig};
use rustix::io::pwrite;
use tokio::sync::{Notify, watch};
use tokio::task::{spawn_local, yield_now};
use tower_service::Service;

use crate::arbiter::handover::Descriptors;
use crate::logging::native_record::access_record;

/// How often the scoreboard thread checks the worker.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);
/// How often an idle worker beats; less than [`CHECK_INTERVAL`].
const BEAT_INTERVAL: Duration = Duration::from_millis(100);

/// Serves `app` until a signal ends the worker, or it has served `max_requests`.
///
/// # Errors
/// The settings are invalid, or the sockets cannot be served.
pub fn serve<S, B>(app: S, settings: &WorkerSettings, descriptors: Descriptors) -> Result<(), WorkerError>
where
    S: Service<Request<RequestBody>, Response = Response<B>> + Clone + 'static,
    S::Error: Display,
    B: Body<Data = Bytes> + 'static,
    B::Error: Display,
{
    let config = WorkerConfig::new(settings)?;
    if let Some(folder) = &settings.tmp_upload_dir {
        lab_net::spool::set_folder(folder.clone());
    }
    let failed = |error| WorkerError::Io { what: "serve the listening sockets", error };
    let served = worker::runtime()?.block_on(async {
        let (announce, shutdown) = watch::channel(ShutdownState::Running);
        worker::announce_shutdown_on_signals(announce.clone())?;
        let listeners = descriptors.sockets.into_iter().map(Listener::new).collect::<io::Result<Vec<_>>>()?;
        let activity = Arc::new(Activity::default());
        keep_scoreboard(Arc::clone(&activity), descriptors.scoreboard)?;
        let access_log = settings.access_log.clone().zip(descriptors.access);
        let reporter = access_log.map(|(settings, pipe)| Rc::new(AccessReporter::new(settings, pipe)));
        if let Some(reporter) = &reporter {
            spawn_local(Rc::clone(reporter).run());
        }
        spawn_local(beat(Arc::clone(&activity)));
        let requests_left = Rc::new(Cell::new(request_limit(settings)));
        let observer = WorkerObserver { activity, reporter: reporter.clone(), requests_left, announce };
        worker::serve(listeners, ServiceGateway(app, observer), config, shutdown).await?;
        reporter.map_or(Ok(()), |reporter| reporter.flush())
    });
    served.map_err(failed)
}

/// The number of requests after which the worker ends (gunicorn's `max_requests` and its jitter); None for no limit.
fn request_limit(settings: &WorkerSettings) -> Option<u64> {
    // The random keys of hash maps are good enough to keep workers from ending together.
    let random = RandomState::new().build_hasher().finish();
    let jitter = settings.max_requests_jitter.checked_add(1).map_or(random, |end| random % end);
    (settings.max_requests > 0).then(|| settings.max_requests.saturating_add(jitter))
}

/// What a worker is doing, shared with its scoreboard thread.
#[derive(Debug, Default)]
struct Activity {
    /// Increases with everything that happens.
    beats: AtomicU64,
    requests: AtomicU64,
    is_retiring: AtomicBool,
    /// The request the application is running for.
    request: Mutex<Option<RawHead>>,
}

async fn beat(activity: Arc<Activity>) {
    loop {
        activity.beats.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(BEAT_INTERVAL).await;
    }
}

/// Writes the scoreboard from a thread of its own: a worker that hangs could not write the request it hangs in, and
/// requests cost no system call. The first heartbeat is written at once, because the arbiter waits for it.
fn keep_scoreboard(activity: Arc<Activity>, scoreboard: OwnedFd) -> io::Result<()> {
    pwrite(&scoreboard, &SERVING.to_le_bytes(), HEARTBEAT as u64)?;
    let keep = move || {
        let (mut last_beats, mut heartbeat) = (u64::MAX, SERVING);
        loop {
            std::thread::sleep(CHECK_INTERVAL);
            let beats = activity.beats.load(Ordering::Relaxed);
            let line = if beats == last_beats { activity.request_line() } else { Vec::new() };
            if beats != last_beats {
                heartbeat += 1;
            }
            last_beats = beats;
            // A worker whose scoreboard cannot be written looks hung to the arbiter, which replaces it.
            let _ = activity.write(&scoreboard, heartbeat, &line);
        }
    };
    std::thread::Builder::new().name("scoreboard".to_owned()).spawn(keep).map(drop)
}

impl Activity {
    fn write(&self, file: &OwnedFd, heartbeat: u64, line: &[u8]) -> io::Result<()> {
        let line = &line[..line.len().min(LONGEST_LINE)];
        let number = |number: u64, offset: usize| pwrite(file, &number.to_le_bytes(), offset as u64).map(drop);
        pwrite(file, line, LINE as u64)?;
        number(line.len() as u64, LINE_LENGTH)?;
        number(self.requests.load(Ordering::Relaxed), REQUESTS)?;
        number(self.is_retiring.load(Ordering::Relaxed).into(), RETIRING)?;
        number(heartbeat, HEARTBEAT)?;
        Ok(())
    }

    fn current_request(&self) -> std::sync::MutexGuard<'_, Option<RawHead>> {
        self.request.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request_line(&self) -> Vec<u8> {
        match &*self.current_request() {
            Some(arrived) => {
                let head = arrived.head();
                [head.method(), b" ", head.target(), b" ", arrived.version_text().as_bytes()].concat()
            }
            None => Vec::new(),
        }
    }
}

/// Sends access records to the arbiter, those of one turn of the event loop in one write.
#[derive(Debug)]
struct AccessReporter {
    settings: AccessLogSettings,
    pipe: OwnedFd,
    lines: RefCell<Vec<u8>>,
    has_lines: Notify,
}

impl AccessReporter {
    fn new(settings: AccessLogSettings, pipe: OwnedFd) -> AccessReporter {
        AccessReporter { settings, pipe, lines: RefCell::default(), has_lines: Notify::new() }
    }

    fn push(&self, request: &CompletedRequest<'_>) {
        let mut lines = self.lines.borrow_mut();
        if lines.is_empty() {
            self.has_lines.notify_one();
        }
        if let Err(error) = serde_json::to_writer(&mut *lines, &access_record(request, &self.settings)) {
            tracing::error!("an access record cannot be encoded: {error}");
        }
        lines.push(b'\n');
    }

    async fn run(self: Rc<Self>) {
        loop {
            self.has_lines.notified().await;
            yield_now().await;
            if let Err(error) = self.flush() {
                tracing::error!("access records cannot be sent: {error}");
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
struct WorkerObserver {
    activity: Arc<Activity>,
    reporter: Option<Rc<AccessReporter>>,
    requests_left: Rc<Cell<Option<u64>>>,
    announce: watch::Sender<ShutdownState>,
}

impl Observer for WorkerObserver {
    fn on_enter(&self, arrived: &RawHead) {
        *self.activity.current_request() = Some(arrived.clone());
        self.activity.beats.fetch_add(1, Ordering::Relaxed);
    }

    fn on_leave(&self) {
        *self.activity.current_request() = None;
    }

    fn on_complete(&self, request: &CompletedRequest<'_>) {
        self.activity.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(reporter) = &self.reporter {
            reporter.push(request);
        }
        if let Some(left) = self.requests_left.get() {
            self.requests_left.set(Some(left.saturating_sub(1)));
            if left == 1 {
                tracing::info!("worker {} ends after max_requests requests", std::process::id());
                ShutdownState::Graceful.announce(&self.announce);
                self.activity.is_retiring.store(true, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lab_worker::scoreboard::{SIZE, Scoreboard};
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

    use super::*;

    #[test]
    fn hung_worker_shows_its_request() {
        let file = memfd_create("scoreboard", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, SIZE as u64).unwrap();
        let activity = Arc::new(Activity::default());
        *activity.current_request() = Some(RawHead::new("GET", "/slow", "HTTP/1.1", &[]));
        keep_scoreboard(Arc::clone(&activity), file.try_clone().unwrap()).unwrap();
        loop {
            let mut page = [0; SIZE];
            rustix::io::pread(&file, &mut page, 0).unwrap();
            let scoreboard = Scoreboard::decode(&page).unwrap();
            assert!(scoreboard.heartbeat >= SERVING);
            if scoreboard.request.as_deref() == Some("GET /slow HTTP/1.1") {
                return;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn request_limit_varies_by_its_jitter() {
        let text = r#"{"app": "native:hello", "arbiter": 1, "sockets": []}"#;
        let mut settings: WorkerSettings = serde_json::from_str(text).unwrap();
        assert_eq!(request_limit(&settings), None);
        settings.max_requests = 10;
        assert_eq!(request_limit(&settings), Some(10));
        settings.max_requests_jitter = 5;
        assert!((0..100).all(|_| request_limit(&settings).is_some_and(|limit| (10..=15).contains(&limit))));
    }
}
