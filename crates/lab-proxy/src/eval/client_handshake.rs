//! What the TLS handshake of a client established, as variables read it.

use std::time::SystemTime;

use lab_net::tls::{ClientOffer, SessionDetails, VerificationError};

use super::certificate::Certificate;
use crate::variables::TlsVariable;

/// The outcome of a handshake with a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHandshake {
    pub details: SessionDetails,
    pub offer: ClientOffer,
    /// The server that SNI named, as an index into the configuration.
    pub named_server: Option<usize>,
    /// Whether the client's certificate is trusted. Without a certificate, or without verification, it is no failure.
    pub verification: Result<(), VerificationError>,
}

impl ClientHandshake {
    #[must_use]
    pub fn has_client_certificate(&self) -> bool {
        !self.details.peer_certificates.is_empty()
    }

    /// Appends the value of a variable. False if it has none.
    pub(super) fn write(&self, variable: TlsVariable, now: SystemTime, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        match variable {
            TlsVariable::AlpnProtocol => out.extend_from_slice(self.details.alpn.as_deref().unwrap_or_default()),
            TlsVariable::Cipher => out.extend_from_slice(self.details.cipher.as_bytes()),
            TlsVariable::Ciphers => out.extend_from_slice(self.offer.ciphers().as_bytes()),
            TlsVariable::Curve => out.extend_from_slice(self.details.group.as_deref().unwrap_or_default().as_bytes()),
            TlsVariable::Curves => out.extend_from_slice(self.offer.groups().as_bytes()),
            TlsVariable::EarlyData | TlsVariable::SessionId => {}
            TlsVariable::Protocol => out.extend_from_slice(self.details.version.as_bytes()),
            TlsVariable::ServerName => {
                out.extend_from_slice(self.offer.server_name.as_deref().unwrap_or_default().as_bytes());
            }
            TlsVariable::SessionReused => out.push(if self.details.is_resumed { b'r' } else { b'.' }),
            TlsVariable::ClientVerify => match &self.verification {
                _ if !self.has_client_certificate() => out.extend_from_slice(b"NONE"),
                Ok(()) => out.extend_from_slice(b"SUCCESS"),
                Err(error) => out.extend_from_slice(format!("FAILED:{error}").as_bytes()),
            },
            variable => {
                if let Some(certificate) = self.details.peer_certificates.first() {
                    write_certificate(&Certificate(certificate), variable, now, out);
                }
            }
        }
        out.len() > start
    }
}

fn write_certificate(certificate: &Certificate<'_>, variable: TlsVariable, now: SystemTime, out: &mut Vec<u8>) {
    match variable {
        TlsVariable::ClientCertificateRaw => out.extend_from_slice(certificate.pem().as_bytes()),
        TlsVariable::ClientCertificate => {
            out.extend_from_slice(certificate.pem().trim_end().replace('\n', "\n\t").as_bytes());
        }
        TlsVariable::ClientCertificateEscaped => {
            for byte in certificate.pem().bytes() {
                match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
                    _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                }
            }
        }
        TlsVariable::ClientFingerprint => out.extend_from_slice(certificate.fingerprint().as_bytes()),
        TlsVariable::ClientIssuer => certificate.write_issuer(out),
        TlsVariable::ClientIssuerLegacy => certificate.write_issuer_legacy(out),
        TlsVariable::ClientSubject => certificate.write_subject(out),
        TlsVariable::ClientSubjectLegacy => certificate.write_subject_legacy(out),
        TlsVariable::ClientSerial => certificate.write_serial(out),
        TlsVariable::ClientValidFrom => certificate.write_start(out),
        TlsVariable::ClientValidUntil => certificate.write_end(out),
        TlsVariable::ClientValidDays => certificate.write_days_left(now, out),
        _ => {}
    }
}
