//! One response, built from what the application gives: a head, then content or a file.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use lab_http::h1::encode::LengthError;
use lab_http::{BodyEncoder, BodyLength};
use lab_worker::response::RequestMeta;
use lab_worker::wsgi::response::WsgiResponseHead;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::pinned_bytes::PinnedBytes;
use crate::request_body::Expectation;
use crate::response_writer::{ResponseWriter, UnsentBytes};

/// Content of this size or more is sent without a copy. Smaller content is copied behind the head.
const SEND_DIRECTLY_FROM: usize = 16 * 1024;

/// The last content is pinned from this size on. Below, a copy costs less.
const PIN_FROM: usize = 2 * 1024;

pub(crate) struct Response {
    meta: RequestMeta,
    /// Whether another request may follow, as far as is known.
    keep_alive: bool,
    expectation: Option<Expectation>,
    /// The head of the last call of `start_response`.
    head: Option<WsgiResponseHead>,
    /// Set when the head is committed: it can no longer be changed.
    encoder: Option<BodyEncoder>,
    writer: ResponseWriter,
    file: Option<FileRange>,
    sent_bytes: u64,
    is_too_long: bool,
}

/// A part of a file, to be sent after everything else.
#[derive(Debug)]
pub(crate) struct FileRange {
    pub(crate) file: OwnedFd,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The unsent part of a response when the application has returned, in this order.
#[derive(Debug)]
pub(crate) struct UnsentResponse {
    pub(crate) bytes: UnsentBytes,
    pub(crate) file: Option<FileRange>,
    /// Whether another request may follow.
    pub(crate) keep_alive: bool,
    /// The head, if it was committed.
    pub(crate) head: Option<WsgiResponseHead>,
    /// Bytes of content in the whole response.
    pub(crate) sent_bytes: u64,
}

impl Response {
    pub(crate) fn new(
        meta: RequestMeta,
        keep_alive: bool,
        expectation: Option<Expectation>,
        writer: ResponseWriter,
    ) -> Response {
        Response {
            meta,
            keep_alive,
            expectation,
            head: None,
            encoder: None,
            writer,
            file: None,
            sent_bytes: 0,
            is_too_long: false,
        }
    }

    /// Whether `start_response` was called.
    pub(crate) fn is_started(&self) -> bool {
        self.head.is_some()
    }

    /// Whether the head can no longer be changed.
    pub(crate) fn is_committed(&self) -> bool {
        self.encoder.is_some()
    }

    /// Whether the response must not have content, even if the application gives some.
    pub(crate) fn is_bodyless(&self) -> bool {
        self.encoder.as_ref().is_some_and(|encoder| encoder.length() == BodyLength::None)
    }

    /// Whether there was content beyond the Content-Length.
    pub(crate) fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Sets the head. It replaces one that is not committed.
    pub(crate) fn set_head(&mut self, head: WsgiResponseHead) {
        self.head = Some(head);
    }

    /// The Content-Length that the application gave.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.head.as_ref().and_then(WsgiResponseHead::content_length)
    }

    /// Commits the head. `size` is the length of the whole content, if known.
    pub(crate) fn commit(&mut self, size: Option<u64>) {
        let (Some(head), None) = (&self.head, &self.encoder) else { return };
        // Without 100 Continue a client may send its body or not, so the start of the next request is unknown.
        let skips_body = self.expectation.as_ref().is_some_and(Expectation::forgo);
        let framing = head.framing(self.meta, size);
        let encoder = BodyEncoder::new(framing.body);
        self.keep_alive &= !skips_body && !encoder.ends_connection();
        head.write(&mut self.writer.buffer, self.meta, self.keep_alive, framing);
        self.encoder = Some(encoder);
    }

    /// Adds content. Content beyond the Content-Length is cut off, so the client still gets a complete response.
    pub(crate) fn push(&mut self, content: &[u8]) -> io::Result<()> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        if encoder.length() == BodyLength::None || content.is_empty() {
            return Ok(());
        }
        let room = encoder.remaining().map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX));
        let fitting = &content[..room.min(content.len())];
        self.is_too_long |= fitting.len() < content.len();
        self.sent_bytes += fitting.len() as u64;
        // Cannot fail: the content was cut to fit.
        encoder.begin_piece(&mut self.writer.buffer, fitting.len()).map_err(io::Error::other)?;
        if fitting.len() >= SEND_DIRECTLY_FROM {
            self.writer.send(fitting)?;
        } else {
            self.writer.buffer.extend_from_slice(fitting);
        }
        encoder.end_piece(&mut self.writer.buffer, fitting.len());
        // A long list must not collect in memory.
        if self.writer.is_full() { self.writer.send(&[]) } else { Ok(()) }
    }

    /// Adds the last content. Large content is pinned instead of copied.
    pub(crate) fn push_last(&mut self, content: &Bound<'_, PyBytes>) -> io::Result<()> {
        let bytes = content.as_bytes();
        match &mut self.encoder {
            Some(encoder) if bytes.len() >= PIN_FROM && encoder.remaining() == Some(bytes.len() as u64) => {
                // Cannot fail: the content fits. Content of known size has no framing behind it.
                encoder.begin_piece(&mut self.writer.buffer, bytes.len()).map_err(io::Error::other)?;
                self.sent_bytes += bytes.len() as u64;
                self.writer.set_last_content(PinnedBytes::new(content));
                Ok(())
            }
            _ => self.push(bytes),
        }
    }

    /// Sends as much as the client accepts. The last bytes of a response may wait in the batch.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        let room = self.encoder.as_ref().and_then(BodyEncoder::remaining);
        if room == Some(0) { self.writer.send_last() } else { self.writer.send(&[]) }
    }

    /// Whether the application has to wait, because too many bytes are unsent.
    pub(crate) fn is_backlogged(&self) -> bool {
        self.writer.is_backlogged()
    }

    /// As [`ResponseWriter::own_socket`].
    pub(crate) fn own_socket(&mut self) -> io::Result<()> {
        self.writer.own_socket()
    }

    /// As [`ResponseWriter::wait`].
    pub(crate) fn wait<E: From<io::Error>>(
        &mut self,
        wait_writable: impl FnMut(BorrowedFd<'_>, Duration) -> Result<bool, E>,
    ) -> Result<(), E> {
        self.writer.wait(wait_writable)
    }

    /// Sets a part of a file as the content, cut to the Content-Length.
    pub(crate) fn set_file(&mut self, range: FileRange) -> io::Result<()> {
        let length = self.content_length().unwrap_or(range.length).min(range.length);
        self.commit(Some(length));
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        if encoder.length() == BodyLength::None || length == 0 {
            return Ok(());
        }
        // Cannot fail: the length was cut to fit. Content of known size has no framing behind it.
        let size = usize::try_from(length).map_err(io::Error::other)?;
        encoder.begin_piece(&mut self.writer.buffer, size).map_err(io::Error::other)?;
        self.sent_bytes += length;
        self.file = Some(FileRange { length, ..range });
        Ok(())
    }

    /// Ends the content.
    pub(crate) fn finish(&mut self) -> Result<(), LengthError> {
        self.commit(Some(0));
        if self.is_too_long {
            return Err(LengthError::TooLong);
        }
        match &mut self.encoder {
            Some(encoder) => encoder.finish(&mut self.writer.buffer, None),
            None => Ok(()),
        }
    }

    pub(crate) fn into_unsent(self, py: Python<'_>) -> UnsentResponse {
        let is_committed = self.is_committed();
        UnsentResponse {
            bytes: self.writer.into_unsent(py),
            file: self.file,
            keep_alive: self.keep_alive,
            head: self.head.filter(|_| is_committed),
            sent_bytes: self.sent_bytes,
        }
    }
}

impl UnsentResponse {
    /// Drops all unsent bytes, because the client is gone.
    pub(crate) fn discard(self) -> UnsentResponse {
        UnsentResponse { bytes: UnsentBytes::default(), file: None, keep_alive: false, ..self }
    }
}
