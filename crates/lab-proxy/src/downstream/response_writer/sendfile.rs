//! Files that the kernel sends from the page cache to the client's socket: `sendfile on`.

use std::future::poll_fn;

use lab_http::BodyLength;

use super::{ResponseWriter, SendError};
use crate::response::body::{BLOCK, FileBody};
use lab_net::deadline::TimedOut;
use lab_net::turn::TurnBudget;

impl ResponseWriter<'_, '_> {
    /// Whether the kernel can send this file. One of a single block is read, because its head and content then need one
    /// write.
    pub(crate) fn can_send_file(&self, file: &FileBody) -> bool {
        file.length() > BLOCK as u64
            && self.framing == BodyLength::Sized(file.length())
            && self.outgoing.parts().0.io().plain_socket().is_some()
    }

    /// Sends the head and the file, at most `chunk` bytes with each system call.
    ///
    /// Ends early if the file has become shorter or cannot be sent like this: [`body`](ResponseWriter::body) then reads
    /// what is left, and reports why.
    pub(crate) async fn send_file(&mut self, file: &mut FileBody, chunk: u64) -> Result<(), SendError> {
        self.write_ahead().await?;
        let mut turn = TurnBudget::default();
        while file.length() > 0 {
            let room = self.room(usize::try_from(file.length().min(chunk)).unwrap_or(usize::MAX)).await;
            let Some(socket) = self.outgoing.parts().0.io().plain_socket() else { break };
            let sending = socket.send_file(file.file(), file.position(), room);
            let sent = match self.timer.within(self.send_timeout, sending).await {
                Ok(Ok(sent @ 1..)) => sent,
                Ok(Ok(0) | Err(_)) => break,
                Err(TimedOut) => return Err(SendError::timed_out()),
            };
            file.skip(sent as u64);
            self.outgoing.io_mut().add(sent);
            turn.spend(sent).await;
        }
        self.framing = BodyLength::Sized(file.length());
        Ok(())
    }

    /// Writes the output buffer. The kernel may keep its last bytes for the segment that the file begins in.
    async fn write_ahead(&mut self) -> Result<(), SendError> {
        while !self.outgoing.is_flushed() {
            let room = self.room(self.outgoing.unwritten()).await;
            let (writer, bytes) = self.outgoing.parts();
            let Some(socket) = writer.io().plain_socket() else { return self.flush().await };
            let writing = self.timer.within(self.send_timeout, socket.write_ahead(&bytes[..room]));
            let written = writing.await.map_err(|TimedOut| SendError::timed_out())??;
            self.outgoing.mark_written(written);
            self.outgoing.io_mut().add(written);
        }
        Ok(())
    }

    /// How many of `wanted` bytes `limit_rate` allows now, at least one.
    async fn room(&mut self, wanted: usize) -> usize {
        poll_fn(|cx| self.outgoing.io_mut().poll_room(wanted, cx)).await
    }
}
