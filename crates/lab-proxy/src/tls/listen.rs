//! The contexts of one `listen`: the server that a client names by SNI decides about its certificate.

use std::sync::Arc;

use lab_net::tls::{
    ChainVerifier, ClientOffer, HandshakeParameters, ProtocolVersions, RootCertStore, ServerCertificate, ServerConfig,
    SessionCache, TicketKeys, VirtualHost,
};

use super::files;
use super::stapling::Staplings;
use crate::config::Config;
use crate::config::server::listen::Listen;
use crate::config::tls::pem_source::{CertificateInput, CertificateSource};
use crate::config::tls::server::{ClientVerification, ServerTlsConfig, SessionCacheConfig, Stapling};
use crate::limits::registry::Registry;
use crate::variables::{DefinedVariables, Template, VariableValues};
use lab_nginx_conf::ConfError;

/// The contexts of a socket, by server.
#[derive(Debug)]
pub(crate) struct ListenTls {
    servers: Vec<(usize, ServerTls)>,
}

/// The context of one server on one socket.
#[derive(Debug)]
struct ServerTls {
    context: ServerContext,
    verifier: Option<Arc<ChainVerifier>>,
    rejects_handshakes: bool,
}

#[derive(Debug)]
enum ServerContext {
    /// The server has no certificate, and uses that of the default server.
    Missing,
    Ready(Arc<ServerConfig>),
    /// The certificates have variables.
    PerHandshake(Box<HandshakeContext>),
}

/// What a context is made from at each handshake.
#[derive(Debug)]
struct HandshakeContext {
    tls: ServerTlsConfig,
    shared: Shared,
    versions: ProtocolVersions,
    has_http2: bool,
}

/// Evaluates a template for a handshake, in the server with this index.
pub(crate) type EvaluateTemplate<'e> = &'e dyn Fn(usize, &Template) -> Vec<u8>;

/// The server that was chosen for a handshake.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    /// The server that SNI named; none without SNI, if no server has that name, or if there is only one.
    pub(crate) named: Option<usize>,
    /// What verifies the client's certificate.
    pub(crate) verifier: Option<Arc<ChainVerifier>>,
}

impl ListenTls {
    /// Chooses the context for a client. As in nginx, the default server serves names that no server has. None refuses
    /// the handshake.
    ///
    /// # Errors
    /// The certificates of this handshake cannot be loaded.
    pub(crate) fn select(
        &self,
        listen: &Listen,
        offer: &ClientOffer,
        variables: &DefinedVariables,
        evaluate: EvaluateTemplate<'_>,
    ) -> (Selection, Result<Option<Arc<ServerConfig>>, ConfError>) {
        // as in nginx: the names of a single server do not matter
        let name = offer.server_name.as_deref().filter(|_| listen.servers.len() > 1).map(str::to_ascii_lowercase);
        let named = name.and_then(|name| listen.names.find(name.as_bytes(), &VariableValues::new(variables)));
        let context = |index: usize| self.servers.iter().find(|(own, _)| *own == index);
        let default = context(listen.default_server);
        let own = named.and_then(context).or(default);
        let with_certificate = own.filter(|(_, server)| server.context.has_certificate()).or(default);
        let verifier = with_certificate.and_then(|(_, server)| server.verifier.clone());
        let is_rejected = own.is_none_or(|(_, server)| server.rejects_handshakes);
        let config = match with_certificate.filter(|_| !is_rejected) {
            Some((index, server)) => server.context.config(&|template| evaluate(*index, template)),
            None => Ok(None),
        };
        (Selection { named, verifier }, config)
    }
}

impl ServerContext {
    fn has_certificate(&self) -> bool {
        !matches!(self, ServerContext::Missing)
    }

    /// # Errors
    /// The certificates have variables, and those of this handshake cannot be loaded.
    fn config(&self, evaluate: &dyn Fn(&Template) -> Vec<u8>) -> Result<Option<Arc<ServerConfig>>, ConfError> {
        match self {
            ServerContext::Missing => Ok(None),
            ServerContext::Ready(config) => Ok(Some(Arc::clone(config))),
            ServerContext::PerHandshake(context) => context.load(evaluate).map(Some),
        }
    }
}

impl HandshakeContext {
    fn load(&self, evaluate: &dyn Fn(&Template) -> Vec<u8>) -> Result<Arc<ServerConfig>, ConfError> {
        let HandshakeContext { tls, shared, versions, has_http2 } = self;
        let sources: Vec<CertificateInput> = tls.certificates.iter().map(|source| source.evaluate(evaluate)).collect();
        let certificates = load_certificates(&sources, tls)?;
        build(tls, shared, certificates, *versions, *has_http2).map_err(|error| {
            // OK because a server without certificates has no context of this kind
            let first = sources.first().expect("a certificate");
            files::pair_error(first, &error)
        })
    }
}

/// The parts of a server's context that all its sockets share.
#[derive(Debug, Clone)]
struct Shared {
    /// None if some have variables.
    certificates: Option<Vec<ServerCertificate>>,
    authorities: Option<RootCertStore>,
    verifier: Option<Arc<ChainVerifier>>,
    cache: Option<Arc<SessionCache>>,
    tickets: Option<Arc<TicketKeys>>,
}

/// Loads the contexts of all sockets, by the index of their `listen`.
pub(super) fn load_all(
    config: &Config,
    staplings: &mut Staplings,
    errors: &mut Vec<ConfError>,
) -> Vec<Option<ListenTls>> {
    let is_used = |index: usize| config.listens.iter().any(|listen| listen.tls && listen.servers.contains(&index));
    let mut shared = Vec::new();
    for (index, server) in config.servers.iter().enumerate() {
        // as in nginx, the files of a server without TLS are read as well
        let tls = &server.tls;
        if !is_used(index) && tls.certificates.is_empty() {
            shared.push(None);
            continue;
        }
        let loaded = load_shared(tls).and_then(|shared| {
            let certificates = shared.certificates.as_deref().unwrap_or_default();
            staplings.add(tls, certificates, server.config().resolver)?;
            Ok(shared)
        });
        shared.push(loaded.map_err(|error| errors.push(error)).ok());
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
        let context = match &shared.certificates {
            Some(certificates) if certificates.is_empty() => Ok(ServerContext::Missing),
            Some(certificates) => {
                build(tls, shared, certificates.clone(), versions, has_http2).map(ServerContext::Ready)
            }
            None => {
                let (tls, shared) = (tls.clone(), shared.clone());
                Ok(ServerContext::PerHandshake(Box::new(HandshakeContext { tls, shared, versions, has_http2 })))
            }
        };
        match context {
            Ok(context) => {
                let rejects_handshakes = tls.rejects_handshakes;
                servers.push((index, ServerTls { context, verifier: shared.verifier.clone(), rejects_handshakes }));
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
    certificates: Vec<ServerCertificate>,
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
        certificates,
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
    let fixed: Option<Vec<CertificateInput>> = tls.certificates.iter().map(CertificateSource::fixed).collect();
    let certificates = fixed.map(|sources| load_certificates(&sources, tls)).transpose()?;
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

fn load_certificates(sources: &[CertificateInput], tls: &ServerTlsConfig) -> Result<Vec<ServerCertificate>, ConfError> {
    let stapled = match &tls.stapling {
        Stapling::File(file) => Some(files::read_bytes(file)?),
        Stapling::Off | Stapling::Responder { .. } => None,
    };
    let mut certificates = Vec::new();
    for source in sources {
        let (chain, key) = files::read_key_pair(source, tls.password_file.as_ref())?;
        // the response is about the first certificate
        let stapled = stapled.clone().filter(|_| certificates.is_empty());
        let certificate = ServerCertificate::new(chain, key, stapled);
        certificates.push(certificate.map_err(|error| files::pair_error(source, &error))?);
    }
    Ok(certificates)
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
