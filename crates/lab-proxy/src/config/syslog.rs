//! `syslog:server=…` in `access_log` and `error_log`.

use std::path::PathBuf;

use crate::config::address::{Address, resolve};
use crate::config::severity::Severity;
use lab_nginx_conf::{ConfError, Directive};

/// Where messages go, and how they are marked (RFC 3164).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogConfig {
    pub server: Address,
    /// The number of the facility.
    pub facility: u8,
    /// The severity of lines of access logs.
    pub severity: Severity,
    pub tag: String,
    /// `nohostname` is missing.
    pub has_host_name: bool,
}

/// The names of the facilities; the index is the number in RFC 5424.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp", "ntp",
    "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const ACCEPTED: &str = "syslog:server=ADDRESS, then facility=, severity=, tag= with up to 32 letters, digits and _, \
                        nohostname; separated by commas";

impl SyslogConfig {
    /// Reads what follows `syslog:`.
    pub(crate) fn read(directive: &Directive, parameters: &str) -> Result<SyslogConfig, ConfError> {
        let mut server = None;
        let mut config = SyslogConfig {
            server: Address::Unix(PathBuf::new()),
            facility: 23,
            severity: Severity::Info,
            tag: "nginx".to_owned(),
            has_host_name: true,
        };
        for parameter in parameters.split(',') {
            let invalid = || directive.invalid(parameter, ACCEPTED);
            match parameter.split_once('=') {
                Some(("server", address)) => server = Some(read_server(directive, address)?),
                Some(("facility", name)) => {
                    let number = FACILITIES.iter().position(|own| *own == name).ok_or_else(invalid)?;
                    // OK because there are 24
                    config.facility = u8::try_from(number).expect("a small number");
                }
                Some(("severity", name)) => config.severity = Severity::from_name(name).ok_or_else(invalid)?,
                Some(("tag", tag)) if is_tag(tag) => tag.clone_into(&mut config.tag),
                None if parameter == "nohostname" => config.has_host_name = false,
                _ => return Err(invalid()),
            }
        }
        config.server = server.ok_or_else(|| directive.invalid(directive.first(), ACCEPTED))?;
        Ok(config)
    }
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= 32 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn read_server(directive: &Directive, address: &str) -> Result<Address, ConfError> {
    match address.strip_prefix("unix:") {
        Some(path) => Ok(Address::Unix(path.into())),
        None => {
            let addresses = resolve(directive, address, 514)?;
            let first = addresses.into_iter().next().ok_or_else(|| directive.invalid(address, ACCEPTED))?;
            Ok(Address::Internet(first))
        }
    }
}
