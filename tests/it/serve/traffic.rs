//! Clients that send the same request again and again, and notice whatever is lost.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No response takes this long unless it is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a client sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) is_kept_alive: bool,
    pub(crate) is_post: bool,
}

pub(crate) const TRAFFICS: [Traffic; 4] = [
    Traffic { is_kept_alive: true, is_post: false },
    Traffic { is_kept_alive: true, is_post: true },
    Traffic { is_kept_alive: false, is_post: false },
    Traffic { is_kept_alive: false, is_post: true },
];

impl Traffic {
    pub(crate) fn request(self) -> String {
        self.request_below("")
    }

    /// The request for a path below `prefix`.
    fn request_below(self, prefix: &str) -> String {
        let connection = if self.is_kept_alive { "keep-alive" } else { "close" };
        let (line, content) = match self.is_post {
            true => ("POST {prefix}/echo", "Content-Length: 5\r\n\r\nHello"),
            false => ("GET {prefix}/pong", "\r\n"),
        };
        let line = line.replace("{prefix}", prefix);
        format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n{content}")
    }
}

/// A client, which opens a connection whenever it has none.
#[derive(Debug)]
pub(crate) struct Client {
    address: String,
    request: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(address: &str, traffic: Traffic) -> Client {
        Client::below(address, "", traffic)
    }

    /// A client of the paths below `prefix`.
    pub(crate) fn below(address: &str, prefix: &str, traffic: Traffic) -> Client {
        Client { address: address.to_owned(), request: traffic.request_below(prefix), connection: None }
    }

    /// Sends the request once, without a second attempt, and reads its response. Returns the content.
    pub(crate) fn exchange(&mut self) -> io::Result<Vec<u8>> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = TcpStream::connect(&self.address)?;
                connection.set_read_timeout(Some(PATIENCE))?;
                BufReader::new(connection)
            }
        };
        connection.get_mut().write_all(self.request.as_bytes())?;
        let response = read_response(&mut connection)?;
        self.connection = response.is_kept.then_some(connection);
        Ok(response.content)
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) content: Vec<u8>,
    /// Whether the connection stays open.
    pub(crate) is_kept: bool,
}

/// Reads a response with the status 200 and a Content-Length.
pub(crate) fn read_response(client: &mut BufReader<TcpStream>) -> io::Result<Response> {
    let (mut length, mut is_kept, mut is_first) = (0, true, true);
    loop {
        let mut line = String::new();
        if client.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if is_first && !line.starts_with("HTTP/1.1 200 ") {
            return Err(io::Error::other(line));
        }
        is_first = false;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().map_err(io::Error::other)?;
        }
        is_kept &= line != "connection: close";
    }
    let mut content = vec![0; length];
    client.read_exact(&mut content)?;
    Ok(Response { content, is_kept })
}
