//! The server of `lab run --serve`: the page of a run while it goes on, on a port of the loopback address.
//!
//! It sends the events of the run as server-sent events (HTML Living Standard, section 9.2), in the format of `--events`. The page is
//! the report of what the run has established so far, and at the end the report itself.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{Html, IntoResponse, Response, Sse};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use tokio::sync::{oneshot, watch};

use crate::record::Record;
use crate::report::render::page::{self, PageError};

/// How long the open pages may take to fetch the report at the end.
const REPORT_DEADLINE: Duration = Duration::from_secs(3);

/// A server whose port is bound, and whose thread starts with the first event: by then lab has moved to the cores of the load,
/// where the thread must be as well.
pub(super) struct LiveServer {
    title: String,
    address: SocketAddr,
    listener: Option<TcpListener>,
    state: Arc<LiveState>,
    running: Option<RunningServer>,
}

struct RunningServer {
    thread: JoinHandle<io::Result<()>>,
    stop: oneshot::Sender<()>,
}

/// What the requests see.
struct LiveState {
    address: SocketAddr,
    content: Mutex<Content>,
    /// The number of events so far.
    events: watch::Sender<usize>,
}

struct Content {
    /// The page until the report is written, then the report.
    page: String,
    /// The events as lines of JSON.
    lines: Vec<String>,
    /// The open streams of events.
    readers: usize,
    /// Set once `page` is the report.
    report: Option<ReportFetches>,
}

/// How often the report was fetched, of the times that it is waited for.
#[derive(Clone, Copy)]
struct ReportFetches {
    expected: usize,
    made: usize,
}

impl LiveServer {
    /// Binds a port that the kernel chooses.
    ///
    /// # Errors
    /// The port cannot be bound, or the page not be rendered.
    pub(super) fn bind(title: &str) -> anyhow::Result<LiveServer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let page = page::render_live(title, None)?;
        let content = Content { page, lines: Vec::new(), readers: 0, report: None };
        let state = LiveState { address, content: Mutex::new(content), events: watch::Sender::new(0) };
        Ok(LiveServer {
            title: title.to_owned(),
            address,
            listener: Some(listener),
            state: Arc::new(state),
            running: None,
        })
    }

    /// The address for a browser.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Passes an event on, as a line of JSON.
    pub(super) fn send(&mut self, line: String) {
        if let Some(listener) = self.listener.take() {
            self.running = Some(RunningServer::start(listener, Arc::clone(&self.state)));
        }
        let mut content = self.state.content();
        content.lines.push(line);
        let count = content.lines.len();
        drop(content);
        self.state.events.send_replace(count);
    }

    /// Shows what the run has established so far. It is rendered now, between two rounds, and not when a page fetches it, which
    /// may be within a round.
    ///
    /// # Errors
    /// The page cannot be rendered; the earlier one stays.
    pub(super) fn set_record(&mut self, record: &Record) -> Result<(), PageError> {
        let page = page::render_live(&self.title, Some(record))?;
        self.state.content().page = page;
        Ok(())
    }

    /// Serves the report instead of the page.
    pub(super) fn set_report(&mut self, report: &Path) -> io::Result<()> {
        let text = std::fs::read_to_string(report)?;
        let mut content = self.state.content();
        content.page = text;
        // Each open page fetches it once it receives the last event.
        content.report = Some(ReportFetches { expected: content.readers, made: 0 });
        Ok(())
    }

    /// Waits until the open pages have fetched the report, and stops.
    ///
    /// # Errors
    /// The server has failed.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let Some(RunningServer { thread, stop }) = self.running.take() else { return Ok(()) };
        let deadline = Instant::now() + REPORT_DEADLINE;
        let is_awaited = || self.state.content().report.is_some_and(|report| report.made < report.expected);
        while is_awaited() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        // A server that has ended by itself does not listen any more.
        let _ = stop.send(());
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the server of the live page has failed")))
    }
}

impl RunningServer {
    fn start(listener: TcpListener, state: Arc<LiveState>) -> RunningServer {
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let server = axum::serve(listener, router(state)).into_future();
                // Streams of events have no end, so that no end of them is waited for.
                tokio::select! {
                    ended = server => ended,
                    _ = stopped => Ok(()),
                }
            })
        });
        RunningServer { thread, stop }
    }
}

impl LiveState {
    fn content(&self) -> MutexGuard<'_, Content> {
        // A thread that panicked with the lock has left whole lines.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn router(state: Arc<LiveState>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/update", get(update))
        .route("/events", get(events))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), refuse_other_hosts))
        .with_state(state)
}

/// A page of another site must not read the run by a name that leads to this address (DNS rebinding).
async fn refuse_other_hosts(
    State(state): State<Arc<LiveState>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let port = state.address.port();
    let own = [state.address.to_string(), format!("localhost:{port}")];
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match own.iter().any(|name| name == host) {
        true => next.run(request).await,
        false => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn page(State(state): State<Arc<LiveState>>) -> Response {
    let mut content = state.content();
    if let Some(report) = &mut content.report {
        report.made += 1;
    }
    html(&content)
}

/// The same for a page that is open already, which fetches the report once more.
async fn update(State(state): State<Arc<LiveState>>) -> Response {
    html(&state.content())
}

fn html(content: &Content) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Html(content.page.clone())).into_response()
}

/// A stream of events that is open.
struct EventReader {
    state: Arc<LiveState>,
    events: watch::Receiver<usize>,
    next: usize,
}

impl Drop for EventReader {
    fn drop(&mut self) {
        self.state.content().readers -= 1;
    }
}

/// All events from the first one on, whenever a page is opened.
async fn events(State(state): State<Arc<LiveState>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    state.content().readers += 1;
    let events = state.events.subscribe();
    let reader = EventReader { state, events, next: 0 };
    let stream = stream::unfold(reader, |mut reader| async move {
        loop {
            let line = reader.state.content().lines.get(reader.next).cloned();
            if let Some(line) = line {
                reader.next += 1;
                return Some((Ok(Event::default().data(line)), reader));
            }
            // The sender lives as long as the state.
            reader.events.changed().await.ok()?;
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::new())
}
