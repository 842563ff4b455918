//! System calls on the socket of a connection without TLS.
//!
//! The bytes of such a connection are neither encrypted nor framed, so the kernel can move them by itself.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::sendfile;
use rustix::io::retry_on_intr;
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// The socket of a connection in the clear.
#[derive(Debug, Clone, Copy)]
pub enum PlainSocket<'s> {
    Tcp(&'s TcpStream),
    Unix(&'s UnixStream),
}

impl PlainSocket<'_> {
    /// Calls `write` whenever the socket is writable, until it returns something other than
    /// [`WouldBlock`](io::ErrorKind::WouldBlock). Cancel-safe if `write` is.
    ///
    /// # Errors
    /// Whatever `write` returns.
    pub async fn write_with<R>(self, write: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        match self {
            PlainSocket::Tcp(stream) => stream.async_io(Interest::WRITABLE, write).await,
            PlainSocket::Unix(stream) => stream.async_io(Interest::WRITABLE, write).await,
        }
    }

    /// Writes bytes that more will follow at once, so that both can share a segment. Returns how many were accepted.
    ///
    /// # Errors
    /// The connection failed.
    pub async fn write_ahead(self, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        self.write_with(|| Ok(retry_on_intr(|| send(self, bytes, flags))?)).await
    }

    /// Sends up to `count` bytes of a file from `offset` on, without copying them. Returns how many were accepted; 0 at
    /// the end of the file.
    ///
    /// # Errors
    /// The connection failed, the file cannot be read, or its file system does not support this
    /// ([`InvalidInput`](io::ErrorKind::InvalidInput)).
    pub async fn send_file(self, file: &File, offset: u64, count: usize) -> io::Result<usize> {
        self.write_with(|| {
            let mut offset = offset;
            Ok(retry_on_intr(|| sendfile(self, file, Some(&mut offset), count))?)
        })
        .await
    }
}

impl AsFd for PlainSocket<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            PlainSocket::Tcp(stream) => stream.as_fd(),
            PlainSocket::Unix(stream) => stream.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::Ipv4Addr;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// More than a socket holds.
    const LENGTH: usize = 20 << 20;

    async fn send_head_and_file(socket: PlainSocket<'_>, file: &File, start: u64) {
        assert_eq!(socket.write_ahead(b"head").await.unwrap(), 4);
        let mut offset = start;
        loop {
            match socket.send_file(file, offset, 1 << 20).await.unwrap() {
                0 => return,
                sent => offset += sent as u64,
            }
        }
    }

    #[tokio::test]
    async fn file_follows_its_head_without_loss() {
        let content: Vec<u8> = (0..LENGTH).map(|index| (index * 7 / 3) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        let expected = [b"head", &content[1000..]].concat();

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let sending = async {
            send_head_and_file(PlainSocket::Tcp(&client), &file, 1000).await;
            drop(client);
        };
        let mut received = Vec::new();
        let ((), read) = tokio::join!(sending, server.read_to_end(&mut received));
        read.unwrap();
        assert!(received == expected);

        let (client, mut server) = UnixStream::pair().unwrap();
        let sending = async {
            send_head_and_file(PlainSocket::Unix(&client), &file, 1000).await;
            drop(client);
        };
        let mut received = Vec::new();
        let ((), read) = tokio::join!(sending, server.read_to_end(&mut received));
        read.unwrap();
        assert!(received == expected);
    }
}
