//! One response, as the application gives it bit by bit.

use std::io;
use std::os::fd::OwnedFd;

use lab_http::encode::LengthError;
use lab_http::{BodyEncoder, BodyLength};
use lab_worker::response::Asked;
use lab_worker::wsgi::response::Started;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::body::Expectation;
use crate::kept::Kept;
use crate::outbox::Ticket;
use crate::outlet::Outlet;

/// Content from this size on is sent from where it lies; below, it is copied behind the head.
const WORTH_ITS_OWN_SLICE: usize = 16 * 1024;

/// The last content from this size on is kept where it lies; below, copying it costs less.
const WORTH_KEEPING: usize = 2 * 1024;

/// The response of one exchange.
pub(crate) struct Response {
    asked: Asked,
    /// Whether another request may follow, as far as is known.
    persistent: bool,
    expectation: Option<Expectation>,
    /// What `start_response` was called with last.
    started: Option<Started>,
    /// From when on the head cannot be changed any more: it is on its way.
    encoder: Option<BodyEncoder>,
    outlet: Outlet,
    file: Option<FilePart>,
    sent: u64,
    is_too_long: bool,
}

/// A part of a file that is to be sent behind everything else.
#[derive(Debug)]
pub(crate) struct FilePart {
    pub(crate) file: OwnedFd,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// What is left of a response when the application has ended.
#[derive(Debug)]
pub(crate) struct Rest {
    /// For an answer that waits to be sent with others.
    pub(crate) ticket: Option<Ticket>,
    /// Bytes still to be written behind that.
    pub(crate) buffer: Vec<u8>,
    /// What is to be sent behind them.
    pub(crate) file: Option<FilePart>,
    /// Whether another request may follow.
    pub(crate) persistent: bool,
    /// The head, if it was begun to be sent.
    pub(crate) head: Option<Started>,
    /// Bytes of content.
    pub(crate) sent: u64,
}

impl Response {
    pub(crate) fn new(asked: Asked, persistent: bool, expectation: Option<Expectation>, outlet: Outlet) -> Response {
        Response {
            asked,
            persistent,
            expectation,
            started: None,
            encoder: None,
            outlet,
            file: None,
            sent: 0,
            is_too_long: false,
        }
    }

    /// Whether `start_response` was called.
    pub(crate) fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// Whether the head is on its way.
    pub(crate) fn is_committed(&self) -> bool {
        self.encoder.is_some()
    }

    /// Whether there is no content in this response, whatever the application gives.
    pub(crate) fn is_bodyless(&self) -> bool {
        self.encoder.as_ref().is_some_and(|encoder| encoder.length() == BodyLength::None)
    }

    /// Takes the head. One that was taken before and is not on its way is forgotten.
    pub(crate) fn start(&mut self, started: Started) {
        self.started = Some(started);
    }

    /// The Content-Length that the application gave.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.started.as_ref().and_then(Started::length)
    }

    /// Sends the head on its way; `size` is that of all the content, if that is known.
    pub(crate) fn commit(&mut self, size: Option<u64>) {
        let (Some(started), None) = (&self.started, &self.encoder) else { return };
        // A client that was not asked for its body may send it or not: nobody knows where the next request starts.
        let is_unasked = self.expectation.as_ref().is_some_and(Expectation::forgo);
        let framing = started.framing(self.asked, size);
        let encoder = BodyEncoder::new(framing.body);
        self.persistent &= !is_unasked && !encoder.ends_connection();
        started.write(&mut self.outlet.buffer, self.asked, self.persistent, framing);
        self.encoder = Some(encoder);
    }

    /// Adds content to what is to be sent. Of content that is too long, so much is sent as was announced: then at least
    /// the client has a whole response.
    pub(crate) fn push(&mut self, content: &[u8]) -> io::Result<()> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        if encoder.length() == BodyLength::None || content.is_empty() {
            return Ok(());
        }
        let room = encoder.room().map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX));
        let fitting = &content[..room.min(content.len())];
        self.is_too_long |= fitting.len() < content.len();
        self.sent += fitting.len() as u64;
        // Never too long, as there is room for it.
        encoder.before(&mut self.outlet.buffer, fitting.len()).map_err(io::Error::other)?;
        if fitting.len() >= WORTH_ITS_OWN_SLICE {
            self.outlet.send(fitting)?;
        } else {
            self.outlet.buffer.extend_from_slice(fitting);
        }
        encoder.behind(&mut self.outlet.buffer, fitting.len());
        Ok(())
    }

    /// Adds the last content, which is sent from where it lies if that is worth it.
    pub(crate) fn push_last(&mut self, content: &Bound<'_, PyBytes>) -> io::Result<()> {
        let bytes = content.as_bytes();
        match &mut self.encoder {
            Some(encoder) if bytes.len() >= WORTH_KEEPING && encoder.room() == Some(bytes.len() as u64) => {
                // It fits, and content of a known size has nothing behind it.
                encoder.before(&mut self.outlet.buffer, bytes.len()).map_err(io::Error::other)?;
                self.sent += bytes.len() as u64;
                self.outlet.keep(Kept::new(content));
                Ok(())
            }
            _ => self.push(bytes),
        }
    }

    /// Sends what there is to send, as far as the client takes it. What completes the response may wait for the answers
    /// of others.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        let room = self.encoder.as_ref().and_then(BodyEncoder::room);
        if room == Some(0) { self.outlet.post() } else { self.outlet.send(&[]) }
    }

    /// Whether the client takes it so slowly that the application is to wait.
    pub(crate) fn is_backlogged(&self) -> bool {
        self.outlet.is_backlogged()
    }

    /// Waits for the client. To be called without the interpreter.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        self.outlet.wait()
    }

    /// Adds a part of a file as the content, or as much of it as was announced.
    pub(crate) fn push_file(&mut self, part: FilePart) -> io::Result<()> {
        let length = self.announced().unwrap_or(part.length).min(part.length);
        self.commit(Some(length));
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        if encoder.length() == BodyLength::None || length == 0 {
            return Ok(());
        }
        // No more than was announced, so that it fits; no chunks, as the size is known.
        let size = usize::try_from(length).map_err(io::Error::other)?;
        encoder.before(&mut self.outlet.buffer, size).map_err(io::Error::other)?;
        self.sent += length;
        self.file = Some(FilePart { length, ..part });
        Ok(())
    }

    /// Ends the content.
    pub(crate) fn finish(&mut self) -> Result<(), LengthError> {
        self.commit(Some(0));
        if self.is_too_long {
            return Err(LengthError::TooLong);
        }
        match &mut self.encoder {
            Some(encoder) => encoder.end(&mut self.outlet.buffer, None),
            None => Ok(()),
        }
    }

    /// Hands over what is left.
    pub(crate) fn into_rest(self) -> Rest {
        let is_committed = self.is_committed();
        let (buffer, ticket) = self.outlet.into_rest();
        Rest {
            ticket,
            buffer,
            file: self.file,
            persistent: self.persistent,
            head: self.started.filter(|_| is_committed),
            sent: self.sent,
        }
    }
}

impl Rest {
    /// For a client that is gone.
    pub(crate) fn without_bytes(self) -> Rest {
        Rest { ticket: None, buffer: Vec::new(), file: None, persistent: false, ..self }
    }
}
