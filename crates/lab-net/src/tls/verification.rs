//! Verification of a peer's certificate chain, with OpenSSL's rules for depth and its words for failures.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, Error, ExtendedKeyUsageValidator, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath, anchor_from_trusted_cert,
};

/// The authorities, revocations and limits that decide whether a chain is trusted.
#[derive(Debug)]
pub struct ChainVerifier {
    roots: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    revocations: Vec<CertRevocationList<'static>>,
    /// How many certificates may lie between the peer's own and an authority.
    depth: usize,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The side whose certificate is verified, which its extended key usage must allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerRole {
    Client,
    Server,
}

/// Why a chain is not trusted, with OpenSSL's text and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct VerificationError {
    /// `X509_V_ERR_…`
    pub code: u32,
    pub text: &'static str,
}

impl VerificationError {
    const UNKNOWN_CRL: VerificationError = error(3, "unable to get certificate CRL");
    const INVALID_SIGNATURE: VerificationError = error(7, "certificate signature failure");
    const NOT_YET_VALID: VerificationError = error(9, "certificate is not yet valid");
    const EXPIRED: VerificationError = error(10, "certificate has expired");
    const CRL_EXPIRED: VerificationError = error(12, "CRL has expired");
    const SELF_SIGNED: VerificationError = error(18, "self-signed certificate");
    const SELF_SIGNED_IN_CHAIN: VerificationError = error(19, "self-signed certificate in certificate chain");
    const UNKNOWN_ISSUER: VerificationError = error(20, "unable to get local issuer certificate");
    const UNVERIFIED_LEAF: VerificationError = error(21, "unable to verify the first certificate");
    const CHAIN_TOO_LONG: VerificationError = error(22, "certificate chain too long");
    const REVOKED: VerificationError = error(23, "certificate revoked");
    const INVALID_CA: VerificationError = error(79, "invalid CA certificate");
    const INVALID_PURPOSE: VerificationError = error(26, "unsuitable certificate purpose");
    const REJECTED: VerificationError = error(28, "certificate rejected");
    const HOST_MISMATCH: VerificationError = error(62, "hostname mismatch");

    /// Whether the chain is merely not anchored in a known authority.
    #[must_use]
    pub fn is_unknown_authority(self) -> bool {
        matches!(self.code, 2 | 18 | 19 | 20 | 21 | 27)
    }

    #[must_use]
    pub fn is_host_mismatch(self) -> bool {
        self == VerificationError::HOST_MISMATCH
    }
}

const fn error(code: u32, text: &'static str) -> VerificationError {
    VerificationError { code, text }
}

impl ChainVerifier {
    /// # Errors
    /// A root is no certificate, or a revocation list is invalid.
    pub fn new(
        roots: Vec<CertificateDer<'static>>,
        revocations: &[CertificateRevocationListDer<'_>],
        depth: usize,
    ) -> Result<ChainVerifier, Error> {
        let anchors = roots.iter().map(|root| Ok(anchor_from_trusted_cert(root)?.to_owned()));
        let anchors = anchors.collect::<Result<_, Error>>()?;
        let lists = revocations.iter().map(|list| Ok(OwnedCertRevocationList::from_der(list)?.into()));
        let revocations = lists.collect::<Result<_, Error>>()?;
        let algorithms = super::provider().signature_verification_algorithms;
        Ok(ChainVerifier { roots, anchors, revocations, depth, algorithms })
    }

    /// Verifies a chain that begins with the peer's own certificate.
    ///
    /// # Errors
    /// It is not trusted.
    pub fn verify(&self, chain: &[CertificateDer<'_>], role: PeerRole, now: UnixTime) -> Result<(), VerificationError> {
        let Some((own, rest)) = chain.split_first() else { return Err(VerificationError::REJECTED) };
        if self.roots.contains(own) {
            // OpenSSL trusts a certificate that is in its store; webpki wants one that another has signed
            return validity(own, now);
        }
        let certificate = EndEntityCert::try_from(own).map_err(|_| VerificationError::REJECTED)?;
        match role {
            PeerRole::Client => self.verify_usage(&certificate, rest, KeyUsage::client_auth(), now),
            PeerRole::Server => self.verify_usage(&certificate, rest, KeyUsage::server_auth(), now),
        }
        .map_err(|error| match error {
            Error::UnknownIssuer => unknown_issuer(&certificate, rest),
            error => translate(&error),
        })
    }

    /// As [`verify`](ChainVerifier::verify), and checks the name of a server.
    ///
    /// # Errors
    /// The chain is not trusted, or the certificate is for another name.
    pub fn verify_server(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), VerificationError> {
        self.verify(chain, PeerRole::Server, now)?;
        let own = chain.first().ok_or(VerificationError::REJECTED)?;
        let certificate = EndEntityCert::try_from(own).map_err(|_| VerificationError::REJECTED)?;
        certificate.verify_is_valid_for_subject_name(name).map_err(|_| VerificationError::HOST_MISMATCH)
    }

    fn verify_usage(
        &self,
        certificate: &EndEntityCert<'_>,
        rest: &[CertificateDer<'_>],
        usage: impl ExtendedKeyUsageValidator,
        now: UnixTime,
    ) -> Result<(), Error> {
        let lists: Vec<&CertRevocationList<'_>> = self.revocations.iter().collect();
        // as in OpenSSL, every certificate of the chain needs a list once there is one
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options.with_depth(RevocationCheckDepth::Chain).with_status_policy(UnknownStatusPolicy::Deny).build()
        });
        let limit = |path: &VerifiedPath<'_>| match path.intermediate_certificates().count() <= self.depth {
            true => Ok(()),
            false => Err(Error::MaximumPathDepthExceeded),
        };
        certificate
            .verify_for_usage(self.algorithms.all, &self.anchors, rest, now, usage, revocation, Some(&limit))
            .map(drop)
    }
}

/// OpenSSL distinguishes where the chain breaks off.
fn unknown_issuer(certificate: &EndEntityCert<'_>, rest: &[CertificateDer<'_>]) -> VerificationError {
    let is_self_signed = |certificate: &EndEntityCert<'_>| certificate.issuer() == certificate.subject();
    if is_self_signed(certificate) {
        return VerificationError::SELF_SIGNED;
    }
    let certificates = rest.iter().filter_map(|der| EndEntityCert::try_from(der).ok());
    if certificates.into_iter().any(|certificate| is_self_signed(&certificate)) {
        return VerificationError::SELF_SIGNED_IN_CHAIN;
    }
    if rest.is_empty() { VerificationError::UNVERIFIED_LEAF } else { VerificationError::UNKNOWN_ISSUER }
}

fn translate(error: &Error) -> VerificationError {
    match error {
        Error::CertExpired { .. } => VerificationError::EXPIRED,
        Error::CertNotValidYet { .. } => VerificationError::NOT_YET_VALID,
        Error::CertRevoked => VerificationError::REVOKED,
        Error::CrlExpired { .. } => VerificationError::CRL_EXPIRED,
        Error::UnknownRevocationStatus => VerificationError::UNKNOWN_CRL,
        Error::MaximumPathDepthExceeded | Error::PathLenConstraintViolated => VerificationError::CHAIN_TOO_LONG,
        Error::EndEntityUsedAsCa => VerificationError::INVALID_CA,
        Error::RequiredEkuNotFoundContext(_) | Error::CaUsedAsEndEntity => VerificationError::INVALID_PURPOSE,
        Error::InvalidSignatureForPublicKey => VerificationError::INVALID_SIGNATURE,
        _ => VerificationError::REJECTED,
    }
}

/// Whether a certificate that is trusted itself is valid at that time.
fn validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), VerificationError> {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else {
        return Err(VerificationError::REJECTED);
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        return Err(VerificationError::NOT_YET_VALID);
    }
    if now > validity.not_after.timestamp() { Err(VerificationError::EXPIRED) } else { Ok(()) }
}
