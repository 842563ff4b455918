//! What a worker leaves for its arbiter to read while it is busy: that it lives, and which request it is in.
//!
//! The notes are one page in a memfd that both processes have open. The worker has it mapped and writes into it without
//! a system call; the arbiter reads it with `pread` when a worker has been silent for too long. A worker that is hung
//! does not write, so that what is read then is whole. All numbers are little endian.

/// Bytes of the notes.
pub const SIZE: usize = 4096;
/// Where the heartbeat is: a counter (u64) that goes up with every request and at least once per second, unless the
/// worker is in a call of the application or hung.
pub const HEARTBEAT: usize = 0;
/// The least heartbeat of a worker that serves; one that is still loading its application shows less.
pub const SERVING: u64 = 2;
/// Where the number of requests served is (u64).
pub const REQUESTS: usize = 8;
/// Where the length of the request line is (u64); 0 if no request is in progress.
pub const LINE_LENGTH: usize = 16;
/// Where the request line starts.
pub const LINE: usize = 24;
/// Bytes of the request line that are kept.
pub const LONGEST_LINE: usize = SIZE - LINE;

/// The notes, as an arbiter reads them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notes {
    /// See [`HEARTBEAT`].
    pub heartbeat: u64,
    /// Requests served so far.
    pub requests: u64,
    /// The request line, `GET /path HTTP/1.1`, of the request that the worker is in; cut at [`LONGEST_LINE`], and
    /// what is not ASCII escaped.
    pub request: Option<String>,
}

impl Notes {
    /// Reads the notes; None if there are less than [`SIZE`] bytes.
    #[must_use]
    pub fn decode(page: &[u8]) -> Option<Notes> {
        let number = |at: usize| Some(u64::from_le_bytes(page.get(at..at + 8)?.try_into().ok()?));
        let length = usize::try_from(number(LINE_LENGTH)?).ok()?.min(LONGEST_LINE);
        let line = page.get(LINE..SIZE)?.get(..length)?;
        let request = (length > 0).then(|| line.escape_ascii().to_string());
        Some(Notes { heartbeat: number(HEARTBEAT)?, requests: number(REQUESTS)?, request })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_read_as_they_are_laid_out() {
        let mut page = [0; SIZE];
        assert_eq!(Notes::decode(&page), Some(Notes::default()));
        page[HEARTBEAT] = 9;
        page[REQUESTS + 1] = 1;
        page[LINE_LENGTH] = 15;
        page[LINE..LINE + 16].copy_from_slice(b"GET /\xe9 HTTP/1.1!");
        let request = Some("GET /\\xe9 HTTP/1.1".to_owned());
        assert_eq!(Notes::decode(&page), Some(Notes { heartbeat: 9, requests: 256, request }));
        page[LINE_LENGTH + 7] = 1;
        assert_eq!(Notes::decode(&page).and_then(|notes| notes.request).map(|line| line.len() > 4000), Some(true));
        assert_eq!(Notes::decode(&page[1..]), None);
    }
}
