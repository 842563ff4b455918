//! The part of a response that its client has not accepted yet, in a file. No Python.

use std::io;

use lab_net::spool::{SpoolFile, SpoolShare};

use crate::client_socket::ClientSocket;

/// How much may be sent before its space is given back.
const RELEASE_INTERVAL: u64 = 1024 * 1024;

/// A file that bytes are added to at its end, and sent from its start.
#[derive(Debug)]
pub(crate) struct ResponseSpool {
    file: SpoolFile,
    sent: u64,
    released: u64,
    /// Bytes read from the file and not sent.
    block: Vec<u8>,
}

impl ResponseSpool {
    pub(crate) fn new(share: SpoolShare) -> io::Result<ResponseSpool> {
        Ok(ResponseSpool { file: SpoolFile::new(None, share)?, sent: 0, released: 0, block: Vec::new() })
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.push(bytes)
    }

    /// The number of bytes left to send.
    pub(crate) fn left(&self) -> u64 {
        self.file.length() - self.sent
    }

    /// The next bytes to send; none at the end. Call [`advance`](ResponseSpool::advance) for those that were sent.
    pub(crate) fn next_block(&mut self) -> io::Result<&[u8]> {
        if self.block.is_empty() {
            self.file.read(self.sent, &mut self.block)?;
        }
        Ok(&self.block)
    }

    pub(crate) fn advance(&mut self, count: usize) {
        self.block.drain(..count);
        self.sent += count as u64;
        if self.sent - self.released >= RELEASE_INTERVAL {
            self.file.release_before(self.sent);
            self.released = self.sent;
        }
    }

    /// Sends as much as the socket accepts.
    pub(crate) fn send(&mut self, socket: &ClientSocket) -> io::Result<()> {
        loop {
            let block = self.next_block()?;
            if block.is_empty() {
                return Ok(());
            }
            match socket.send(block, &[]) {
                Ok(sent) => self.advance(sent),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
