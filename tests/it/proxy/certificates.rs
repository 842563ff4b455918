//! The certificates of all cases with TLS, made once for all tests.
//!
//! | name | a certificate for |
//! |---|---|
//! | `rsa`, `ecdsa` | `example.org`, with a key of that kind |
//! | `other` | `other.example` |
//! | `upstream` | `upstream.example`, signed by `ca` |
//! | `client`, `revoked`, `expired` | a client, signed by `ca` |
//! | `deep` | a client, signed by `intermediate`, whose certificate follows in the file |
//! | `stranger` | a client, signed by itself |
//! | `ca` | the authority; `crl.pem` has its revocations |
//!
//! Each is a file `NAME.pem` and a key `NAME.key`. `ticket.key` is for session tickets.

use std::path::Path;
use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, PKCS_RSA_SHA256, RevokedCertParams, RsaKeySize, SerialNumber, date_time_ymd,
};

/// File names and contents.
static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(make);

/// Puts the files into a folder.
pub(super) fn write_to(folder: &Path) {
    for (name, content) in FILES.iter() {
        std::fs::write(folder.join(name), content).expect("a file is written");
    }
}

/// The content of a file, as text.
pub(super) fn read(name: &str) -> &'static str {
    let (_, content) = FILES.iter().find(|(own, _)| own == name).unwrap_or_else(|| panic!("no file {name}"));
    std::str::from_utf8(content).expect("text")
}

const REVOKED_SERIAL: u64 = 0x5ad;

fn params(names: &[&str], subject: &[(DnType, &str)], serial: u64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    params.serial_number = Some(SerialNumber::from(serial));
    (params.not_before, params.not_after) = (date_time_ymd(2020, 2, 3), date_time_ymd(2070, 11, 12));
    params
}

fn authority(name: &str, serial: u64) -> CertificateParams {
    let mut params = params(&[], &[(DnType::CommonName, name), (DnType::OrganizationName, "Case")], serial);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn make() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, certificate: String, key: &KeyPair| {
        files.push((format!("{name}.pem"), certificate.into_bytes()));
        files.push((format!("{name}.key"), key.serialize_pem().into_bytes()));
    };
    let (ca_params, ca_key) = (authority("Case authority", 1), key());
    let ca_certificate = ca_params.self_signed(&ca_key).expect("a certificate");
    add("ca", ca_certificate.pem(), &ca_key);
    let ca = Issuer::new(ca_params, ca_key);

    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
    for (name, host, key) in [
        ("rsa", "example.org", rsa),
        ("ecdsa", "example.org", key()),
        ("other", "other.example", key()),
        ("upstream", "upstream.example", key()),
    ] {
        let subject = [(DnType::CommonName, host), (DnType::OrganizationalUnitName, name)];
        let certificate = params(&[host], &subject, 2).signed_by(&key, &ca).expect("a certificate");
        add(name, certificate.pem(), &key);
    }
    let subject = |name| {
        [(DnType::CountryName, "DE"), (DnType::OrganizationName, "Öl, \"Gas\" + Co"), (DnType::CommonName, name)]
    };
    for (name, serial) in [("client", 0x0102_03ff), ("revoked", REVOKED_SERIAL), ("expired", 7)] {
        let mut params = params(&[], &subject(name), serial);
        if name == "expired" {
            params.not_after = date_time_ymd(2021, 1, 2);
        }
        let key = key();
        add(name, params.signed_by(&key, &ca).expect("a certificate").pem(), &key);
    }
    let stranger = key();
    add(
        "stranger",
        params(&[], &subject("stranger"), 9).self_signed(&stranger).expect("a certificate").pem(),
        &stranger,
    );

    let (intermediate_params, intermediate_key) = (authority("Case intermediate", 3), key());
    let intermediate = intermediate_params.signed_by(&intermediate_key, &ca).expect("a certificate").pem();
    let issuer = Issuer::new(intermediate_params, intermediate_key);
    let deep = key();
    let leaf = params(&[], &subject("deep"), 10).signed_by(&deep, &issuer).expect("a certificate").pem();
    add("deep", leaf + &intermediate, &deep);

    let revocations = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 2, 3),
        next_update: date_time_ymd(2070, 11, 12),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(REVOKED_SERIAL),
            revocation_time: date_time_ymd(2020, 3, 4),
            reason_code: None,
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let revocations = revocations.signed_by(&ca).expect("a revocation list").pem().expect("PEM");
    files.push(("crl.pem".to_owned(), revocations.into_bytes()));
    files.push(("ticket.key".to_owned(), (0..80).collect()));
    files
}
