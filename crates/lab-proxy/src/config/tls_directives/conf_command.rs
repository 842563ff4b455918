//! `ssl_conf_command` and `proxy_ssl_conf_command`: configuration commands of OpenSSL (SSL_CONF_cmd(3)).

use lab_net::tls::{SupportedCipherSuite, tls13_cipher_suite};

use super::cipher_choice::{CipherChoice, GroupChoice, read_groups};
use crate::config::reader::ConfigReader;
use lab_nginx_conf::{ConfError, Directive};

/// What `…_conf_command` changes of a handshake.
#[derive(Debug, Clone, Default)]
pub(super) struct HandshakeCommands {
    pub(super) tls13_cipher_suites: Option<Vec<SupportedCipherSuite>>,
    pub(super) ciphers: Option<CipherChoice>,
    pub(super) groups: Option<GroupChoice>,
    /// Whether TLS 1.3 is the lowest version.
    pub(super) min_is_tls13: Option<bool>,
    /// Whether TLS 1.2 is the highest version.
    pub(super) max_is_tls12: Option<bool>,
    /// `Options ServerPreference`
    pub(super) server_preference: Option<bool>,
    /// `Options SessionTicket`
    pub(super) tickets: Option<bool>,
}

const COMMANDS: &str = "Ciphersuites, CipherString, Groups, Curves, MinProtocol, MaxProtocol, Options";
const VERSIONS: &str = "TLSv1.2, TLSv1.3, None";
const SUITES: &str = "TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256";
const OPTIONS: &str = "the options of OpenSSL, such as ServerPreference or -SessionTicket";

/// Options that have no meaning for lab's TLS library.
#[rustfmt::skip]
const MEANINGLESS_OPTIONS: &[&str] = &[
    "PrioritizeChaCha", "Compression", "EmptyFragments", "Bugs", "DHSingle", "ECDHSingle",
    "NoResumptionOnRenegotiation", "UnsafeLegacyRenegotiation", "UnsafeLegacyServerConnect", "NoRenegotiation",
    "EncryptThenMac", "AllowNoDHEKEX", "MiddleboxCompat", "AntiReplay", "ExtendedMasterSecret", "CANames", "KTLS",
    "IgnoreUnexpectedEOF", "StrictCertCheck", "TxCertificateCompression", "RxCertificateCompression",
];

pub(super) fn read(
    commands: &mut HandshakeCommands,
    directive: &Directive,
    reader: &mut ConfigReader<'_>,
) -> Result<(), ConfError> {
    let (command, value) = (directive.first(), directive.arg(1).unwrap_or_default());
    let is = |name: &str| command.eq_ignore_ascii_case(name);
    if is("Ciphersuites") {
        let suites =
            value.split(':').map(|name| tls13_cipher_suite(name).ok_or_else(|| directive.invalid(name, SUITES)));
        commands.tls13_cipher_suites = Some(suites.collect::<Result<_, _>>()?);
    } else if is("CipherString") {
        commands.ciphers = Some(CipherChoice::read(directive, value, reader));
    } else if is("Groups") || is("Curves") {
        commands.groups = Some(read_groups(directive, value, reader)?);
    } else if is("MinProtocol") {
        commands.min_is_tls13 = Some(match value {
            "TLSv1.3" => true,
            "TLSv1" | "TLSv1.1" | "TLSv1.2" | "None" => false,
            other => return Err(directive.invalid(other, VERSIONS)),
        });
    } else if is("MaxProtocol") {
        commands.max_is_tls12 = Some(match value {
            "TLSv1.2" => true,
            "TLSv1.3" | "None" => false,
            other => return Err(directive.invalid(other, VERSIONS)),
        });
    } else if is("Options") {
        for option in value.split(',') {
            read_option(commands, option.trim(), directive, reader)?;
        }
    } else {
        return Err(directive.unsupported(format!("\"{command}\""), COMMANDS));
    }
    Ok(())
}

fn read_option(
    commands: &mut HandshakeCommands,
    option: &str,
    directive: &Directive,
    reader: &mut ConfigReader<'_>,
) -> Result<(), ConfError> {
    let is_on = !option.starts_with('-');
    let name = option.trim_start_matches(['+', '-']);
    let is = |own: &str| name.eq_ignore_ascii_case(own);
    if is("ServerPreference") {
        commands.server_preference = Some(is_on);
    } else if is("SessionTicket") {
        commands.tickets = Some(is_on);
    } else if MEANINGLESS_OPTIONS.iter().any(|own| is(own)) {
        reader.warn(directive, format!("option \"{option}\" of \"{}\" has no effect in lab", directive.name));
    } else {
        return Err(directive.invalid(option, OPTIONS));
    }
    Ok(())
}
