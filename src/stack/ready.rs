//! Readiness: a component is ready when it answers a request, not when its port accepts connections.
//!
//! lab binds ports before a component starts, so a successful connect proves nothing.

use std::io::{self, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::guarded::Guarded;
use super::listener::{self, PortOwner};
use super::original_names::original_names;
use super::{EXCERPT_LINES, Role, StartError, failure_cause};
use crate::catalog::kind::Protocol;

/// Lines of a log in which the cause of a failure is looked for.
const CAUSE_LINES: usize = 120;
/// Time between two probes.
const INTERVAL: Duration = Duration::from_millis(10);

/// The request that is repeated until the component responds.
#[derive(Debug, Clone, Copy)]
pub struct Probe<'a> {
    /// Which component.
    pub role: Role,
    /// Where it listens.
    pub address: SocketAddr,
    /// The protocol it listens for.
    pub protocol: Protocol,
    /// The path.
    pub path: &'a str,
    /// Whether it opens the listening socket itself. The socket's owner is checked first then.
    pub binds_itself: bool,
    /// The copies of files that it reads, each with the original's name.
    pub originals: &'a [(String, String)],
}

/// Where the status code stands in an answer.
const STATUS: std::ops::Range<usize> = 9..12;
/// How long the rest of an answer may take.
const REST: Duration = Duration::from_millis(100);

/// Waits until `component` answers, at most until `deadline` has passed.
///
/// # Errors
/// [`StartError::Ended`] as soon as the component ends, [`StartError::NotReady`] when the deadline passes; both with
/// the log's last lines.
pub async fn wait(probe: &Probe<'_>, component: &mut Guarded, deadline: Duration) -> Result<(), StartError> {
    let Probe { role, .. } = *probe;
    let mut observed = "no response".to_owned();
    let ready = async {
        loop {
            let ended =
                component.try_wait().map_err(|source| StartError::Io { operation: "wait".to_owned(), source })?;
            if let Some(status) = ended {
                return Err(ended_early(role, status, component.log(), probe.originals));
            }
            match look(probe, component).await {
                Ok(()) => return Ok(()),
                Err(message) => observed = message,
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    match tokio::time::timeout(deadline, ready).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let log = component.log().to_owned();
            let last_lines = original_names(&last_lines(&log, EXCERPT_LINES), probe.originals);
            Err(StartError::NotReady { role, deadline, observed, last_lines, log })
        }
    }
}

/// Why it ended before it was ready, as its log says.
fn ended_early(role: Role, status: ExitStatus, log: &Path, originals: &[(String, String)]) -> StartError {
    let (cause, last_lines) = cause_of_end(log, originals);
    StartError::Ended { role, status, cause, log: log.to_owned(), last_lines }
}

/// Why the writer of `log` ended, in one line, and the end of the log unless the line says all.
pub(super) fn cause_of_end(log: &Path, originals: &[(String, String)]) -> (Option<String>, Option<String>) {
    let text = original_names(&last_lines(log, CAUSE_LINES), originals);
    let cause = failure_cause::find(&text);
    let is_complete = cause.as_ref().is_some_and(|cause| cause.is_complete);
    // Up to the cause, because more may follow from it than anyone reads.
    let lines: Vec<&str> = text.lines().take(cause.as_ref().map_or(usize::MAX, |cause| cause.end)).collect();
    let last_lines = (!is_complete).then(|| lines[lines.len().saturating_sub(EXCERPT_LINES)..].join("\n"));
    (cause.map(|cause| cause.line), last_lines)
}

/// Whether it is ready now; otherwise the reason why not.
async fn look(probe: &Probe<'_>, component: &Guarded) -> Result<(), String> {
    if let (true, Some(guard)) = (probe.binds_itself, component.pid()) {
        match listener::owner(probe.address.port(), guard) {
            Ok(PortOwner::Program) => {}
            Ok(PortOwner::None) => return Err("it does not listen".to_owned()),
            Ok(PortOwner::Other) => return Err("another process listens on its port".to_owned()),
            Err(error) => return Err(format!("who listens cannot be read: {error}")),
        }
    }
    // A probe that hangs must not hide that the component has ended meanwhile.
    match tokio::time::timeout(Duration::from_millis(500), send(probe)).await {
        Ok(Ok(status)) if !matches!(status, 502..=504) => Ok(()),
        Ok(Ok(status)) => Err(format!("it responds with {status}")),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it accepts connections but does not respond".to_owned()),
    }
}

/// Requests the path and returns the status code of the response.
async fn send(probe: &Probe<'_>) -> io::Result<u16> {
    exchange(probe.address, &request(probe)).await
}

/// The status code of the response to a GET request.
pub(super) async fn status_of(address: SocketAddr, path: &str) -> io::Result<u16> {
    exchange(address, &get_request(address, path)).await
}

fn get_request(address: SocketAddr, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").into_bytes()
}

/// Sends a request and returns the status code of the response.
async fn exchange(address: SocketAddr, request: &[u8]) -> io::Result<u16> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(request).await?;
    let mut response = Vec::new();
    while response.len() < STATUS.end && connection.read_buf(&mut response).await? > 0 {}
    // Closing early would show up in the component's log, so read the rest; some never close.
    let _ = tokio::time::timeout(REST, connection.read_to_end(&mut response)).await;
    std::str::from_utf8(response.get(STATUS).unwrap_or_default())
        .ok()
        .filter(|_| response.starts_with(b"HTTP/1."))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its response is not HTTP/1"))
}

/// The probe in the component's own protocol. Its answer is HTTP's in both.
fn request(probe: &Probe<'_>) -> Vec<u8> {
    let Probe { address, path, .. } = probe;
    match probe.protocol {
        Protocol::Http => get_request(*address, path),
        Protocol::Uwsgi => {
            let (host, port) = (address.ip().to_string(), address.port().to_string());
            let bare = path.split('?').next().unwrap_or(path);
            uwsgi_packet(&[
                ("REQUEST_METHOD", "GET"),
                ("REQUEST_URI", path),
                ("PATH_INFO", bare),
                ("QUERY_STRING", path.split_once('?').map_or("", |(_, query)| query)),
                ("SERVER_PROTOCOL", "HTTP/1.1"),
                ("SERVER_NAME", &host),
                ("SERVER_PORT", &port),
                ("HTTP_HOST", &address.to_string()),
                ("REMOTE_ADDR", &host),
            ])
        }
    }
}

/// A request as uwsgi has it: a header of a modifier (0: WSGI), the size and another modifier, then each variable's name
/// and value behind their lengths. Numbers have 16 bits, the lower eight first.
/// <https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html>
fn uwsgi_packet(variables: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for text in variables.iter().flat_map(|(name, value)| [name, value]) {
        // What is asked here is a few bytes long; a longer text would end early, and be answered all the same.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        block.extend_from_slice(&length.to_le_bytes());
        block.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
    }
    let size = u16::try_from(block.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&[0, size[0], size[1], 0], &block[..]].concat()
}

/// The last lines of a log, at most `count`; empty when there are none or the file cannot be read.
#[must_use]
pub fn last_lines(log: &Path, count: usize) -> String {
    /// Enough for the lines an error shows, however large the log.
    const TAIL_BYTES: u64 = 16 * 1024;
    let read = || -> io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&tail);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_uwsgi_has_its_size_and_the_length_of_each_text() {
        let packet = uwsgi_packet(&[("REQUEST_METHOD", "GET"), ("QUERY_STRING", "")]);
        let block = b"\x0e\0REQUEST_METHOD\x03\0GET\x0c\0QUERY_STRING\0\0";
        assert_eq!(packet, [&[0, 37, 0, 0], &block[..]].concat());
        assert_eq!(block.len(), 37);
    }

    #[test]
    fn last_lines_are_the_last_and_a_missing_log_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("x.log");
        std::fs::write(&log, "a\nb\nc\n").unwrap();
        assert_eq!(last_lines(&log, 2), "b\nc");
        assert_eq!(last_lines(&log, 9), "a\nb\nc");
        assert_eq!(last_lines(&folder.path().join("none"), 2), "");
    }
}
