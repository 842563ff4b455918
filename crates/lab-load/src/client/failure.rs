//! Classifies failed requests.
//!
//! The classes are those of httperf's error report (Mosberger and Jin, *httperf: a tool for measuring web server
//! performance*, 1998, §3.1), further divided by phase. Pure: reads only the error's chain of sources.

use std::error::Error;
use std::io;

use crate::accounting::RequestOutcome;
use crate::wire::ErrorClass;

/// The progress of a request when it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No connection yet.
    Connecting,
    /// Sent, but the response's head is not complete.
    AwaitingResponse,
    /// Within the response's body.
    ReadingBody,
}

/// The outcome of an error in `phase`, with its message where the class is not specific enough.
pub(crate) fn failed(error: &(dyn Error + 'static), phase: Phase) -> RequestOutcome {
    let class = class_of(error, phase);
    let needs_detail = matches!(class, ErrorClass::ClientOther | ErrorClass::TlsHandshake | ErrorClass::TlsCertificate);
    RequestOutcome::Failed { class, detail: needs_detail.then(|| describe(error)) }
}

/// The outcome of a timeout in `phase`.
pub(crate) fn timed_out(phase: Phase) -> RequestOutcome {
    RequestOutcome::failed(timeout_class(phase))
}

fn timeout_class(phase: Phase) -> ErrorClass {
    match phase {
        Phase::Connecting => ErrorClass::TimeoutConnect,
        Phase::AwaitingResponse => ErrorClass::TimeoutFirstByte,
        Phase::ReadingBody => ErrorClass::TimeoutBody,
    }
}

/// The class of `error`, which happened in `phase`. The innermost cause that has a class decides.
fn class_of(error: &(dyn Error + 'static), phase: Phase) -> ErrorClass {
    chain(error).into_iter().rev().find_map(|cause| cause_class(cause, phase)).unwrap_or(ErrorClass::ClientOther)
}

/// The error and its causes in one line.
fn describe(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = chain(error).iter().map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}

/// The error and all its causes, outermost first. `io::Error::source` skips the wrapped error itself, so it is read
/// with `get_ref`.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut chain = vec![error];
    let mut last = error;
    loop {
        let wrapped = last.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let next: Option<&'a (dyn Error + 'static)> = match wrapped {
            Some(inner) => Some(inner),
            None => last.source(),
        };
        match next {
            Some(inner) => {
                chain.push(inner);
                last = inner;
            }
            None => return chain,
        }
    }
}

fn cause_class(cause: &(dyn Error + 'static), phase: Phase) -> Option<ErrorClass> {
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return io_class(error, phase);
    }
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls_class(error, phase));
    }
    let error = cause.downcast_ref::<hyper::Error>()?;
    // A canceled request, or one that found the channel closed, lost a race with the server closing the connection. The
    // client library retries only requests that were never written.
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        Some(ErrorClass::PrematureEof)
    } else if error.is_parse() {
        Some(ErrorClass::Protocol)
    } else {
        None
    }
}

fn tls_class(error: &rustls::Error, phase: Phase) -> ErrorClass {
    match (error, phase) {
        (rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented, _) => {
            ErrorClass::TlsCertificate
        }
        (_, Phase::Connecting) => ErrorClass::TlsHandshake,
        _ => ErrorClass::Protocol,
    }
}

fn io_class(error: &io::Error, phase: Phase) -> Option<ErrorClass> {
    use rustix::io::Errno;

    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    if matches!(errno, Some(Errno::MFILE | Errno::NFILE)) {
        return Some(ErrorClass::ClientFdUnavailable);
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(ErrorClass::ConnectRefused),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Some(match phase {
                Phase::Connecting => ErrorClass::ResetConnecting,
                Phase::AwaitingResponse => ErrorClass::ResetBeforeFirstByte,
                Phase::ReadingBody => ErrorClass::ResetMidBody,
            })
        }
        io::ErrorKind::TimedOut => Some(timeout_class(phase)),
        // Only TLS reads anything before the first request is sent.
        io::ErrorKind::UnexpectedEof if phase == Phase::Connecting => Some(ErrorClass::TlsHandshake),
        io::ErrorKind::UnexpectedEof => Some(ErrorClass::PrematureEof),
        // hyper's error kinds for a malformed chunked body.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Some(ErrorClass::Protocol),
        io::ErrorKind::AddrNotAvailable => Some(ErrorClass::ClientNoFreePort),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    fn class_of_io(error: io::Error, phase: Phase) -> ErrorClass {
        super::class_of(&Outer(error), phase)
    }

    #[test]
    fn operating_system_errors() {
        use rustix::io::Errno;

        for (errno, phase, class) in [
            (Errno::CONNREFUSED, Phase::Connecting, ErrorClass::ConnectRefused),
            (Errno::CONNRESET, Phase::Connecting, ErrorClass::ResetConnecting),
            (Errno::CONNRESET, Phase::AwaitingResponse, ErrorClass::ResetBeforeFirstByte),
            (Errno::CONNRESET, Phase::ReadingBody, ErrorClass::ResetMidBody),
            (Errno::PIPE, Phase::AwaitingResponse, ErrorClass::ResetBeforeFirstByte),
            (Errno::TIMEDOUT, Phase::Connecting, ErrorClass::TimeoutConnect),
            (Errno::TIMEDOUT, Phase::ReadingBody, ErrorClass::TimeoutBody),
            (Errno::MFILE, Phase::Connecting, ErrorClass::ClientFdUnavailable),
            (Errno::NFILE, Phase::Connecting, ErrorClass::ClientFdUnavailable),
            (Errno::ADDRNOTAVAIL, Phase::Connecting, ErrorClass::ClientNoFreePort),
            (Errno::PERM, Phase::Connecting, ErrorClass::ClientOther),
        ] {
            assert_eq!(class_of_io(errno.into(), phase), class, "{errno:?} {phase:?}");
        }
    }

    #[test]
    fn tls_errors_by_cause() {
        let class = |error: rustls::Error, phase| class_of_io(io::Error::new(io::ErrorKind::InvalidData, error), phase);
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert_eq!(class(unknown, Phase::Connecting), ErrorClass::TlsCertificate);
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure);
        assert_eq!(class(alert, Phase::Connecting), ErrorClass::TlsHandshake);
        assert_eq!(class(rustls::Error::DecryptError, Phase::ReadingBody), ErrorClass::Protocol);
        let eof = || io::Error::from(io::ErrorKind::UnexpectedEof);
        assert_eq!(class_of_io(eof(), Phase::Connecting), ErrorClass::TlsHandshake);
        assert_eq!(class_of_io(eof(), Phase::ReadingBody), ErrorClass::PrematureEof);
    }

    #[test]
    fn errors_inside_io_errors_are_found() {
        let inner = io::Error::from(rustix::io::Errno::CONNRESET);
        let wrapped = io::Error::other(Outer(inner));
        assert_eq!(class_of_io(wrapped, Phase::ReadingBody), ErrorClass::ResetMidBody);
    }

    #[test]
    fn unclassified_error_is_described() {
        let error = Outer(io::Error::other("inner"));
        assert_eq!(super::class_of(&error, Phase::AwaitingResponse), ErrorClass::ClientOther);
        assert_eq!(describe(&error), "outer: inner");
    }
}
