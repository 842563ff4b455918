//! The start of a client's connection: PROXY header and TLS handshake.

use std::net::SocketAddr;
use std::sync::Arc;

use lab_http::{Limits, RequestHead, Version};
use lab_net::Stream;
use lab_net::tls::{ClientOffer, PeerRole, SessionDetails, UnixTime, VerificationError};

use crate::config::logs::Severity;
use crate::config::server::Server;
use crate::context::{RequestContext, WorkerContext};
use crate::downstream::client_io::ClientIo;
use crate::eval::{ClientConnection, ClientHandshake};
use crate::routing::request::Request;
use crate::tls::{ListenTls, Selection};
use crate::variables::{Template, VariableValues};

/// Where a connection was accepted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted<'a> {
    /// Its slot among the worker's connections.
    pub(crate) slot: usize,
    /// The client's address; none on a unix socket.
    pub(crate) peer: Option<SocketAddr>,
    /// The `listen`s of the socket, as indexes into the configuration.
    pub(crate) listens: &'a [usize],
}

/// A connection that is ready for HTTP.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    /// Bytes that were read already.
    pub(crate) received: Vec<u8>,
}

/// Reads the PROXY header and performs the handshake, if the `listen` has them. None ends the connection.
pub(crate) async fn open(
    worker: &WorkerContext,
    accepted: Accepted<'_>,
    listen: usize,
    connection: &mut ClientConnection,
    mut stream: Stream,
) -> Option<Opened> {
    let config = &worker.config.listens[listen];
    let default_server = &worker.config.servers[config.default_server];
    let tls = worker.tls.listen(listen);
    if !config.proxy_protocol && tls.is_none() {
        return Some(Opened { stream, received: Vec::new() });
    }
    let limit = default_server.request_head.timeout;
    let mut client = ClientIo::new(&mut stream, Limits::default());
    if config.proxy_protocol {
        match client.read_proxy_header(limit).await {
            Ok((addresses, header)) => {
                connection.announced = addresses;
                connection.proxy_header = header;
            }
            Err(header) => {
                let message = format!("broken header: \"{}\"", header.escape_ascii());
                worker.logs.error(&default_server.config().error_log, Severity::Error, &message, None);
                return None;
            }
        }
    }
    if tls.is_some() && !client.wait(worker, accepted.slot, limit).await {
        return None;
    }
    let received = client.incoming.take_buffered();
    drop(client);
    let Some(tls) = tls else { return Some(Opened { stream, received }) };
    if !is_tls(&received) {
        connection.is_plain_on_tls = true;
        return Some(Opened { stream, received });
    }
    let handshake = handshake(worker, listen, tls, connection, stream, &received);
    match tokio::time::timeout(limit, handshake).await {
        Ok(Ok((stream, session))) => {
            connection.tls = Some(Arc::new(session));
            Some(Opened { stream, received: Vec::new() })
        }
        Ok(Err(error)) => {
            log_failure(worker, default_server, &error);
            None
        }
        Err(_) => None,
    }
}

/// As nginx decides: the record of a handshake, or the first byte of SSL 2.
fn is_tls(received: &[u8]) -> bool {
    received.first().is_some_and(|byte| byte & 0x80 != 0 || *byte == 0x16)
}

async fn handshake(
    worker: &WorkerContext,
    listen: usize,
    tls: &ListenTls,
    connection: &ClientConnection,
    stream: Stream,
    received: &[u8],
) -> std::io::Result<(Stream, ClientHandshake)> {
    let mut chosen = None;
    let stream = stream
        .accept_tls_by_offer(received, |offer| {
            let listen = &worker.config.listens[listen];
            let evaluate = |server, template: &Template| evaluate(worker, connection, &offer, server, template);
            let (selection, config) = tls.select(listen, &offer, &worker.config.variables, &evaluate);
            let config = config.unwrap_or_else(|error| {
                let log = &worker.config.servers[listen.default_server].config().error_log;
                worker.logs.error(log, Severity::Error, &format!("{error} while SSL handshaking"), None);
                None
            });
            chosen = Some((offer, selection));
            config
        })
        .await?;
    let details = stream.session().map(|session| session.details());
    // OK because a handshake that succeeded has both
    let (details, (offer, selection)) = details.zip(chosen).expect("a session and its selection");
    let verification = verify(&selection, &details.peer_certificates);
    Ok((stream, ClientHandshake { details, offer, named_server: selection.named, verification }))
}

/// The value of a template before there is a session or a request, with the name that the client wants.
fn evaluate(
    worker: &WorkerContext,
    connection: &ClientConnection,
    offer: &ClientOffer,
    server: usize,
    template: &Template,
) -> Vec<u8> {
    let (details, offer) = (SessionDetails::default(), offer.clone());
    let session = ClientHandshake { details, offer, named_server: None, verification: Ok(()) };
    let connection = ClientConnection { tls: Some(Arc::new(session)), ..connection.clone() };
    let head = RequestHead::new("GET", "/", Version::Http11);
    let request = Request::placeholder(&head);
    let values = VariableValues::new(&worker.config.variables);
    let context = RequestContext::new(worker, &connection, &worker.config.servers[server], &request, values);
    template.value(&context.scope())
}

fn verify(selection: &Selection, chain: &[lab_net::tls::CertificateDer<'_>]) -> Result<(), VerificationError> {
    match &selection.verifier {
        Some(verifier) if !chain.is_empty() => verifier.verify(chain, PeerRole::Client, UnixTime::now()),
        _ => Ok(()),
    }
}

/// As in nginx, a client that speaks no TLS that the server accepts is no error of the server.
fn log_failure(worker: &WorkerContext, server: &Server, error: &std::io::Error) {
    let log = &server.config().error_log;
    if Severity::Info <= log.level {
        let message = format!("SSL_do_handshake() failed ({error}) while SSL handshaking");
        worker.logs.error(log, Severity::Info, &message, None);
    }
}
