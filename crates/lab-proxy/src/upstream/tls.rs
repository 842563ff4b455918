//! TLS towards a peer: the name it must have, and the handshake.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use lab_net::Stream;
use lab_net::tls::{ClientConfig, ServerName, verification_failure};

use crate::config::logs::Severity;
use crate::config::proxy::pass::PassTls;
use crate::context::RequestContext;
use crate::upstream::error::ForwardError;
use crate::variables::Variable;

/// How the connections of a request speak TLS. Idle connections are reused only for an equal one.
#[derive(Debug, Clone)]
pub(crate) struct TlsTarget {
    /// An index into the configuration, which stands for the context.
    config: usize,
    context: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl PartialEq for TlsTarget {
    fn eq(&self, other: &TlsTarget) -> bool {
        (self.config, &self.name) == (other.config, &other.name)
    }
}

impl TlsTarget {
    /// Evaluates `proxy_ssl_name`.
    pub(crate) fn new(context: &RequestContext<'_>, tls: &PassTls) -> Result<TlsTarget, ForwardError> {
        let scope = context.scope();
        let mut written = Vec::new();
        match &tls.name {
            Some(name) => name.write(&scope, &mut written),
            None => _ = scope.write(&Variable::ProxyHost, &mut written),
        }
        let config = &context.worker.config.upstream_tls[tls.config];
        let name = match server_name(&written) {
            Some(name) => name,
            // the name is neither sent nor checked
            None if config.verification.is_none() && !config.sends_server_name => {
                ServerName::IpAddress(IpAddr::from([0, 0, 0, 0]).into())
            }
            None => {
                let message = format!("invalid name of an upstream for TLS: \"{}\"", written.escape_ascii());
                context.log_error(Severity::Error, &message, None);
                return Err(ForwardError::Status(502));
            }
        };
        Ok(TlsTarget { config: tls.config, context: Arc::clone(context.worker.tls.upstream(tls.config)), name })
    }

    pub(crate) async fn handshake(&self, stream: Stream) -> io::Result<Stream> {
        stream.connect_tls(Arc::clone(&self.context), self.name.clone()).await
    }

    /// The message for a failed handshake, in nginx's words.
    pub(crate) fn describe_failure(&self, error: &io::Error) -> String {
        let problem = match verification_failure(error) {
            Some(failure) if failure.is_host_mismatch() => {
                format!("upstream SSL certificate does not match \"{}\"", self.name.to_str())
            }
            Some(failure) => format!("upstream SSL certificate verify error: ({}:{failure})", failure.code),
            None => format!("SSL_do_handshake() failed ({error})"),
        };
        format!("{problem} while SSL handshaking to upstream")
    }
}

/// As in nginx, a port is not part of the name.
fn server_name(written: &[u8]) -> Option<ServerName<'static>> {
    let text = std::str::from_utf8(written).ok()?;
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => text.split(':').next()?,
    };
    ServerName::try_from(host.to_owned()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_ports() {
        for (written, expected) in [
            ("example.org:8443", Some("example.org")),
            ("example.org", Some("example.org")),
            ("app_backend", Some("app_backend")),
            ("[::1]:8443", Some("::1")),
            ("127.0.0.1:8443", Some("127.0.0.1")),
            ("a b", None),
            ("", None),
        ] {
            let name = server_name(written.as_bytes());
            assert_eq!(name.as_ref().map(ServerName::to_str).as_deref(), expected, "{written}");
        }
    }
}
