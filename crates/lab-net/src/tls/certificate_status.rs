//! OCSP (RFC 6960): requests for the status of a server's certificate, and the responses to them.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::der::asn1::{Any, ObjectIdentifier, OctetString};
use x509_cert::der::oid::AssociatedOid as _;
use x509_cert::der::{self, Decode as _, Encode as _, Header, Reader as _, SliceReader};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_ocsp::{
    BasicOcspResponse, CertId, CertStatus, OcspRequest, OcspResponse, OcspResponseStatus, Request, TbsRequest,
};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_OCSP;
use x509_parser::prelude::X509Certificate;

/// A request for the status of a certificate, with the data that verify its response.
#[derive(Debug)]
pub struct StatusQuery {
    id: CertId,
    request: Vec<u8>,
    issuer: CertificateDer<'static>,
}

/// Why a response must not be stapled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    #[error("the OCSP response is malformed")]
    Malformed,
    #[error("the OCSP responder answers \"{0}\"")]
    Unsuccessful(&'static str),
    #[error("the OCSP response is about another certificate")]
    OtherCertificate,
    #[error("the OCSP response is not signed for the issuer of the certificate")]
    Signature,
    #[error("the OCSP response is not yet valid")]
    NotYetValid,
    #[error("the OCSP response has expired")]
    Expired,
    #[error("certificate status \"{0}\" in the OCSP response")]
    NotGood(&'static str),
}

impl From<der::Error> for StatusError {
    fn from(_: der::Error) -> StatusError {
        StatusError::Malformed
    }
}

/// By how many seconds the clocks of a responder and of this host may differ: nginx's limit.
const CLOCK_SKEW: u64 = 300;
/// The hash algorithm that every responder knows.
const SHA1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
/// `id-kp-OCSPSigning`, which a certificate needs to sign for the issuer (RFC 6960 section 4.2.2.2).
const OCSP_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];

impl StatusQuery {
    /// # Errors
    /// A certificate is malformed.
    pub fn new(certificate: &CertificateDer<'_>, issuer: &CertificateDer<'static>) -> Result<StatusQuery, StatusError> {
        let (own, by) = (parse(certificate)?, parse(issuer)?);
        let hash = |bytes: &[u8]| OctetString::new(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
        let id = CertId {
            hash_algorithm: AlgorithmIdentifierOwned { oid: SHA1, parameters: Some(Any::null()) },
            issuer_name_hash: hash(by.subject().as_raw())?,
            issuer_key_hash: hash(&by.public_key().subject_public_key.data)?,
            serial_number: serial_number(&own)?,
        };
        let request = Request { req_cert: id.clone(), single_request_extensions: None };
        let tbs_request = TbsRequest { request_list: vec![request], ..TbsRequest::default() };
        let request = OcspRequest { tbs_request, optional_signature: None }.to_der()?;
        Ok(StatusQuery { id, request, issuer: issuer.clone() })
    }

    /// The request in DER.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Verifies a response in DER. Returns the time from which a newer one will be available, if it has one.
    ///
    /// # Errors
    /// The response must not be stapled.
    pub fn verify(&self, response: &[u8], now: UnixTime) -> Result<Option<UnixTime>, StatusError> {
        let response = OcspResponse::from_der(response)?;
        let encoded = match (response.response_status, response.response_bytes) {
            (OcspResponseStatus::Successful, Some(bytes)) if bytes.response_type == BasicOcspResponse::OID => {
                bytes.response
            }
            (OcspResponseStatus::Successful, _) => return Err(StatusError::Malformed),
            (status, _) => return Err(StatusError::Unsuccessful(status_name(status))),
        };
        let basic = BasicOcspResponse::from_der(encoded.as_bytes())?;
        if !self.is_signed(encoded.as_bytes(), &basic, now)? {
            return Err(StatusError::Signature);
        }
        let statuses = &basic.tbs_response_data.responses;
        let status = statuses.iter().find(|status| self.is_about(&status.cert_id));
        let status = status.ok_or(StatusError::OtherCertificate)?;
        match status.cert_status {
            CertStatus::Good(_) => {}
            CertStatus::Revoked(_) => return Err(StatusError::NotGood("revoked")),
            CertStatus::Unknown(_) => return Err(StatusError::NotGood("unknown")),
        }
        let next = status.next_update.map(|time| time.0.to_unix_duration());
        if status.this_update.0.to_unix_duration().as_secs() > now.as_secs() + CLOCK_SKEW {
            return Err(StatusError::NotYetValid);
        }
        if next.is_some_and(|next| next.as_secs() + CLOCK_SKEW < now.as_secs()) {
            return Err(StatusError::Expired);
        }
        Ok(next.map(UnixTime::since_unix_epoch))
    }

    fn is_about(&self, id: &CertId) -> bool {
        // the parameters of the algorithm may be absent or NULL
        let parts = |id: &CertId| (id.hash_algorithm.oid, id.issuer_name_hash.clone(), id.issuer_key_hash.clone());
        parts(id) == parts(&self.id) && id.serial_number == self.id.serial_number
    }

    /// Whether the issuer has signed the response, or a certificate to which it has delegated that.
    fn is_signed(&self, encoded: &[u8], basic: &BasicOcspResponse, now: UnixTime) -> Result<bool, StatusError> {
        let signed = signed_part(encoded)?;
        let signature = basic.signature.as_bytes().ok_or(StatusError::Malformed)?;
        if EndEntityCert::try_from(&self.issuer).is_ok_and(|issuer| has_signed(&issuer, signed, signature)) {
            return Ok(true);
        }
        let algorithms = super::provider().signature_verification_algorithms;
        let anchor = anchor_from_trusted_cert(&self.issuer).map_err(|_| StatusError::Malformed)?;
        for certificate in basic.certs.iter().flatten() {
            let encoded = CertificateDer::from(certificate.to_der()?);
            let Ok(signer) = EndEntityCert::try_from(&encoded) else { continue };
            let usage = KeyUsage::required(OCSP_SIGNING);
            let anchors = std::slice::from_ref(&anchor);
            let is_delegate = signer.verify_for_usage(algorithms.all, anchors, &[], now, usage, None, None).is_ok();
            if is_delegate && has_signed(&signer, signed, signature) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether a signature is by the key of a certificate, with any algorithm for it.
fn has_signed(signer: &EndEntityCert<'_>, signed: &[u8], signature: &[u8]) -> bool {
    let algorithms = super::provider().signature_verification_algorithms.all;
    algorithms.iter().any(|algorithm| signer.verify_signature(*algorithm, signed, signature).is_ok())
}

/// The bytes that the signature of a response covers, as they were sent.
fn signed_part(encoded: &[u8]) -> Result<&[u8], der::Error> {
    let mut reader = SliceReader::new(encoded)?;
    Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

fn parse<'c>(certificate: &'c CertificateDer<'_>) -> Result<X509Certificate<'c>, StatusError> {
    let parsed = x509_parser::parse_x509_certificate(certificate);
    parsed.map(|(_, certificate)| certificate).map_err(|_| StatusError::Malformed)
}

fn serial_number(certificate: &X509Certificate<'_>) -> Result<SerialNumber, StatusError> {
    let number = certificate.raw_serial();
    let length = u8::try_from(number.len()).map_err(|_| StatusError::Malformed)?;
    // decoded, because the constructor refuses numbers of 20 bytes whose first bit is set
    Ok(SerialNumber::from_der(&[&[INTEGER, length][..], number].concat())?)
}

/// The tag of a number in DER.
const INTEGER: u8 = 2;

fn status_name(status: OcspResponseStatus) -> &'static str {
    match status {
        OcspResponseStatus::Successful => "successful",
        OcspResponseStatus::MalformedRequest => "malformedrequest",
        OcspResponseStatus::InternalError => "internalerror",
        OcspResponseStatus::TryLater => "trylater",
        OcspResponseStatus::SigRequired => "sigrequired",
        OcspResponseStatus::Unauthorized => "unauthorized",
    }
}

/// The URL of the OCSP responder that a certificate names.
#[must_use]
pub fn responder_url(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = parse(certificate).ok()?;
    certificate.extensions().iter().find_map(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else { return None };
        let responder = access.iter().find(|access| access.access_method == OID_PKIX_ACCESS_DESCRIPTOR_OCSP)?;
        match responder.access_location {
            GeneralName::URI(url) => Some(url.to_owned()),
            _ => None,
        }
    })
}

/// The certificate among `candidates` whose key has signed a certificate.
#[must_use]
pub fn find_issuer(
    certificate: &CertificateDer<'_>,
    candidates: &[CertificateDer<'static>],
) -> Option<CertificateDer<'static>> {
    let own = parse(certificate).ok()?;
    let (signed, signature) = (own.tbs_certificate.as_ref(), &own.signature_value.data);
    let is_issuer = |candidate: &&CertificateDer<'static>| {
        let is_named = parse(candidate).is_ok_and(|other| other.subject().as_raw() == own.issuer().as_raw());
        is_named && EndEntityCert::try_from(*candidate).is_ok_and(|signer| has_signed(&signer, signed, signature))
    };
    candidates.iter().find(is_issuer).cloned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        SigningKey as _,
    };
    use x509_cert::Certificate;
    use x509_cert::der::asn1::{BitString, GeneralizedTime};
    use x509_ocsp::{OcspGeneralizedTime, ResponderId, ResponseData, RevokedInfo, SingleResponse, Version};

    use super::*;

    const NOW: u64 = 1_700_000_000;
    const DAY: u64 = 24 * 3600;
    const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

    struct Authority {
        issuer: Issuer<'static, KeyPair>,
        certificate: CertificateDer<'static>,
        key: KeyPair,
    }

    impl Authority {
        fn new() -> Authority {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let certificate = params.self_signed(&key).unwrap().der().clone();
            let own = KeyPair::try_from(key.serialize_der()).unwrap();
            Authority { issuer: Issuer::new(params, own), certificate, key }
        }

        /// A certificate with its key.
        fn certificate(&self, edit: impl FnOnce(&mut CertificateParams)) -> (CertificateDer<'static>, KeyPair) {
            let mut params = CertificateParams::new(vec!["example.org".to_owned()]).unwrap();
            edit(&mut params);
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
        }
    }

    fn time(seconds: u64) -> OcspGeneralizedTime {
        OcspGeneralizedTime(GeneralizedTime::from_unix_duration(Duration::from_secs(seconds)).unwrap())
    }

    /// The status of a certificate that is good until tomorrow.
    fn good(query: &StatusQuery) -> SingleResponse {
        SingleResponse {
            cert_id: query.id.clone(),
            cert_status: CertStatus::good(),
            this_update: time(NOW - DAY),
            next_update: Some(time(NOW + DAY)),
            single_extensions: None,
        }
    }

    fn sign(status: SingleResponse, signer: &KeyPair, delegate: Option<&CertificateDer<'_>>) -> Vec<u8> {
        let data = ResponseData {
            version: Version::V1,
            responder_id: ResponderId::ByKey(OctetString::new([7; 20]).unwrap()),
            produced_at: time(NOW),
            responses: vec![status],
            response_extensions: None,
        };
        let signature = signer.sign(&data.to_der().unwrap()).unwrap();
        let basic = BasicOcspResponse {
            tbs_response_data: data,
            signature_algorithm: AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None },
            signature: BitString::from_bytes(&signature).unwrap(),
            certs: delegate.map(|der| vec![Certificate::from_der(der).unwrap()]),
        };
        OcspResponse::successful(basic).unwrap().to_der().unwrap()
    }

    fn at(seconds: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds))
    }

    #[test]
    fn good_response_is_valid_for_its_time() {
        let authority = Authority::new();
        let (certificate, _) = authority.certificate(|_| ());
        let query = StatusQuery::new(&certificate, &authority.certificate).unwrap();
        let response = sign(good(&query), &authority.key, None);
        for (now, expected) in [
            (NOW, Ok(Some(at(NOW + DAY)))),
            (NOW - DAY - CLOCK_SKEW, Ok(Some(at(NOW + DAY)))),
            (NOW - DAY - CLOCK_SKEW - 1, Err(StatusError::NotYetValid)),
            (NOW + DAY + CLOCK_SKEW, Ok(Some(at(NOW + DAY)))),
            (NOW + DAY + CLOCK_SKEW + 1, Err(StatusError::Expired)),
        ] {
            assert_eq!(query.verify(&response, at(now)), expected, "{now}");
        }
        let endless = SingleResponse { next_update: None, ..good(&query) };
        assert_eq!(query.verify(&sign(endless, &authority.key, None), at(NOW)), Ok(None));
    }

    #[test]
    fn other_responses_are_refused() {
        let authority = Authority::new();
        let (certificate, own_key) = authority.certificate(|_| ());
        let query = StatusQuery::new(&certificate, &authority.certificate).unwrap();
        let verify = |response: &[u8]| query.verify(response, at(NOW)).unwrap_err();
        let revoked = RevokedInfo { revocation_time: time(NOW), revocation_reason: None };
        let revoked = SingleResponse { cert_status: CertStatus::revoked(revoked), ..good(&query) };
        assert_eq!(verify(&sign(revoked, &authority.key, None)), StatusError::NotGood("revoked"));
        let unknown = SingleResponse { cert_status: CertStatus::unknown(), ..good(&query) };
        assert_eq!(verify(&sign(unknown, &authority.key, None)), StatusError::NotGood("unknown"));
        let (other, _) = authority.certificate(|_| ());
        let other = StatusQuery::new(&other, &authority.certificate).unwrap();
        assert_eq!(verify(&sign(good(&other), &authority.key, None)), StatusError::OtherCertificate);
        assert_eq!(verify(&sign(good(&query), &own_key, None)), StatusError::Signature);
        let late = OcspResponse::try_later().to_der().unwrap();
        assert_eq!(verify(&late), StatusError::Unsuccessful("trylater"));
        assert_eq!(verify(b"no response"), StatusError::Malformed);
        let response = sign(good(&query), &authority.key, None);
        assert_eq!(verify(&response[..response.len() - 1]), StatusError::Malformed);
    }

    #[test]
    fn delegate_of_the_issuer_may_sign() {
        let authority = Authority::new();
        let (certificate, _) = authority.certificate(|_| ());
        let query = StatusQuery::new(&certificate, &authority.certificate).unwrap();
        let may_sign = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        };
        let (delegate, key) = authority.certificate(may_sign);
        let is_accepted =
            |key: &KeyPair, by: &CertificateDer<'_>| query.verify(&sign(good(&query), key, Some(by)), at(NOW)).is_ok();
        assert!(is_accepted(&key, &delegate));
        let (ordinary, key) = authority.certificate(|_| ());
        assert!(!is_accepted(&key, &ordinary), "its usage is not that of a responder");
        let (stranger, key) = Authority::new().certificate(may_sign);
        assert!(!is_accepted(&key, &stranger), "another authority has issued it");
    }

    #[test]
    fn certificates_name_responder_and_issuer() {
        let authority = Authority::new();
        let url = b"http://ocsp.example/";
        // SEQUENCE { SEQUENCE { id-ad-ocsp, [6] url } }
        let head = [0x30, 34, 0x30, 32, 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 0x30, 1, 0x86, 20];
        let access = [head.as_slice(), url.as_slice()].concat();
        let (certificate, _) = authority.certificate(|params| {
            let extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access);
            params.custom_extensions.push(extension);
        });
        assert_eq!(responder_url(&certificate).as_deref(), Some("http://ocsp.example/"));
        assert_eq!(responder_url(&authority.certificate), None);
        let candidates = [certificate.clone(), authority.certificate.clone()];
        assert_eq!(find_issuer(&certificate, &candidates), Some(authority.certificate));
        assert_eq!(find_issuer(&certificate, &candidates[..1]), None);
    }
}
