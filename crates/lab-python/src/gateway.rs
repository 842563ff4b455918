//! One exchange: from a request head to the last byte of its response.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use lab_http::connection::{Judged, judge_request};
use lab_http::extensions::{ArrivedHead, ConnectionInfo};
use lab_http::{BodyDecoder, ReadError};
use lab_net::Stream;
use lab_net::spool::Spool;
use lab_worker::connection::{Connection, Ending};
use lab_worker::response::Asked;
use lab_worker::wsgi::environ::EnvironError;
use lab_worker::wsgi::response::Started;
use lab_worker::{Gateway, Order};
use pyo3::prelude::*;
use rustix::fs::sendfile;
use rustix::io::pread;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::access::AccessLog;
use crate::body::{BODY_IN_MEMORY, Body, Expectation, Failure, Remains, Unasked};
use crate::call::{self, Application, Client, Job, Outcome};
use crate::notes;
use crate::outbox::Outbox;
use crate::outlet::Socket;
use crate::pool::Pool;
use crate::response::FilePart;

/// Bytes of a file that are encrypted at a time.
const FILE_BLOCK: usize = 64 * 1024;

/// Answers requests with a WSGI application.
#[derive(Clone)]
pub(crate) struct WsgiGateway {
    worker: Rc<Duties>,
    /// Made with the first request of a connection.
    client: Option<OfConnection>,
}

/// What one worker does and has done.
pub(crate) struct Duties {
    pub(crate) application: Arc<Application>,
    /// The threads that call the application; without them it is called in place.
    pub(crate) pool: Option<Pool>,
    /// Where quick answers wait for each other, if the application is called in place.
    pub(crate) outbox: Option<Outbox>,
    pub(crate) access_log: Option<Rc<AccessLog>>,
    pub(crate) orders: watch::Sender<Order>,
    /// Requests to serve before the worker ends; 0 for all.
    pub(crate) max_requests: u64,
    /// How long an application may wait for a body that it asks for.
    pub(crate) body_patience: Duration,
    pub(crate) served: Cell<u64>,
    pub(crate) in_progress: Cell<u64>,
}

/// What the requests of one connection share.
#[derive(Clone)]
struct OfConnection {
    client: Arc<Client>,
    /// For calls on other threads.
    socket: Option<Socket>,
}

impl WsgiGateway {
    pub(crate) fn new(worker: Rc<Duties>) -> WsgiGateway {
        WsgiGateway { worker, client: None }
    }

    /// What is known of the connection.
    fn client(&mut self, connection: &mut Connection<Stream>) -> Result<OfConnection, Ending> {
        if let Some(known) = &self.client {
            return Ok(known.clone());
        }
        let application = &self.worker.application;
        let info = *connection.info();
        let proxied = connection.proxied().copied();
        let environ = Python::attach(|py| application.environs.of_connection(py, &info, proxied)).map_err(|error| {
            tracing::error!("{info}: cannot be served: {error}");
            Ending::Close
        })?;
        let socket = match &self.worker.pool {
            None => None,
            Some(_) => Some(Socket::duplicate(connection.incoming()?.io()).map_err(|_| Ending::Close)?),
        };
        let client = Arc::new(Client { environ, is_trusted: application.policy.trusts(&info) });
        Ok(self.client.insert(OfConnection { client, socket }).clone())
    }

    /// Reads all of a request body, so that a client that sends it slowly keeps nobody else waiting.
    async fn body(
        &self,
        connection: &mut Connection<Stream>,
        judged: &Judged<'_>,
        asked: Asked,
        socket: &Socket,
    ) -> Result<Body, Ending> {
        let mut decoder = BodyDecoder::new(judged.body, &connection.settings().limits);
        // Who has sent some of the body already does not wait to be asked for it (RFC 9110 §10.1.1).
        if judged.expects_continue && connection.incoming()?.buffered().is_empty() {
            let socket = socket.owned().map_err(|_| Ending::Close)?;
            let (expectation, patience) = (Expectation::default(), self.worker.body_patience);
            return Ok(Body::Unasked(Box::new(Unasked { socket, decoder, expectation, patience })));
        }
        let mut spool = Spool::new(BODY_IN_MEMORY, decoder.left());
        loop {
            match connection.body_piece(&mut decoder).await {
                Ok(Some(content)) => {
                    if let Err(error) = spool.push(content) {
                        return Err(cannot_spool(connection, asked, &error).await);
                    }
                }
                Ok(None) => break,
                Err(ReadError::Refused(refusal)) => return Err(connection.refuse(asked.head, refusal).await),
                Err(ReadError::Io(_)) => return Err(Ending::Close),
            }
        }
        Ok(Body::Arrived(spool.finish()))
    }

    /// Has the application called: in place, or on one of the threads.
    async fn call(&self, job: Job) -> Outcome {
        let worker = &self.worker;
        notes::begin(job.arrived.head());
        worker.in_progress.set(worker.in_progress.get() + 1);
        let outcome = match &worker.pool {
            None => Python::attach(|py| worker.application.call(py, job)),
            Some(pool) => pool.call(job).await,
        };
        worker.in_progress.set(worker.in_progress.get() - 1);
        notes::end(worker.in_progress.get() == 0);
        outcome
    }
}

impl Gateway<Stream> for WsgiGateway {
    async fn exchange(&mut self, connection: &mut Connection<Stream>, arrived: ArrivedHead) -> Result<(), Ending> {
        let asked = Asked { head: arrived.head().method() == b"HEAD", version: arrived.head().version };
        let judged = match judge_request(arrived.head()) {
            Ok(judged) => judged,
            Err(refusal) => return Err(connection.refuse(asked.head, refusal).await),
        };
        let OfConnection { client, socket } = self.client(connection)?;
        let socket = match socket {
            Some(socket) => socket,
            None => Socket::borrowed(connection.incoming()?.io()),
        };
        let body = if judged.body.is_empty() {
            Body::Empty
        } else {
            // A request that is refused anyway is refused before its body is read.
            let variables = self.worker.application.policy.variables(arrived.head(), &judged.target, client.is_trusted);
            if let Err(error) = variables {
                return Err(refuse(connection, asked, error).await);
            }
            self.body(connection, &judged, asked, &socket).await?
        };
        self.worker.count();
        let began = self.worker.access_log.as_ref().map(|log| log.begin());
        let job = Job {
            client: Arc::clone(&client),
            arrived: arrived.clone(),
            body,
            asked,
            persistent: judged.persistent && connection.may_persist(),
            socket,
            buffer: std::mem::take(connection.buffer()),
            patience: connection.settings().send_timeout,
            outbox: self.worker.outbox.clone(),
        };
        let mut outcome = self.call(job).await;
        let answered = answer(connection, asked, &mut outcome).await;
        if let (Some(log), Some(began)) = (&self.worker.access_log, began)
            && !matches!(outcome.ending, call::Ending::Refused(_))
            && let Ok(variables) =
                self.worker.application.policy.variables(arrived.head(), &judged.target, client.is_trusted)
        {
            let status = outcome.head.as_ref().map_or(500, Started::status);
            let remote_addr = remote_addr(&connection.client());
            log.record(began, arrived.head(), &variables, remote_addr, &outcome, status).await;
        }
        answered
    }
}

impl Duties {
    /// Counts a request; after the last one the worker is to end.
    fn count(&self) {
        self.served.set(self.served.get() + 1);
        if self.served.get() == self.max_requests {
            tracing::info!("worker {} ends after {} requests", std::process::id(), self.max_requests);
            Order::Finish.give(&self.orders);
        }
    }
}

/// Writes what the application left to be written, and makes the connection ready for the next request.
async fn answer(connection: &mut Connection<Stream>, asked: Asked, outcome: &mut Outcome) -> Result<(), Ending> {
    match &outcome.ending {
        call::Ending::Refused(error) => return Err(refuse(connection, asked, error.clone()).await),
        call::Ending::Failed => {
            return Err(match outcome.body_failure() {
                Some(Failure::Refused(refusal)) => connection.refuse(asked.head, refusal).await,
                Some(Failure::Connection) => Ending::Close,
                _ => connection.fail(asked.head).await,
            });
        }
        call::Ending::Persist | call::Ending::Close => {}
    }
    *connection.buffer() = match outcome.ticket.take() {
        None => std::mem::take(&mut outcome.buffer),
        Some(ticket) => {
            // Whoever is ready is served first.
            yield_now().await;
            let mut unsent = ticket.redeem();
            unsent.append(&mut outcome.buffer);
            unsent
        }
    };
    connection.flush().await?;
    if let Some(part) = outcome.file.take() {
        send_file(connection, part).await?;
    }
    match outcome.remains.take() {
        Some(Remains::Read(behind)) => connection.incoming()?.give_back(&behind),
        Some(Remains::Unasked | Remains::Failed(_)) => return Err(Ending::Linger),
        None => {}
    }
    if outcome.ending == call::Ending::Persist {
        return Ok(());
    }
    Err(if connection.incoming()?.buffered().is_empty() { Ending::Close } else { Ending::Linger })
}

/// Sends a part of a file, without its bytes passing through this process unless they are to be encrypted here.
async fn send_file(connection: &mut Connection<Stream>, part: FilePart) -> Result<(), Ending> {
    let patience = connection.settings().send_timeout;
    let (mut offset, end) = (part.offset, part.offset + part.length);
    while offset < end {
        let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
        if connection.settings().is_tls {
            let mut block = vec![0; left.min(FILE_BLOCK)];
            let read = pread(&part.file, &mut block, offset).unwrap_or(0);
            // The file has become shorter, or cannot be read any more.
            if read == 0 {
                return Err(Ending::Close);
            }
            offset += read as u64;
            connection.buffer().extend_from_slice(&block[..read]);
            connection.flush().await?;
            continue;
        }
        let stream = connection.incoming()?.io();
        let send = || sendfile(stream, &part.file, Some(&mut offset), left).map_err(io::Error::from);
        match timeout(patience, stream.write_with(send)).await {
            // The file has become shorter; what is missing cannot be made up for.
            Ok(Ok(0)) => return Err(Ending::Close),
            Ok(Ok(_)) => {}
            _ => return Err(Ending::Close),
        }
    }
    Ok(())
}

async fn refuse(connection: &mut Connection<Stream>, asked: Asked, error: EnvironError) -> Ending {
    match error {
        EnvironError::Refused(refusal) => connection.refuse(asked.head, refusal).await,
        EnvironError::ScriptName { .. } => {
            tracing::error!("{error}");
            connection.fail(asked.head).await
        }
    }
}

async fn cannot_spool(connection: &mut Connection<Stream>, asked: Asked, error: &io::Error) -> Ending {
    let folder = std::env::temp_dir();
    tracing::error!("cannot keep a request body in {}: {error}", folder.display());
    connection.fail(asked.head).await
}

fn remote_addr(info: &ConnectionInfo) -> String {
    match info {
        ConnectionInfo::Tcp { peer, .. } => peer.ip().to_string(),
        ConnectionInfo::Unix => String::new(),
    }
}
