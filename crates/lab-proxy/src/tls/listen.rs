//! The contexts of one `listen`: the server that a client names by SNI decides about its certificate.

use std::sync::Arc;

use lab_net::tls::{
    ChainVerifier, ClientOffer, HandshakeParameters, ProtocolVersions, RootCertStore, ServerCertificate, ServerConfig,
    SessionCache, TicketKeys, VirtualHost,
};

use super::files;
use crate::config::Config;
use crate::config::server::listen::Listen;
use crate::config::tls::server::{ClientVerification, ServerTlsConfig, SessionCacheConfig};
use crate::limits::registry::Registry;
use crate::variables::{DefinedVariables, VariableValues};
use lab_nginx_conf::ConfError;

/// The contexts of a socket, by server.
#[derive(Debug)]
pub(crate) struct ListenTls {
    servers: Vec<(usize, ServerTls)>,
}

/// The context of one server on one socket.
#[derive(Debug)]
struct ServerTls {
    /// None for a server without a certificate, which uses that of the default server.
    config: Option<Arc<ServerConfig>>,
    verifier: Option<Arc<ChainVerifier>>,
    rejects_handshakes: bool,
}

/// The server that was chosen for a handshake.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    /// The server that SNI named; none without SNI or if no server has that name.
    pub(crate) named: Option<usize>,
    /// What verifies the client's certificate.
    pub(crate) verifier: Option<Arc<ChainVerifier>>,
}

impl ListenTls {
    /// Chooses the context for a client. As in nginx, the default server serves names that no server has. None refuses
    /// the handshake.
    pub(crate) fn select(
        &self,
        listen: &Listen,
        offer: &ClientOffer,
        variables: &DefinedVariables,
    ) -> (Selection, Option<Arc<ServerConfig>>) {
        let name = offer.server_name.as_deref().map(str::to_ascii_lowercase);
        let named = name.and_then(|name| listen.names.find(name.as_bytes(), &VariableValues::new(variables)));
        let context = |index: usize| self.servers.iter().find(|(own, _)| *own == index).map(|(_, server)| server);
        let default = context(listen.default_server);
        let own = named.and_then(context).or(default);
        let with_certificate = own.filter(|server| server.config.is_some()).or(default);
        let selection = Selection { named, verifier: with_certificate.and_then(|server| server.verifier.clone()) };
        let is_rejected = own.is_none_or(|server| server.rejects_handshakes);
        let config = with_certificate.filter(|_| !is_rejected).and_then(|server| server.config.clone());
        (selection, config)
    }
}

/// The parts of a server's context that all its sockets share.
struct Shared {
    certificates: Vec<ServerCertificate>,
    authorities: Option<RootCertStore>,
    verifier: Option<Arc<ChainVerifier>>,
    cache: Option<Arc<SessionCache>>,
    tickets: Option<Arc<TicketKeys>>,
}

/// Loads the contexts of all sockets, by the index of their `listen`.
pub(super) fn load_all(config: &Config, errors: &mut Vec<ConfError>) -> Vec<Option<ListenTls>> {
    let is_used = |index: usize| config.listens.iter().any(|listen| listen.tls && listen.servers.contains(&index));
    let mut shared = Vec::new();
    for (index, server) in config.servers.iter().enumerate() {
        // as in nginx, the files of a server without TLS are read as well
        let tls = &server.tls;
        let loaded = if is_used(index) || !tls.certificates.is_empty() { load_shared(tls).map(Some) } else { Ok(None) };
        shared.push(loaded.unwrap_or_else(|error| {
            errors.push(error);
            None
        }));
    }
    if !errors.is_empty() {
        return Vec::new();
    }
    config.listens.iter().map(|listen| load_listen(config, listen, &shared, errors)).collect()
}

fn load_listen(
    config: &Config,
    listen: &Listen,
    shared: &[Option<Shared>],
    errors: &mut Vec<ConfError>,
) -> Option<ListenTls> {
    if !listen.tls {
        return None;
    }
    // the version is chosen before the name is known
    let versions = config.servers[listen.default_server].tls.parameters.versions;
    let mut servers = Vec::new();
    for &index in &listen.servers {
        let (tls, position) = (&config.servers[index].tls, &config.servers[index].position);
        let Some(shared) = &shared[index] else { continue };
        let has_http2 = listen.offers_http2(&config.servers[index]);
        let built = if shared.certificates.is_empty() { None } else { Some(build(tls, shared, versions, has_http2)) };
        match built.transpose() {
            Ok(config) => {
                let rejects_handshakes = tls.rejects_handshakes;
                servers.push((index, ServerTls { config, verifier: shared.verifier.clone(), rejects_handshakes }));
            }
            Err(error) => {
                let message = format!("cannot use the TLS settings of this server: {error}");
                let kind = lab_nginx_conf::ConfErrorKind::UnusableFile(message);
                errors.push(position.error(kind));
            }
        }
    }
    Some(ListenTls { servers })
}

/// As in nginx, all versions before HTTP/2 that a client could name.
const APPLICATION_PROTOCOLS: [&[u8]; 3] = [lab_net::tls::HTTP_1_1, b"http/1.0", b"http/0.9"];
/// How many bytes a client may send before its handshake is complete: nginx's limit, which is OpenSSL's.
const EARLY_DATA: u32 = 16 * 1024;

fn build(
    tls: &ServerTlsConfig,
    shared: &Shared,
    versions: ProtocolVersions,
    has_http2: bool,
) -> Result<Arc<ServerConfig>, lab_net::tls::Error> {
    let mut protocols = APPLICATION_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    if has_http2 {
        protocols.insert(0, lab_net::tls::HTTP_2.to_vec());
    }
    VirtualHost {
        parameters: HandshakeParameters { versions, ..tls.parameters.clone() },
        prefers_own_ciphers: tls.prefers_own_ciphers,
        certificates: shared.certificates.clone(),
        client_authorities: shared.authorities.clone(),
        record_size: (tls.record_size < 16 * 1024).then_some(tls.record_size),
        cache: shared.cache.clone().map(|cache| cache as _),
        tickets: shared.tickets.clone().map(|tickets| tickets as _),
        early_data: if tls.early_data { EARLY_DATA } else { 0 },
        alpn: protocols,
    }
    .build()
}

fn load_shared(tls: &ServerTlsConfig) -> Result<Shared, ConfError> {
    let stapled = tls.stapling_file.as_ref().map(files::read_bytes).transpose()?;
    let mut certificates = Vec::new();
    for pair in &tls.certificates {
        let (chain, key) = files::read_key_pair(pair, tls.password_file.as_ref())?;
        // the response is about the first certificate
        let stapled = stapled.clone().filter(|_| certificates.is_empty());
        let certificate = ServerCertificate::new(chain, key, stapled);
        certificates.push(certificate.map_err(|error| files::pair_error(pair, &error))?);
    }
    let clients = &tls.clients;
    let (mut authorities, mut verifier) = (None, None);
    if clients.verification != ClientVerification::Off {
        let mut known = RootCertStore::empty();
        if let Some(file) = &clients.authorities {
            known.add_parsable_certificates(files::read_authorities(file)?);
        }
        authorities = Some(known);
        let trusted: Vec<_> = clients.authorities.iter().chain(&clients.trusted).collect();
        let revocations = clients.revocations.as_ref();
        verifier = Some(Arc::new(files::read_verifier(&trusted, revocations, clients.depth)?));
    }
    Ok(Shared { certificates, authorities, verifier, cache: load_cache(tls), tickets: load_tickets(tls)? })
}

/// The caches of all configurations: a reload keeps the sessions, as in nginx.
static CACHES: Registry<SessionCache> = Registry::new();

fn load_cache(tls: &ServerTlsConfig) -> Option<Arc<SessionCache>> {
    let timeout = tls.session_timeout;
    match &tls.cache {
        SessionCacheConfig::Cache { name: Some(name), capacity } => {
            let key = format!("{name} {capacity} {}", timeout.as_secs());
            Some(CACHES.find_or_add(&key, || SessionCache::new(*capacity, timeout)))
        }
        SessionCacheConfig::Cache { name: None, capacity } => Some(Arc::new(SessionCache::new(*capacity, timeout))),
        // early data must not be accepted twice, which only a cache can find out
        SessionCacheConfig::None if tls.early_data => Some(Arc::new(SessionCache::new(EARLY_DATA_SESSIONS, timeout))),
        SessionCacheConfig::None => None,
    }
}

/// The size of the cache for early data without `ssl_session_cache`.
const EARLY_DATA_SESSIONS: usize = 20 * 1024;

fn load_tickets(tls: &ServerTlsConfig) -> Result<Option<Arc<TicketKeys>>, ConfError> {
    if !tls.has_tickets || tls.early_data {
        return Ok(None);
    }
    let Some(first) = tls.ticket_keys.first() else {
        return Ok(Some(Arc::new(TicketKeys::random(tls.session_timeout))));
    };
    let contents = tls.ticket_keys.iter().map(files::read_bytes).collect::<Result<Vec<_>, _>>()?;
    let wrong = tls.ticket_keys.iter().zip(&contents).find(|(_, content)| !matches!(content.len(), 48 | 80));
    let file = wrong.map_or(first, |(file, _)| file);
    let keys = TicketKeys::from_files(&contents, tls.session_timeout)
        .map_err(|error| file.error(format!("\"{}\" {error}", file.path.display())))?;
    Ok(Some(Arc::new(keys)))
}
