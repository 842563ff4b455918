//! Messages on a connection: a JSON document on each line.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};

/// The longest line: the outcome of a driver with many rates and seconds has a few megabytes.
const LONGEST_LINE: u64 = 256 * 1024 * 1024;

/// The reading side of a connection.
#[derive(Debug)]
pub(super) struct MessageReader<R> {
    reader: BufReader<R>,
    /// The part of a line that has arrived, should a call be cancelled.
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> MessageReader<R> {
    pub(super) fn new(reader: R) -> MessageReader<R> {
        MessageReader { reader: BufReader::new(reader), line: Vec::new() }
    }

    /// The next message; `None` at the end of the connection. May be cancelled and called again.
    ///
    /// # Errors
    /// The connection breaks, or the line is too long or not such a message.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let left = LONGEST_LINE.saturating_sub(self.line.len() as u64);
        (&mut self.reader).take(left).read_until(b'\n', &mut self.line).await?;
        if self.line.is_empty() {
            return Ok(None);
        }
        let is_complete = self.line.ends_with(b"\n");
        let line = std::mem::take(&mut self.line);
        match is_complete {
            true => serde_json::from_slice(&line).map(Some).map_err(io::Error::other),
            false if line.len() as u64 >= LONGEST_LINE => Err(io::Error::other("a message is too long")),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Sends a message.
///
/// # Errors
/// The connection breaks.
pub(super) async fn send(writer: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message).map_err(io::Error::other)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_survive_any_split() {
        let (mut writer, reader) = tokio::io::duplex(3);
        let sent = tokio::spawn(async move {
            for number in [1_u64, 22, 333_333_333] {
                send(&mut writer, &number).await.unwrap();
            }
            writer.write_all(b"4").await.unwrap();
        });
        let mut reader = MessageReader::new(reader);
        for number in [1, 22, 333_333_333] {
            assert_eq!(reader.next::<u64>().await.unwrap(), Some(number));
        }
        let cut = reader.next::<u64>().await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(reader.next::<u64>().await.unwrap(), None);
        sent.await.unwrap();
    }
}
