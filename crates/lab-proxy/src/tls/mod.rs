//! The contexts of TLS handshakes, made from the configuration and its files: when the proxy starts, when it is tested,
//! and at each reload.

mod files;
mod listen;
mod stapling;
mod upstream;

use std::sync::Arc;

use lab_net::tls::ClientConfig;

use crate::config::Config;
use lab_nginx_conf::ConfError;

pub(crate) use listen::{ListenTls, Selection};
use stapling::{StapledCertificate, Staplings};

/// All contexts of a configuration.
#[derive(Debug, Default)]
pub struct TlsContexts {
    /// By the index of the `listen`; none for a socket without TLS.
    listens: Vec<Option<ListenTls>>,
    /// By the index in [`Config::upstream_tls`].
    upstreams: Vec<Arc<ClientConfig>>,
    staplings: Staplings,
}

impl TlsContexts {
    /// Reads all certificates, keys and revocation lists.
    ///
    /// # Errors
    /// All files that cannot be used, by the directives that name them.
    pub fn load(config: &Config) -> Result<TlsContexts, ConfError> {
        let (mut errors, mut staplings) = (Vec::new(), Staplings::default());
        let listens = listen::load_all(config, &mut staplings, &mut errors);
        let mut upstreams = Vec::new();
        for tls in &config.upstream_tls {
            match upstream::load(tls) {
                Ok(context) => upstreams.push(context),
                Err(error) => errors.push(error),
            }
        }
        match ConfError::join(errors) {
            None => Ok(TlsContexts { listens, upstreams, staplings }),
            Some(error) => Err(error),
        }
    }

    /// The warnings of `-t`: certificates that cannot have an OCSP response.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.staplings.warnings
    }

    /// The certificates whose OCSP response is due. Each is returned to one caller, which must fetch the response.
    pub(crate) fn claim_due_staplings(&self) -> impl Iterator<Item = &Arc<StapledCertificate>> {
        self.staplings.certificates.iter().filter(|certificate| certificate.claim())
    }

    /// The contexts of a socket; none if its clients do not speak TLS.
    pub(crate) fn listen(&self, index: usize) -> Option<&ListenTls> {
        self.listens.get(index)?.as_ref()
    }

    /// The context of connections to upstreams.
    pub(crate) fn upstream(&self, index: usize) -> &Arc<ClientConfig> {
        &self.upstreams[index]
    }
}
