//! The body of a request: there is none, it has arrived, or its client waits to be asked for it. No Python.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use lab_http::write::CONTINUE;
use lab_http::{BodyDecoder, Refusal};
use lab_net::spool::{Spool, SpoolReader};
use rustix::event::PollFlags;

use crate::awaited::wait_for;
use crate::outlet::Socket;

/// The largest body that is kept in memory, in bytes.
pub(crate) const BODY_IN_MEMORY: usize = 256 * 1024;

/// What the application finds behind `wsgi.input`.
#[derive(Debug)]
pub(crate) enum Body {
    Empty,
    Arrived(SpoolReader),
    Unasked(Box<Unasked>),
}

/// A body whose client sent `Expect: 100-continue` and nothing more.
#[derive(Debug)]
pub(crate) struct Unasked {
    pub(crate) socket: Socket,
    pub(crate) decoder: BodyDecoder,
    pub(crate) expectation: Expectation,
    /// How long all of the body may take once it was asked for: the application waits that long at its first read.
    pub(crate) patience: Duration,
}

/// What became of an expectation: it is met by the first read or forgone by the response, whichever comes first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expectation(Arc<AtomicU8>);

const OPEN: u8 = 0;
const MET: u8 = 1;
const FORGONE: u8 = 2;

/// What is left of such a body when its request is answered.
#[derive(Debug)]
pub(crate) enum Remains {
    /// The client was not asked for it, and may send it all the same.
    Unasked,
    /// It was read, and these bytes behind it.
    Read(Vec<u8>),
    /// It could not be read.
    Failed(Failure),
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the request body was refused: {0}")]
    Refused(#[from] Refusal),
    #[error("the connection failed within the request body")]
    Connection,
    #[error("the request body cannot be kept")]
    Spool,
    #[error("the response has begun, and the client was not asked for the request body before")]
    Forgone,
    #[error("the request has already been answered")]
    Answered,
}

impl Expectation {
    /// Says that the body is to be sent; false if the response has begun.
    fn meet(&self) -> bool {
        self.0.compare_exchange(OPEN, MET, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Says that the response begins; true if the body was not asked for, and never will be.
    pub(crate) fn forgo(&self) -> bool {
        self.0.compare_exchange(OPEN, FORGONE, Ordering::AcqRel, Ordering::Acquire) != Err(MET)
    }
}

impl Unasked {
    /// Asks for the body and reads it, up to its end. To be called without the interpreter. Returns the body and the
    /// bytes that arrived behind it.
    pub(crate) fn fetch(mut self) -> Result<(SpoolReader, Vec<u8>), Failure> {
        if !self.expectation.meet() {
            return Err(Failure::Forgone);
        }
        let deadline = Instant::now() + self.patience;
        self.ask(deadline)?;
        let mut spool = Spool::new(BODY_IN_MEMORY, self.decoder.left());
        let mut room = vec![0; 64 * 1024];
        let mut unread = Vec::new();
        loop {
            let mut taken = 0;
            while !self.decoder.is_at_end() {
                let piece = self.decoder.decode(&unread[taken..])?;
                let content = taken + piece.framing..taken + piece.framing + piece.content;
                taken = content.end;
                if piece == lab_http::body::Piece::default() {
                    break;
                }
                spool.push(&unread[content]).map_err(|_| Failure::Spool)?;
            }
            unread.drain(..taken);
            if self.decoder.is_at_end() {
                return Ok((spool.finish(), unread));
            }
            match self.receive(&mut room, deadline)? {
                0 => return Err(Refusal::Truncated.into()),
                read => unread.extend_from_slice(&room[..read]),
            }
        }
    }

    fn ask(&self, deadline: Instant) -> Result<(), Failure> {
        let mut interim = CONTINUE;
        while !interim.is_empty() {
            match self.socket.send(interim, &[]) {
                Ok(sent) => interim = &interim[sent..],
                Err(error) => self.wait_after(&error, PollFlags::OUT, deadline)?,
            }
        }
        Ok(())
    }

    fn receive(&self, room: &mut [u8], deadline: Instant) -> Result<usize, Failure> {
        loop {
            match self.socket.receive(room) {
                Ok(read) => return Ok(read),
                Err(error) => self.wait_after(&error, PollFlags::IN, deadline)?,
            }
        }
    }

    /// Waits, if all that is wrong is that the socket is not ready.
    fn wait_after(&self, error: &io::Error, flags: PollFlags, deadline: Instant) -> Result<(), Failure> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.wait(flags, deadline),
            io::ErrorKind::Interrupted => Ok(()),
            _ => Err(Failure::Connection),
        }
    }

    fn wait(&self, flags: PollFlags, deadline: Instant) -> Result<(), Failure> {
        match wait_for(self.socket.as_fd(), flags, deadline.saturating_duration_since(Instant::now())) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::Timeout.into()),
            Err(_) => Err(Failure::Connection),
        }
    }
}
