//! The parts of a client's certificate, in OpenSSL's forms.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use sha1::{Digest as _, Sha1};
use x509_parser::asn1_rs::Any;
use x509_parser::prelude::{ASN1Time, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// A certificate in DER. One that cannot be parsed has no parts.
pub(super) struct Certificate<'c>(pub(super) &'c [u8]);

impl Certificate<'_> {
    /// With a line break at the end, as OpenSSL writes it.
    pub(super) fn pem(&self) -> String {
        let encoded = base64::engine::general_purpose::STANDARD.encode(self.0);
        let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
        for line in encoded.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem + "-----END CERTIFICATE-----\n"
    }

    /// SHA-1 in hexadecimal digits.
    pub(super) fn fingerprint(&self) -> String {
        Sha1::digest(self.0).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn write_subject(&self, out: &mut Vec<u8>) {
        self.with(|certificate| write_name(certificate.subject(), out));
    }

    pub(super) fn write_issuer(&self, out: &mut Vec<u8>) {
        self.with(|certificate| write_name(certificate.issuer(), out));
    }

    pub(super) fn write_subject_legacy(&self, out: &mut Vec<u8>) {
        self.with(|certificate| write_name_legacy(certificate.subject(), out));
    }

    pub(super) fn write_issuer_legacy(&self, out: &mut Vec<u8>) {
        self.with(|certificate| write_name_legacy(certificate.issuer(), out));
    }

    pub(super) fn write_serial(&self, out: &mut Vec<u8>) {
        self.with(|certificate| {
            let serial = certificate.raw_serial();
            let digits = match serial {
                [0, rest @ ..] if !rest.is_empty() => rest,
                all => all,
            };
            digits.iter().for_each(|byte| out.extend_from_slice(format!("{byte:02X}").as_bytes()));
        });
    }

    pub(super) fn write_start(&self, out: &mut Vec<u8>) {
        self.with(|certificate| write_time(certificate.validity().not_before, out));
    }

    pub(super) fn write_end(&self, out: &mut Vec<u8>) {
        self.with(|certificate| write_time(certificate.validity().not_after, out));
    }

    pub(super) fn write_days_left(&self, now: SystemTime, out: &mut Vec<u8>) {
        self.with(|certificate| {
            let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let end = certificate.validity().not_after.timestamp();
            let days = u64::try_from(end).unwrap_or(0).saturating_sub(now) / (24 * 3600);
            out.extend_from_slice(days.to_string().as_bytes());
        });
    }

    fn with(&self, write: impl FnOnce(&X509Certificate<'_>)) {
        if let Ok((_, certificate)) = x509_parser::parse_x509_certificate(self.0) {
            write(&certificate);
        }
    }
}

/// RFC 2253: the last part first, separated by commas.
fn write_name(name: &X509Name<'_>, out: &mut Vec<u8>) {
    let parts: Vec<_> = name.iter_rdn().collect();
    for (index, part) in parts.into_iter().rev().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let attributes: Vec<_> = part.iter().collect();
        for (index, attribute) in attributes.into_iter().rev().enumerate() {
            if index > 0 {
                out.push(b'+');
            }
            out.extend_from_slice(attribute_name(attribute).as_bytes());
            out.push(b'=');
            write_escaped(value(attribute.attr_value()), out);
        }
    }
}

/// OpenSSL's older form: the first part first, each after a slash.
fn write_name_legacy(name: &X509Name<'_>, out: &mut Vec<u8>) {
    for attribute in name.iter_attributes() {
        out.push(b'/');
        out.extend_from_slice(attribute_name(attribute).as_bytes());
        out.push(b'=');
        for &byte in value(attribute.attr_value()) {
            match byte {
                b'/' | b'+' => out.extend_from_slice(&[b'\\', byte]),
                b' '..=b'~' => out.push(byte),
                byte => out.extend_from_slice(format!("\\x{byte:02X}").as_bytes()),
            }
        }
    }
}

fn value<'v>(value: &'v Any<'_>) -> &'v [u8] {
    value.data
}

/// Escapes what RFC 2253 section 2.4 names, and all that is not printable ASCII.
fn write_escaped(value: &[u8], out: &mut Vec<u8>) {
    for (index, &byte) in value.iter().enumerate() {
        let is_edge = (index == 0 && matches!(byte, b' ' | b'#')) || (index + 1 == value.len() && byte == b' ');
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => out.extend_from_slice(&[b'\\', byte]),
            _ if is_edge => out.extend_from_slice(&[b'\\', byte]),
            0..=31 | 127.. => out.extend_from_slice(format!("\\{byte:02X}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

/// OpenSSL's short names of attributes.
const ATTRIBUTES: [(&str, &str); 16] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

fn attribute_name(attribute: &AttributeTypeAndValue<'_>) -> String {
    let number = attribute.attr_type().to_id_string();
    match ATTRIBUTES.iter().find(|(own, _)| *own == number) {
        Some((_, name)) => (*name).to_owned(),
        None => number,
    }
}

/// `Feb  9 08:00:00 2026 GMT`
fn write_time(time: ASN1Time, out: &mut Vec<u8>) {
    let Ok(time) = jiff::Timestamp::from_second(time.timestamp()) else { return };
    let text = time.to_zoned(jiff::tz::TimeZone::UTC).strftime("%b %e %H:%M:%S %Y GMT").to_string();
    out.extend_from_slice(text.as_bytes());
}
