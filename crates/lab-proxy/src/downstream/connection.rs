//! A client's connection, from its first byte to its close. With HTTP/1.1 it serves one request after the other.

use lab_http::Limits;

use crate::clock;
use crate::config::address::Address;
use crate::config::location::lingering::LingeringClose;
use crate::config::request_head::RequestHeadConfig;
use crate::config::server::listen::{Listen, ProtocolsInTheClear};
use crate::connection_counts::OpenConnection;
use crate::context::{ConnectionDisposition, WorkerContext};
use crate::downstream::client_io::ClientIo;
use crate::downstream::http2::{self, ClientOrigin, FirstBytes};
use crate::downstream::opening::{self, Accepted, Opened};
use crate::downstream::request::{RequestEnd, serve_request};
use crate::eval::ClientConnection;
use crate::upstream::Upstreams;
use lab_net::Stream;
use lab_net::tls::HTTP_2;

/// Serves a connection to its end.
pub(crate) async fn serve(worker: &WorkerContext, upstreams: &Upstreams, accepted: Accepted<'_>, stream: Stream) {
    // a client that is already gone has no address
    let Some((listen, local)) = find_listen(worker, accepted.listens, &stream) else { return };
    let default_server = &worker.config.servers[worker.config.listens[listen].default_server];

    let _open = OpenConnection::new();
    let opened = clock::now();
    let mut connection = ClientConnection::new(worker.next_serial(), accepted.peer, local);
    // boxed, so that the task of an idle connection stays small
    let opening = Box::pin(opening::open(worker, accepted, listen, &mut connection, stream));
    let Some(Opened { mut stream, mut received }) = opening.await else { return };
    if may_begin_with_http2(&worker.config.listens[listen], &connection) {
        let heads = &default_server.request_head;
        // boxed, as is all of HTTP/2, so that HTTP/1.1 connections stay small
        let beginning = Box::pin(http2::read_preface(&mut stream, &received, heads.timeout)).await;
        match beginning {
            None => return,
            Some(FirstBytes::Preface(received)) => {
                let origin = ClientOrigin { worker, upstreams, slot: accepted.slot, listen, opened };
                return Box::pin(http2::serve(origin, connection, stream, received)).await;
            }
            Some(FirstBytes::Other(bytes)) => received = bytes,
        }
        if must_speak_http2(&worker.config.listens[listen], &connection) {
            let rules = default_server.config();
            return Box::pin(http2::refuse_preface(&mut stream, rules.send_timeout, &rules.lingering)).await;
        }
    }
    let mut client = ClientIo::new(&mut stream, limits(&default_server.request_head));
    client.incoming.unread(&received);
    drop(received);
    let mut idle = default_server.request_head.timeout;
    let mut lingering = default_server.config().lingering;
    let mut is_idle = false;
    let disposition = loop {
        connection.is_pipelined = !client.incoming.buffered().is_empty();
        if !client.wait(worker, accepted.slot, idle).await {
            is_idle = true;
            break ConnectionDisposition::Abort;
        }
        connection.requests += 1;
        connection.age = clock::now() - opened;
        // boxed, so that the task of an idle connection stays small; written in place, which saves a copy of several kB
        let serving = Box::into_pin(Box::write(
            Box::new_uninit(),
            serve_request(&mut client, worker, upstreams, &connection, listen),
        ));
        let disposition;
        RequestEnd { disposition, idle, lingering } = serving.await;
        if disposition != ConnectionDisposition::KeepAlive {
            break disposition;
        }
    };
    let lingers = match disposition {
        ConnectionDisposition::Linger => true,
        ConnectionDisposition::Close => match lingering.close {
            LingeringClose::Off => false,
            LingeringClose::On => client.has_unread().await,
            LingeringClose::Always => true,
        },
        _ => false,
    };
    if lingers {
        client.linger(&lingering).await;
    }
    if connection.tls.is_some() && (is_idle || disposition == ConnectionDisposition::Close) {
        client.announce_end().await;
    }
    drop(client);
    if disposition == ConnectionDisposition::Reset {
        stream.reset_on_drop();
    }
}

/// Whether the first bytes may be those of HTTP/2.
fn may_begin_with_http2(listen: &Listen, connection: &ClientConnection) -> bool {
    must_speak_http2(listen, connection)
        || (is_in_the_clear(listen, connection) && listen.in_the_clear == ProtocolsInTheClear::Either)
}

/// Whether the client may speak nothing but HTTP/2.
fn must_speak_http2(listen: &Listen, connection: &ClientConnection) -> bool {
    match &connection.tls {
        Some(tls) => tls.details.alpn.as_deref() == Some(HTTP_2),
        None => is_in_the_clear(listen, connection) && listen.in_the_clear == ProtocolsInTheClear::Http2,
    }
}

/// Whether the socket is for connections without TLS. On one with TLS, plain HTTP is an error of HTTP/1.1.
fn is_in_the_clear(listen: &Listen, connection: &ClientConnection) -> bool {
    !listen.tls && connection.tls.is_none()
}

/// The bounds of `large_client_header_buffers`. nginx has none for the number of fields.
fn limits(heads: &RequestHeadConfig) -> Limits {
    Limits {
        start_line: heads.line,
        field: heads.line,
        fields: 1000,
        head: heads.total,
        chunk_extension: 256,
        chunk_extensions: 16 * 1024,
        trailers: 8 * 1024,
        body: u64::MAX,
        allows_bare_lf: heads.allows_bare_lf,
    }
}

/// The `listen` that a connection came to, and the local address.
fn find_listen(worker: &WorkerContext, listens: &[usize], stream: &Stream) -> Option<(usize, Address)> {
    let all = &worker.config.listens;
    let first = *listens.first()?;
    let (Address::Internet(own), Stream::Tcp(stream)) = (&all[first].address, stream) else {
        return Some((first, all[first].address.clone()));
    };
    if !own.ip().is_unspecified() {
        return Some((first, all[first].address.clone()));
    }
    // a system call that only a wildcard needs
    let local = Address::Internet(stream.local_addr().ok()?);
    let named = listens.iter().copied().find(|&index| all[index].address == local);
    Some((named.unwrap_or(first), local))
}
