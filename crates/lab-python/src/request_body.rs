//! A request body before the application reads it: empty, received, or not sent yet because its client waits for
//! `100 Continue`. No Python.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use lab_http::h1::write::CONTINUE;
use lab_http::{BodyDecoder, Refusal};
use lab_net::spool::{Spool, SpoolReader, SpoolShare, is_out_of_space};
use lab_worker::admission::check_trailers;
use rustix::event::PollFlags;

use crate::client_socket::ClientSocket;
use crate::socket_wait::wait_for;

/// The largest body that is kept in memory, in bytes.
pub(crate) const BODY_IN_MEMORY: usize = 256 * 1024;

/// The body that `wsgi.input` reads from.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Empty,
    Received(SpoolReader),
    AwaitingContinue(Box<AwaitingBody>),
}

/// A body whose client sent `Expect: 100-continue` and nothing more.
#[derive(Debug)]
pub(crate) struct AwaitingBody {
    pub(crate) socket: ClientSocket,
    pub(crate) decoder: BodyDecoder,
    pub(crate) expectation: Expectation,
    pub(crate) spool_share: SpoolShare,
    /// How long the whole body may take after `100 Continue`. The application waits that long in its first read.
    pub(crate) timeout: Duration,
}

/// The state of an expectation. Either the first read meets it or the response forgoes it, whichever comes first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expectation(Arc<AtomicU8>);

const OPEN: u8 = 0;
const MET: u8 = 1;
const FORGONE: u8 = 2;

/// The state of such a body once its response is complete.
#[derive(Debug)]
pub(crate) enum BodyRemainder {
    /// `100 Continue` was not sent. The client may send the body or not.
    NotRequested,
    /// The body was read, and these bytes that follow it as well.
    Read(Vec<u8>),
    Failed(BodyFailure),
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFailure {
    #[error("the request body was refused: {0}")]
    Refused(#[from] Refusal),
    #[error("the connection failed within the request body")]
    Connection,
    #[error("the request body cannot be kept")]
    Spool,
    #[error("the response has begun, so 100 Continue can no longer be sent")]
    ResponseBegun,
    #[error("the response is already complete")]
    ResponseComplete,
}

impl BodyFailure {
    /// Logs why a body cannot be kept.
    pub(crate) fn from_spool_error(error: &io::Error) -> BodyFailure {
        tracing::error!("cannot keep a request body in {}: {error}", lab_net::spool::default_folder().display());
        if is_out_of_space(error) { Refusal::StorageFull.into() } else { BodyFailure::Spool }
    }
}

impl Expectation {
    /// Claims the body for a read. Returns false if the response has begun.
    fn meet(&self) -> bool {
        self.0.compare_exchange(OPEN, MET, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Marks the start of the response. Returns true if the body was not read before, and so never will be.
    pub(crate) fn forgo(&self) -> bool {
        self.0.compare_exchange(OPEN, FORGONE, Ordering::AcqRel, Ordering::Acquire) != Err(MET)
    }
}

impl AwaitingBody {
    /// Sends `100 Continue` and reads the body up to its end. Returns the body and the bytes that arrived behind it. Call
    /// it detached from the interpreter.
    pub(crate) fn read(mut self) -> Result<(SpoolReader, Vec<u8>), BodyFailure> {
        if !self.expectation.meet() {
            return Err(BodyFailure::ResponseBegun);
        }
        let deadline = Instant::now() + self.timeout;
        self.send_continue(deadline)?;
        let mut spool = Spool::new(BODY_IN_MEMORY, self.decoder.remaining(), self.spool_share);
        let mut block = vec![0; 64 * 1024];
        let mut unread = Vec::new();
        loop {
            let mut taken = 0;
            while !self.decoder.is_finished() {
                let piece = self.decoder.decode(&unread[taken..])?;
                let content = taken + piece.framing..taken + piece.framing + piece.content;
                taken = content.end;
                if piece == lab_http::h1::piece::Piece::default() {
                    break;
                }
                spool.push(&unread[content]).map_err(|error| BodyFailure::from_spool_error(&error))?;
            }
            unread.drain(..taken);
            if self.decoder.is_finished() {
                check_trailers(&self.decoder)?;
                return Ok((spool.finish(), unread));
            }
            match self.receive(&mut block, deadline)? {
                0 => return Err(Refusal::Truncated.into()),
                read => unread.extend_from_slice(&block[..read]),
            }
        }
    }

    fn send_continue(&self, deadline: Instant) -> Result<(), BodyFailure> {
        let mut interim = CONTINUE;
        while !interim.is_empty() {
            match self.socket.send(interim, &[]) {
                Ok(sent) => interim = &interim[sent..],
                Err(error) => self.wait_after(&error, PollFlags::OUT, deadline)?,
            }
        }
        Ok(())
    }

    fn receive(&self, block: &mut [u8], deadline: Instant) -> Result<usize, BodyFailure> {
        loop {
            match self.socket.receive(block) {
                Ok(read) => return Ok(read),
                Err(error) => self.wait_after(&error, PollFlags::IN, deadline)?,
            }
        }
    }

    /// Waits for the socket if the error only means that it is not ready.
    fn wait_after(&self, error: &io::Error, flags: PollFlags, deadline: Instant) -> Result<(), BodyFailure> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.wait(flags, deadline),
            io::ErrorKind::Interrupted => Ok(()),
            _ => Err(BodyFailure::Connection),
        }
    }

    fn wait(&self, flags: PollFlags, deadline: Instant) -> Result<(), BodyFailure> {
        match wait_for(self.socket.as_fd(), flags, deadline.saturating_duration_since(Instant::now())) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Timeout.into()),
            Err(_) => Err(BodyFailure::Connection),
        }
    }
}
