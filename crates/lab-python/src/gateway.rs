//! Serves a request on the event loop: reads its body, calls the application, and sends what the call left unsent.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lab_http::h1::request::ValidRequest;
use lab_http::h1::write::CONTINUE;
use lab_http::message::extensions::{ConnectionInfo, RawHead};
use lab_http::{BodyDecoder, ReadError, RequestHead};
use lab_net::Stream;
use lab_worker::admission::admit;
use lab_worker::connection::{Connection, ConnectionEnd};
use lab_worker::response::RequestMeta;
use lab_worker::wsgi::environ::EnvironError;
use lab_worker::{Gateway, ShutdownState};
use pyo3::Python;
use rustix::fs::sendfile;
use rustix::io::pread;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::access_reporter::AccessReporter;
use crate::call::{Application, Call, CallOutcome, CallResult, ConnectionContext};
use crate::client_socket::ClientSocket;
use crate::completed_request::{CompletedRequest, StartTime};
use crate::executor::Executor;
use crate::request_body::{AwaitingBody, BODY_IN_MEMORY, BodyFailure, BodyRemainder, Expectation, RequestBody};
use crate::response::FileRange;
use crate::response_batch::{QUICK_CALL, QUICK_CALL_ALONE, ResponseBatch};
use crate::response_writer::{SendLimits, UnsentBytes};
use crate::scoreboard;
use lab_net::spool::{Spool, SpoolReader};

/// How many bytes of a file are encrypted at a time.
const FILE_BLOCK: usize = 64 * 1024;

/// Serves requests with a WSGI application.
#[derive(Clone)]
pub(crate) struct WsgiGateway {
    worker: Rc<WorkerState>,
    /// Set by the first request of a connection.
    connection: Option<ConnectionState>,
}

/// What all connections of a worker share.
pub(crate) struct WorkerState {
    pub(crate) application: Arc<Application>,
    pub(crate) executor: Executor,
    /// Batches responses; None for calls on other threads.
    pub(crate) batch: Option<ResponseBatch>,
    pub(crate) access_reporter: Option<Rc<AccessReporter>>,
    pub(crate) shutdown: watch::Sender<ShutdownState>,
    /// The number of requests after which the worker ends; 0 for no limit.
    pub(crate) max_requests: u64,
    /// How long an application may wait for a body after `100 Continue`.
    pub(crate) continue_timeout: Duration,
    pub(crate) served: Cell<u64>,
    pub(crate) in_progress: Cell<u64>,
}

/// What the requests of one connection share.
#[derive(Clone)]
struct ConnectionState {
    context: Arc<ConnectionContext>,
    /// A duplicate of the socket for calls on other threads.
    socket: Option<ClientSocket>,
}

/// A request that the scoreboard shows until this is dropped.
struct RequestInProgress<'w>(&'w WorkerState);

impl Drop for RequestInProgress<'_> {
    fn drop(&mut self) {
        let in_progress = &self.0.in_progress;
        in_progress.set(in_progress.get() - 1);
        scoreboard::end(in_progress.get() == 0);
    }
}

impl WsgiGateway {
    pub(crate) fn new(worker: Rc<WorkerState>) -> WsgiGateway {
        WsgiGateway { worker, connection: None }
    }

    fn connection_state(&mut self, connection: &mut Connection<Stream>) -> Result<ConnectionState, ConnectionEnd> {
        if let Some(state) = &self.connection {
            return Ok(state.clone());
        }
        let info = *connection.info();
        let socket = if self.worker.executor.is_event_loop() {
            None
        } else {
            Some(ClientSocket::duplicate(connection.incoming()?.io()).map_err(|_| ConnectionEnd::Close)?)
        };
        let is_trusted = self.worker.application.policy.trusts(&info);
        let context = Arc::new(ConnectionContext::new(info, connection.proxied().copied(), is_trusted));
        Ok(self.connection.insert(ConnectionState { context, socket }).clone())
    }

    /// Reads the whole request body before the call, so a slow client does not occupy the application. A client that waits
    /// for `100 Continue` gets it here, unless the call may wait for a body: there the first read asks for it.
    async fn read_body(
        &self,
        connection: &mut Connection<Stream>,
        valid: &ValidRequest<'_>,
        meta: RequestMeta,
        socket: &ClientSocket,
    ) -> Result<RequestBody, ConnectionEnd> {
        let decoder = BodyDecoder::new(valid.body, &connection.config().limits);
        // A client that has begun to send the body no longer waits for 100 Continue (RFC 9110 §10.1.1).
        if valid.expects_continue && connection.incoming()?.buffered().is_empty() {
            if self.worker.executor.may_wait_for_body() {
                return Ok(RequestBody::AwaitingContinue(Box::new(AwaitingBody {
                    socket: socket.to_owned_socket().map_err(|_| ConnectionEnd::Close)?,
                    decoder,
                    expectation: Expectation::default(),
                    spool_share: connection.config().spool_share,
                    timeout: self.worker.continue_timeout,
                })));
            }
            connection.buffer().extend_from_slice(CONTINUE);
            connection.flush().await?;
        }
        match spool_body(connection, decoder).await {
            Ok(body) => Ok(RequestBody::Received(body)),
            Err(failure) => Err(send_body_failure(connection, meta, Some(failure)).await),
        }
    }

    /// Shows a request on the scoreboard while the application is called, unless the calls do so themselves.
    fn show_request(&self, head: &RequestHead) -> Option<RequestInProgress<'_>> {
        let worker = &*self.worker;
        if worker.executor.shows_requests() {
            return None;
        }
        scoreboard::begin(head);
        worker.in_progress.set(worker.in_progress.get() + 1);
        Some(RequestInProgress(worker))
    }
}

impl Gateway<Stream> for WsgiGateway {
    async fn exchange(&mut self, connection: &mut Connection<Stream>, arrived: RawHead) -> Result<(), ConnectionEnd> {
        let meta = RequestMeta { is_head: arrived.head().method() == b"HEAD", version: arrived.head().version };
        let valid = match admit(arrived.head(), &connection.config().limits) {
            Ok(valid) => valid,
            Err(refusal) => return Err(connection.refuse(meta.is_head, refusal).await),
        };
        let ConnectionState { context, socket } = self.connection_state(connection)?;
        let socket = match socket {
            Some(socket) => socket,
            None => ClientSocket::borrowed(connection.incoming()?.io()),
        };
        let body = if valid.body.is_empty() {
            RequestBody::Empty
        } else {
            // Refuse an invalid request before its body is read.
            let variables = self.worker.application.policy.variables(arrived.head(), &valid.target, context.is_trusted);
            if let Err(error) = variables {
                return Err(send_environ_error(connection, meta, error).await);
            }
            self.read_body(connection, &valid, meta, &socket).await?
        };
        self.worker.count_request();
        let start = self.worker.access_reporter.as_ref().map(|_| StartTime::now());
        let call = Call {
            connection: Arc::clone(&context),
            arrived: arrived.clone(),
            body,
            meta,
            keep_alive: valid.persistent && connection.may_keep_alive(),
            socket,
            buffer: std::mem::take(connection.buffer()),
            send_limits: send_limits(connection, &self.worker.executor),
            batch: self.worker.batch.clone(),
        };
        let shown = self.show_request(call.arrived.head());
        // Without a future around it, a call on this thread is not moved.
        let mut result = match &self.worker.executor {
            Executor::EventLoop => Python::attach(|py| self.worker.application.call(py, call)),
            Executor::Threads(pool) => pool.call(call).await,
            Executor::Hub(queue) => queue.call(call).await,
        };
        drop(shown);
        let sent = send_result(connection, meta, &mut result).await;
        if let (Some(reporter), Some(start)) = (&self.worker.access_reporter, start)
            && !matches!(result.outcome, CallOutcome::Refused(_) | CallOutcome::TakenOver)
            && let Ok(variables) =
                self.worker.application.policy.variables(arrived.head(), &valid.target, context.is_trusted)
        {
            let request = CompletedRequest {
                start,
                head: arrived.head(),
                variables: &variables,
                remote_addr: remote_addr(&connection.client_info()),
                response: result.head.as_ref(),
                sent_bytes: result.sent_bytes,
                environ: result.logged_variables,
            };
            reporter.report(&self.worker.executor, request).await;
        }
        sent
    }
}

impl WorkerState {
    /// Counts a request. The last one that the worker may serve starts its shutdown.
    fn count_request(&self) {
        self.served.set(self.served.get() + 1);
        if self.served.get() == self.max_requests {
            tracing::info!("worker {} ends after {} requests", std::process::id(), self.max_requests);
            ShutdownState::Graceful.announce(&self.shutdown);
            scoreboard::retire();
        }
    }
}

/// Sends the unsent part of a response, or an error response, and makes the connection ready for the next request.
async fn send_result(
    connection: &mut Connection<Stream>,
    meta: RequestMeta,
    result: &mut CallResult,
) -> Result<(), ConnectionEnd> {
    match &result.outcome {
        CallOutcome::Refused(error) => return Err(send_environ_error(connection, meta, error.clone()).await),
        CallOutcome::Failed => {
            return Err(send_body_failure(connection, meta, result.body_failure()).await);
        }
        CallOutcome::TakenOver => return Err(ConnectionEnd::Close),
        CallOutcome::KeepAlive | CallOutcome::Close => {}
    }
    send_unsent(connection, std::mem::take(&mut result.unsent)).await?;
    if let Some(range) = result.file.take() {
        send_file(connection, range).await?;
    }
    match result.body_remainder.take() {
        Some(BodyRemainder::Read(behind)) => connection.incoming()?.unread(&behind),
        Some(BodyRemainder::NotRequested | BodyRemainder::Failed(_)) => return Err(ConnectionEnd::Linger),
        None => {}
    }
    if result.outcome == CallOutcome::KeepAlive {
        return Ok(());
    }
    Err(if connection.incoming()?.buffered().is_empty() { ConnectionEnd::Close } else { ConnectionEnd::Linger })
}

async fn send_unsent(connection: &mut Connection<Stream>, unsent: UnsentBytes) -> Result<(), ConnectionEnd> {
    let UnsentBytes { spool, ticket, mut buffer, content, memory: _claimed } = unsent;
    if let Some(mut spool) = spool {
        loop {
            let block = spool.next_block().map_err(|error| {
                tracing::error!("the rest of a response is lost: {error}");
                ConnectionEnd::Close
            })?;
            if block.is_empty() {
                break;
            }
            connection.send(block).await?;
            let sent = block.len();
            spool.advance(sent);
        }
    }
    *connection.buffer() = match ticket {
        None => buffer,
        Some(ticket) => {
            let is_alone = connection.is_alone();
            if !is_alone {
                // Every ready request is served first; their responses join the batch.
                yield_now().await;
            }
            let mut unsent = ticket.redeem();
            unsent.append(&mut buffer);
            if !is_alone {
                // A client that sends its next request at once waits for its turn again.
                yield_now().await;
            }
            unsent
        }
    };
    match content {
        None => connection.flush().await,
        Some(content) => connection.send(&content).await,
    }
}

fn send_limits(connection: &Connection<Stream>, executor: &Executor) -> SendLimits {
    let config = connection.config();
    SendLimits {
        quick_call: if connection.is_alone() { QUICK_CALL_ALONE } else { QUICK_CALL },
        is_read_ahead: !matches!(executor, Executor::Hub(_)),
        send_timeout: config.send_timeout,
        longest_wait: config.longest_wait,
        spool: config.response_spool,
        spool_share: config.spool_share,
    }
}

/// Sends a part of a file: with `sendfile`, or over TLS in blocks that are encrypted here.
async fn send_file(connection: &mut Connection<Stream>, range: FileRange) -> Result<(), ConnectionEnd> {
    let send_timeout = connection.config().send_timeout;
    let (mut offset, end) = (range.offset, range.offset + range.length);
    while offset < end {
        let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
        if connection.config().is_tls() {
            let mut block = vec![0; left.min(FILE_BLOCK)];
            let read = pread(&range.file, &mut block, offset).unwrap_or(0);
            // The file was truncated, or can no longer be read.
            if read == 0 {
                return Err(ConnectionEnd::Close);
            }
            offset += read as u64;
            connection.buffer().extend_from_slice(&block[..read]);
            connection.flush().await?;
            continue;
        }
        let stream = connection.incoming()?.io();
        let send = || sendfile(stream, &range.file, Some(&mut offset), left).map_err(io::Error::from);
        match timeout(send_timeout, stream.write_with(send)).await {
            // The file was truncated, so the response cannot be completed.
            Ok(Ok(0)) => return Err(ConnectionEnd::Close),
            Ok(Ok(_)) => {}
            _ => return Err(ConnectionEnd::Close),
        }
    }
    Ok(())
}

async fn send_environ_error(
    connection: &mut Connection<Stream>,
    meta: RequestMeta,
    error: EnvironError,
) -> ConnectionEnd {
    match error {
        EnvironError::Refused(refusal) => connection.refuse(meta.is_head, refusal).await,
        EnvironError::ScriptName { .. } => {
            tracing::error!("{error}");
            connection.send_server_error(meta.is_head).await
        }
    }
}

/// Reads a body to its end. What was kept of one that fails is given up before its client gets the response.
async fn spool_body(connection: &mut Connection<Stream>, mut decoder: BodyDecoder) -> Result<SpoolReader, BodyFailure> {
    let mut spool = Spool::new(BODY_IN_MEMORY, decoder.remaining(), connection.config().spool_share);
    loop {
        match connection.read_body(&mut decoder).await {
            Ok(Some(content)) => spool.push(content).map_err(|error| BodyFailure::from_spool_error(&error))?,
            Ok(None) => return Ok(spool.finish()),
            Err(ReadError::Refused(refusal)) => return Err(refusal.into()),
            Err(ReadError::Io(_)) => return Err(BodyFailure::Connection),
        }
    }
}

/// Sends the error response of a request on which the application failed, or was not called: what was wrong with the body
/// if that was the reason, and a 500 otherwise.
async fn send_body_failure(
    connection: &mut Connection<Stream>,
    meta: RequestMeta,
    failure: Option<BodyFailure>,
) -> ConnectionEnd {
    match failure {
        Some(BodyFailure::Refused(refusal)) => connection.refuse(meta.is_head, refusal).await,
        Some(BodyFailure::Connection) => ConnectionEnd::Close,
        _ => connection.send_server_error(meta.is_head).await,
    }
}

fn remote_addr(info: &ConnectionInfo) -> String {
    match info {
        ConnectionInfo::Tcp { peer, .. } => peer.ip().to_string(),
        ConnectionInfo::Unix => String::new(),
    }
}
