//! Readiness: a component is ready when it answers a request, not when its port accepts connections.
//!
//! lab's own ports are bound before a component starts, so a successful connect proves nothing.

use std::io::{self, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::guarded::Guarded;
use super::{Role, SHOWN_LINES, StartError};

/// Time between two probes.
const INTERVAL: Duration = Duration::from_millis(10);

/// Waits until `component` answers at `address`, at most until `deadline` has passed.
///
/// # Errors
/// [`StartError::Ended`] as soon as the component ends, [`StartError::NotReady`] when the deadline passes; both with
/// the log's last lines.
pub async fn wait(
    role: Role,
    component: &mut Guarded,
    address: SocketAddr,
    deadline: Duration,
) -> Result<(), StartError> {
    let mut seen = "no answer".to_owned();
    let ready = async {
        loop {
            let ended = component.try_wait().map_err(|source| StartError::Io { what: "wait".to_owned(), source })?;
            if let Some(status) = ended {
                let log = component.log().to_owned();
                return Err(StartError::Ended { role, status, last_lines: last_lines(&log, SHOWN_LINES), log });
            }
            // A probe that hangs must not hide that the component has ended meanwhile.
            match tokio::time::timeout(Duration::from_millis(500), probe(address)).await {
                Ok(Ok(status)) if !matches!(status, 502..=504) => return Ok(()),
                Ok(Ok(status)) => seen = format!("it answers {status}"),
                Ok(Err(error)) => seen = error.to_string(),
                Err(_) => seen = "it accepts connections and does not answer".to_owned(),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    match tokio::time::timeout(deadline, ready).await {
        Ok(outcome) => outcome,
        Err(_) => {
            let log = component.log().to_owned();
            Err(StartError::NotReady { role, deadline, seen, last_lines: last_lines(&log, SHOWN_LINES), log })
        }
    }
}

/// Asks for `/` and returns the status code of whatever answers.
async fn probe(address: SocketAddr) -> io::Result<u16> {
    let mut connection = TcpStream::connect(address).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    std::str::from_utf8(answer.get(9..12).unwrap_or_default())
        .ok()
        .filter(|_| answer.starts_with(b"HTTP/1."))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its answer is not HTTP/1"))
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
    fn last_lines_are_the_last_and_a_missing_log_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("x.log");
        std::fs::write(&log, "a\nb\nc\n").unwrap();
        assert_eq!(last_lines(&log, 2), "b\nc");
        assert_eq!(last_lines(&log, 9), "a\nb\nc");
        assert_eq!(last_lines(&folder.path().join("none"), 2), "");
    }
}
