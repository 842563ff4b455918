//! The upstream's connections: in the clear, or over TLS with the certificate `upstream`.

use std::io::{self, Read, Write};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use lab_net::tls::{HandshakeParameters, RootCertStore, ServerCertificate, ServerConfig, TicketKeys, VirtualHost};
use rustls::{HandshakeKind, ServerConnection, StreamOwned};
use socket2::Socket;

use crate::proxy::client::key_pair;

#[derive(Debug)]
pub(super) enum UpstreamStream {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

/// It accepts certificates of clients, and resumes sessions.
static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let (chain, key) = key_pair("upstream");
    let host = VirtualHost {
        parameters: HandshakeParameters::default(),
        prefers_own_ciphers: true,
        certificates: vec![ServerCertificate::new(chain, key, None).expect("a certificate")],
        client_authorities: Some(RootCertStore::empty()),
        record_size: None,
        cache: None,
        tickets: Some(Arc::new(TicketKeys::random(Duration::from_secs(300)))),
        early_data: 0,
        alpn: Vec::new(),
    };
    host.build().expect("a configuration")
});

/// Performs a handshake. Returns what it agreed on, or why it failed.
pub(super) fn accept(mut socket: Socket) -> (Option<StreamOwned<ServerConnection, Socket>>, String) {
    let mut session = ServerConnection::new(Arc::clone(&CONFIG)).expect("a session");
    while session.is_handshaking() {
        if let Err(error) = session.complete_io(&mut socket) {
            let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
            return (None, format!("failed: {}", cause.map_or("closed".to_owned(), ToString::to_string)));
        }
    }
    let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or_default();
    let name = session.server_name().unwrap_or("none");
    let certificates = session.peer_certificates().map_or(0, <[_]>::len);
    let resumed = if session.handshake_kind() == Some(HandshakeKind::Resumed) { ", resumed" } else { "" };
    let agreed = format!("{version}, SNI {name}, certificates {certificates}{resumed}");
    (Some(StreamOwned::new(session, socket)), agreed)
}

impl UpstreamStream {
    pub(super) fn socket(&self) -> &Socket {
        match self {
            UpstreamStream::Plain(socket) => socket,
            UpstreamStream::Tls(stream) => &stream.sock,
        }
    }

    pub(super) fn announce_end(&mut self) {
        if let UpstreamStream::Tls(stream) = self {
            stream.conn.send_close_notify();
            // the client may be gone already
            _ = stream.flush();
        }
    }
}

impl Read for UpstreamStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            UpstreamStream::Plain(socket) => socket.read(into),
            UpstreamStream::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for UpstreamStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            UpstreamStream::Plain(socket) => socket.write(bytes),
            UpstreamStream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            UpstreamStream::Plain(socket) => socket.flush(),
            UpstreamStream::Tls(stream) => stream.flush(),
        }
    }
}
