//! The certificate that a server presented.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use x509_parser::prelude::{GeneralName, X509Certificate};

/// The parts of a certificate that checks compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// As `CN=shop.example.org, O=Shop`, in the certificate's order.
    pub subject: String,
    pub issuer: String,
    /// The hosts and addresses that it is for (RFC 5280, section 4.2.1.6).
    pub names: Vec<String>,
    /// For how long it was still valid during the handshake; `None` if it was not.
    pub valid_for: Option<Duration>,
}

impl PeerCertificate {
    /// Reads a certificate in DER. `None` if it is malformed.
    pub(super) fn parse(der: &[u8], now: SystemTime) -> Option<PeerCertificate> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        let seconds = |time: i64| Duration::from_secs(u64::try_from(time).unwrap_or(0));
        let validity = certificate.validity();
        let (begin, end) = (seconds(validity.not_before.timestamp()), seconds(validity.not_after.timestamp()));
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(PeerCertificate {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names: names(&certificate),
            valid_for: end.checked_sub(now).filter(|_| begin <= now),
        })
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.iter().flat_map(|extension| &extension.value.general_names);
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?).to_string()),
            _ => Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        },
        _ => None,
    };
    names.filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_is_read() {
        let names = ["shop.example.org", "192.0.2.1", "2001:db8::1"].map(str::to_owned);
        let mut parameters = rcgen::CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "the shop");
        (parameters.not_before, parameters.not_after) =
            (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2020, 1, 31));
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let at = |days: u64| SystemTime::UNIX_EPOCH + Duration::from_secs((18_262 + days) * 86_400);
        let read = |days| PeerCertificate::parse(certificate.der(), at(days)).unwrap();
        let found = read(10);
        assert!(found.subject.contains("CN=the shop") && found.issuer == found.subject, "{found:?}");
        assert_eq!(found.names, ["shop.example.org", "192.0.2.1", "2001:db8::1"]);
        assert_eq!(found.valid_for, Some(Duration::from_secs(20 * 86_400)));
        assert_eq!(read(31).valid_for, None);
        assert_eq!(PeerCertificate::parse(b"no certificate", at(0)), None);
    }
}
