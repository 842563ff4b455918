//! Resumed TLS sessions, on the second core: each connection continues the session of the one before, sends a request and
//! ends.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use rustls::client::{Resumption as Sessions, Tls12Resumption};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion};

/// How a session is continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resumption {
    /// A ticket of TLS 1.3: a key that both sides have, and a new key exchange (RFC 8446 section 2.2).
    PreSharedKey,
    /// A ticket of TLS 1.2, which holds the server's state (RFC 5077).
    Ticket,
    /// An identifier of TLS 1.2, by which the server finds its state.
    SessionId,
}

impl Resumption {
    fn version(self) -> &'static SupportedProtocolVersion {
        match self {
            Resumption::PreSharedKey => &rustls::version::TLS13,
            Resumption::Ticket | Resumption::SessionId => &rustls::version::TLS12,
        }
    }

    /// A client with a session store of its own.
    fn client(self, roots: RootCertStore) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(lab_net::tls::provider());
        let builder = builder.with_protocol_versions(&[self.version()]).expect("a version of the provider");
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.resumption = Sessions::in_memory_sessions(8).tls12_resumption(match self {
            Resumption::SessionId => Tls12Resumption::SessionIdOnly,
            Resumption::PreSharedKey | Resumption::Ticket => Tls12Resumption::SessionIdOrTickets,
        });
        Arc::new(config)
    }
}

/// Connects with `clients` threads for `seconds`. Returns the number of resumed connections.
///
/// # Panics
/// A connection after the first of its client did a full handshake.
pub(super) fn run(
    resumption: Resumption,
    roots: &RootCertStore,
    address: SocketAddr,
    clients: usize,
    seconds: u64,
) -> u64 {
    let end = Instant::now() + Duration::from_secs(seconds);
    let threads: Vec<_> = (0..clients)
        .map(|_| {
            let config = resumption.client(roots.clone());
            std::thread::spawn(move || {
                let mut second = CpuSet::new();
                second.set(1);
                sched_setaffinity(None, &second).expect("a second core");
                assert_eq!(connect(&config, address), HandshakeKind::Full);
                let mut resumed = 0;
                while Instant::now() < end {
                    assert_eq!(connect(&config, address), HandshakeKind::Resumed, "{resumption:?}");
                    resumed += 1;
                }
                resumed
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("a client")).sum()
}

/// One connection with one request.
fn connect(config: &Arc<ClientConfig>, address: SocketAddr) -> HandshakeKind {
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).expect("a connection"));
    stream.write_all(b"GET /1k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("a request");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("a response and close_notify");
    assert!(response.len() > 1_000, "{}", String::from_utf8_lossy(&response));
    stream.conn.handshake_kind().expect("a complete handshake")
}
