//! A client's connection to the proxy, in the clear or over TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use lab_net::tls::{
    CertificateDer, CipherList, ClientConfig, GroupList, HandshakeParameters, PrivateKeyDer, ProtocolVersions,
    ServerName, UpstreamTls,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConnection, HandshakeKind, StreamOwned};

use super::certificates;

/// How a client of a case speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ClientTls {
    /// `version=1.2` or `version=1.3`: the only version. Without it, both.
    pub(crate) version: Option<String>,
    /// `sni=NAME`, or `sni=none`; `example.org` without it.
    pub(crate) server_name: Option<String>,
    /// `certificate=NAME`
    pub(crate) certificate: Option<String>,
    /// `alpn=NAME`
    pub(crate) alpn: Option<String>,
    /// `ciphers=LIST`, of TLS 1.2.
    pub(crate) ciphers: Option<String>,
}

impl ClientTls {
    /// Reads a word of a case; false if it is no word about TLS.
    pub(super) fn read(&mut self, word: &str) -> bool {
        let Some((name, value)) = word.split_once('=') else { return false };
        let part = match name {
            "version" => &mut self.version,
            "sni" => &mut self.server_name,
            "certificate" => &mut self.certificate,
            "alpn" => &mut self.alpn,
            "ciphers" => &mut self.ciphers,
            _ => return false,
        };
        *part = Some(value.to_owned());
        true
    }
}

#[derive(Debug)]
pub(crate) enum ClientStream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// The configurations of one client, which remember its sessions.
#[derive(Debug, Default)]
pub(crate) struct ClientConfigs {
    known: Vec<(ClientTls, Arc<ClientConfig>)>,
}

impl ClientConfigs {
    fn find(&mut self, tls: &ClientTls) -> Arc<ClientConfig> {
        if let Some((_, config)) = self.known.iter().find(|(own, _)| own == tls) {
            return Arc::clone(config);
        }
        let config = config(tls);
        self.known.push((tls.clone(), Arc::clone(&config)));
        config
    }

    /// Performs a handshake. Returns what it agreed on, or why it failed; then the stream is closed.
    pub(crate) fn handshake(&mut self, tls: &ClientTls, mut stream: TcpStream) -> (ClientStream, String) {
        let name = tls.server_name.as_deref().filter(|name| *name != "none").unwrap_or("example.org");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut session = ClientConnection::new(self.find(tls), name).expect("a session");
        while session.is_handshaking() {
            if let Err(error) = session.complete_io(&mut stream) {
                _ = stream.shutdown(std::net::Shutdown::Both);
                return (ClientStream::Plain(stream), format!("failed: {}", reason(&error)));
            }
        }
        let agreed = describe(&session);
        (ClientStream::Tls(Box::new(StreamOwned::new(session, stream))), agreed)
    }
}

fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(error) => error.to_string(),
        None => "closed".to_owned(),
    }
}

/// `TLSv1_3 TLS13_AES_256_GCM_SHA384, certificate of rsa`, and what else there is.
fn describe(session: &ClientConnection) -> String {
    let version = session.protocol_version().map_or("", |version| version.as_str().unwrap_or_default());
    let suite = session.negotiated_cipher_suite().map_or("", |suite| suite.suite().as_str().unwrap_or_default());
    let unit = session.peer_certificates().and_then(|chain| {
        let (_, certificate) = x509_parser::parse_x509_certificate(chain.first()?).ok()?;
        let unit = certificate.subject().iter_organizational_unit().next()?.as_str().ok()?.to_owned();
        Some(unit)
    });
    let mut text = format!("{version} {suite}, certificate of {}", unit.unwrap_or_default());
    if session.handshake_kind() == Some(HandshakeKind::Resumed) {
        text.push_str(", resumed");
    }
    if let Some(alpn) = session.alpn_protocol() {
        text.push_str(&format!(", {}", String::from_utf8_lossy(alpn)));
    }
    text
}

pub(super) fn config(tls: &ClientTls) -> Arc<ClientConfig> {
    let versions = match tls.version.as_deref() {
        None => ProtocolVersions::ALL,
        Some("1.2") => ProtocolVersions { tls12: true, tls13: false },
        Some("1.3") => ProtocolVersions { tls12: false, tls13: true },
        Some(other) => panic!("unknown version {other}"),
    };
    let cipher_suites = tls.ciphers.as_deref().map(|list| CipherList::parse(list).suites);
    let groups = GroupList::parse("X25519:prime256v1:secp384r1").ok().map(|list| list.groups);
    let client = UpstreamTls {
        parameters: HandshakeParameters { versions, cipher_suites, groups, ..HandshakeParameters::default() },
        verifier: None,
        certificate: tls.certificate.as_deref().map(key_pair),
        sends_server_name: tls.server_name.as_deref() != Some("none"),
        resumes: true,
    };
    let mut config = Arc::unwrap_or_clone(client.build().expect("a configuration"));
    config.alpn_protocols = tls.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A chain and its key.
pub(super) fn key_pair(name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let pem = certificates::read(&format!("{name}.pem"));
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_slice(certificates::read(&format!("{name}.key")).as_bytes()).expect("a key");
    (chain, key)
}

impl Read for ClientStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            ClientStream::Plain(stream) => stream.read(into),
            ClientStream::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for ClientStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            ClientStream::Plain(stream) => stream.write(bytes),
            ClientStream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            ClientStream::Plain(stream) => stream.flush(),
            ClientStream::Tls(stream) => stream.flush(),
        }
    }
}
