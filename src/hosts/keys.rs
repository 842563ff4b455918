//! The keys of a run: an authority of its own, and a certificate for each of the two roles.
//!
//! Both sides present a certificate of the run's authority. That of an agent is good for a server only, and that of the
//! coordinator for a client only, so no agent can lead another one. The authority's key is never written: once the two
//! certificates exist, nobody can issue a third one. They do not expire, because no node's clock is trusted; they are
//! worthless as soon as the run has ended.

use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use lab_net::tls::{
    self, ChainVerifier, ClientAuth, ClientConfig, HandshakeParameters, ProtocolVersions, ServerConfig, ServerName,
    ServerTls, UpstreamTls,
};

/// The files of a role's folder; in a swarm the names of its secrets.
pub const AUTHORITY: &str = "authority.pem";
pub const CERTIFICATE: &str = "certificate.pem";
pub const KEY: &str = "key.pem";

/// The name in every agent's certificate. A node is known by the address that the engine tells.
const AGENT_NAME: &str = "agent.lab.internal";

/// The keys of a run.
#[derive(Debug)]
pub struct RunKeys {
    pub agent: RoleKeys,
    pub coordinator: RoleKeys,
}

/// What a role needs, in PEM.
pub struct RoleKeys {
    authority: String,
    certificate: String,
    key: String,
}

/// Leaves the key out.
impl std::fmt::Debug for RoleKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoleKeys").finish_non_exhaustive()
    }
}

/// Keys that cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("cannot make the keys of the run")]
    Make(#[from] rcgen::Error),
    #[error(transparent)]
    Certificate(#[from] tls::CertificateError),
    #[error("the keys in {folder} cannot be used: {message}")]
    Unusable { folder: String, message: String },
}

impl RunKeys {
    /// Makes new keys.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<RunKeys, KeysError> {
        let authority_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.distinguished_name.push(DnType::CommonName, "the authority of a run of lab");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = params.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(params, authority_key);
        let role = |names: &[&str], usage: ExtendedKeyUsagePurpose| -> Result<RoleKeys, rcgen::Error> {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names)?;
            params.distinguished_name = DistinguishedName::new();
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &issuer)?.pem();
            Ok(RoleKeys { authority: authority.clone(), certificate, key: key.serialize_pem() })
        };
        Ok(RunKeys {
            agent: role(&[AGENT_NAME], ExtendedKeyUsagePurpose::ServerAuth)?,
            coordinator: role(&[], ExtendedKeyUsagePurpose::ClientAuth)?,
        })
    }
}

impl RoleKeys {
    /// The files by name.
    pub fn files(&self) -> [(&'static str, &str); 3] {
        [(AUTHORITY, &self.authority), (CERTIFICATE, &self.certificate), (KEY, &self.key)]
    }

    /// Writes the files into an existing folder, for their owner only.
    ///
    /// # Errors
    /// A file cannot be written, or exists already.
    pub fn write_to(&self, folder: &Path) -> io::Result<()> {
        for (name, text) in self.files() {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(folder.join(name))?;
            io::Write::write_all(&mut file, text.as_bytes())?;
        }
        Ok(())
    }
}

/// The configuration of an agent with the keys in a folder: it accepts the run's coordinator only.
///
/// # Errors
/// [`KeysError`].
pub fn agent_config(folder: &Path) -> Result<Arc<ServerConfig>, KeysError> {
    let unusable = |message: String| KeysError::Unusable { folder: folder.display().to_string(), message };
    let roots = tls::read_roots(&folder.join(AUTHORITY))?;
    let chain = tls::read_certificates(&folder.join(CERTIFICATE))?;
    let key = tls::read_private_key(&folder.join(KEY))?;
    let server = ServerTls::new(None).map_err(|error| unusable(error.to_string()))?;
    let server = server.with_client_auth(ClientAuth::Required(roots)).map_err(|error| unusable(error.to_string()))?;
    server.build(chain, key).map_err(|error| unusable(error.to_string()))
}

/// The configuration of a coordinator with the keys in a folder: it accepts the run's agents only.
///
/// # Errors
/// [`KeysError`].
pub fn coordinator_config(folder: &Path) -> Result<Arc<ClientConfig>, KeysError> {
    let unusable = |message: String| KeysError::Unusable { folder: folder.display().to_string(), message };
    let roots = tls::read_certificates(&folder.join(AUTHORITY))?;
    let chain = tls::read_certificates(&folder.join(CERTIFICATE))?;
    let key = tls::read_private_key(&folder.join(KEY))?;
    let verifier = ChainVerifier::new(roots, &[], 0).map_err(|error| unusable(error.to_string()))?;
    let versions = ProtocolVersions { tls12: false, tls13: true };
    let parameters = HandshakeParameters { versions, cipher_suites: None, tls13_cipher_suites: None, groups: None };
    let upstream = UpstreamTls {
        parameters,
        verifier: Some(verifier),
        certificate: Some((chain, key)),
        sends_server_name: true,
        resumes: false,
    };
    upstream.build().map_err(|error| unusable(error.to_string()))
}

/// The name that the coordinator expects in an agent's certificate.
#[must_use]
pub fn agent_name() -> ServerName<'static> {
    // OK because the name is a constant that is valid
    ServerName::try_from(AGENT_NAME).expect("a valid name")
}
