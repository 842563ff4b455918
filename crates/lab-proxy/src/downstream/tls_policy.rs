//! Which requests a server accepts, as their TLS sessions are: plain HTTP, other names, and certificates of clients.

use crate::config::tls::server::ClientVerification;
use crate::context::RequestContext;

/// A request that its TLS session does not allow.
pub(crate) struct TlsRefusal {
    /// One of nginx's own statuses, which clients see as 400, or 421.
    pub(crate) status: u16,
    /// For the error log, in nginx's words.
    pub(crate) message: String,
}

/// The connection is plain HTTP on a socket for TLS.
const PLAIN_ON_TLS: u16 = 497;
/// The client's certificate is not trusted.
const CERTIFICATE_ERROR: u16 = 495;
/// The client has no certificate.
const NO_CERTIFICATE: u16 = 496;
/// The request is for another server than the handshake (RFC 9110 section 15.5.20).
const MISDIRECTED: u16 = 421;

/// # Errors
/// The request is refused.
pub(crate) fn check(context: &RequestContext<'_>) -> Result<(), TlsRefusal> {
    let refuse = |status, message: &str| Err(TlsRefusal { status, message: message.to_owned() });
    if context.connection.is_plain_on_tls {
        return refuse(PLAIN_ON_TLS, "client sent plain HTTP request to HTTPS port");
    }
    let Some(session) = &context.connection.tls else { return Ok(()) };
    let verification = context.server.tls.clients.verification;
    if verification == ClientVerification::Off {
        return Ok(());
    }
    let name = session.offer.server_name.as_deref().filter(|_| session.named_server.is_some());
    let host = context.request.host.as_deref().unwrap_or_default();
    if name.is_some_and(|name| !name.as_bytes().eq_ignore_ascii_case(host)) {
        let message = "client attempted to request the server name different from the one that was negotiated";
        return refuse(MISDIRECTED, message);
    }
    if let Err(error) = session.verification
        && !(verification == ClientVerification::OptionalFromAnyAuthority && error.is_unknown_authority())
    {
        let message = format!("client SSL certificate verify error: ({}:{error})", error.code);
        return Err(TlsRefusal { status: CERTIFICATE_ERROR, message });
    }
    if verification == ClientVerification::Required && !session.has_client_certificate() {
        return refuse(NO_CERTIFICATE, "client sent no required SSL certificate");
    }
    Ok(())
}
