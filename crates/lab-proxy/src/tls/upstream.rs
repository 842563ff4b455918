//! The context of connections to upstreams.

use std::sync::Arc;

use lab_net::tls::{ClientConfig, UpstreamTls};

use super::files;
use crate::config::tls::pem_source::CertificateInput;
use crate::config::tls::upstream::UpstreamTlsConfig;
use lab_nginx_conf::ConfError;

pub(super) fn load(tls: &UpstreamTlsConfig) -> Result<Arc<ClientConfig>, ConfError> {
    let verifier = tls.verification.as_ref().map(|verification| {
        let revocations = verification.revocations.as_ref();
        files::read_verifier(&[&verification.authorities], revocations, verification.depth)
    });
    let pair = tls.certificate.clone().map(CertificateInput::from);
    let certificate = pair.as_ref().map(|pair| files::read_key_pair(pair, tls.password_file.as_ref())).transpose()?;
    let built = UpstreamTls {
        parameters: tls.parameters.clone(),
        verifier: verifier.transpose()?,
        certificate,
        sends_server_name: tls.sends_server_name,
        resumes: tls.resumes,
    }
    .build();
    built.map_err(|error| match &pair {
        Some(pair) => files::pair_error(pair, &error),
        // OK because the parameters alone always leave a cipher suite: the configuration refuses others
        None => unreachable!("TLS parameters without a certificate failed: {error}"),
    })
}
