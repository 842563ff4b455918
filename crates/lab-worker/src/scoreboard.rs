//! The state of a worker that its arbiter can read at any time: the heartbeat and the request in progress (Apache and
//! uWSGI call this a scoreboard).
//!
//! The scoreboard is one page in a memfd that both processes have open. A Python worker maps it and writes without a
//! system call. The arbiter reads it with `pread`; when a worker has been silent for too long it no longer writes, so
//! that read is consistent. All numbers are little endian.

/// Bytes of a scoreboard.
pub const SIZE: usize = 4096;
/// The offset of the heartbeat: a counter (u64) that increases with every request and at least once per second, unless
/// the worker hangs or is in a call of the application.
pub const HEARTBEAT: usize = 0;
/// The least heartbeat of a worker that serves. A worker that is still loading its application shows less.
pub const SERVING: u64 = 2;
/// The offset of the number of requests served (u64).
pub const REQUESTS: usize = 8;
/// The offset of the length of the request line (u64); 0 if no request is in progress.
pub const LINE_LENGTH: usize = 16;
/// The offset of a flag (u64): 1 once the worker retires by itself, so that a successor is needed.
pub const RETIRING: usize = 24;
/// The offset of the request line.
pub const LINE: usize = 32;
/// The longest request line that fits; a longer one is cut.
pub const LONGEST_LINE: usize = SIZE - LINE;

/// A scoreboard, as an arbiter reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scoreboard {
    /// See [`HEARTBEAT`].
    pub heartbeat: u64,
    /// Requests served since the start.
    pub requests: u64,
    /// Whether the worker retires by itself (gunicorn's `max_requests`).
    pub is_retiring: bool,
    /// The request line of the request in progress, `GET /path HTTP/1.1`, with everything but ASCII escaped.
    pub request: Option<String>,
}

impl Scoreboard {
    /// Reads a scoreboard; None if there are fewer than [`SIZE`] bytes.
    #[must_use]
    pub fn decode(page: &[u8]) -> Option<Scoreboard> {
        let number = |at: usize| Some(u64::from_le_bytes(page.get(at..at + 8)?.try_into().ok()?));
        let length = usize::try_from(number(LINE_LENGTH)?).ok()?.min(LONGEST_LINE);
        let line = page.get(LINE..SIZE)?.get(..length)?;
        let request = (length > 0).then(|| line.escape_ascii().to_string());
        Some(Scoreboard {
            heartbeat: number(HEARTBEAT)?,
            requests: number(REQUESTS)?,
            is_retiring: number(RETIRING)? != 0,
            request,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scoreboard_is_read_as_laid_out() {
        let mut page = [0; SIZE];
        assert_eq!(Scoreboard::decode(&page), Some(Scoreboard::default()));
        page[HEARTBEAT] = 9;
        page[REQUESTS + 1] = 1;
        page[LINE_LENGTH] = 15;
        page[LINE..LINE + 16].copy_from_slice(b"GET /\xe9 HTTP/1.1!");
        page[RETIRING] = 1;
        let request = Some("GET /\\xe9 HTTP/1.1".to_owned());
        let expected = Scoreboard { heartbeat: 9, requests: 256, is_retiring: true, request };
        assert_eq!(Scoreboard::decode(&page), Some(expected));
        page[LINE_LENGTH + 7] = 1;
        assert_eq!(
            Scoreboard::decode(&page).and_then(|scoreboard| scoreboard.request).map(|line| line.len() > 4000),
            Some(true)
        );
        assert_eq!(Scoreboard::decode(&page[1..]), None);
    }
}
