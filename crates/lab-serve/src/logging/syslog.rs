//! Messages for syslog, as Python's `SysLogHandler` sends them for gunicorn: a priority, gunicorn's program name, the process
//! id and the text (RFC 3164 §4.1.1), with a NUL at the end.

use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::Level;

use crate::address::parse_host_and_port;

/// How long a connection over TCP may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a server that cannot be reached over TCP, which takes time to find out, is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// The facilities that gunicorn knows, with their numbers (RFC 3164 §4.1.1).
const FACILITIES: [(&str, u8); 21] = [
    ("auth", 4),
    ("authpriv", 10),
    ("cron", 9),
    ("daemon", 3),
    ("ftp", 11),
    ("kern", 0),
    ("lpr", 6),
    ("mail", 2),
    ("news", 7),
    ("security", 4),
    ("syslog", 5),
    ("user", 1),
    ("uucp", 8),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// The syslog server of a configuration, and how messages are marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyslogConfig {
    pub address: SyslogAddress,
    pub facility: Facility,
    /// The middle of the program name: `gunicorn.NAME.error`.
    pub name: String,
    /// Whether the lines of the access log are sent as well.
    pub writes_access: bool,
}

/// gunicorn's `syslog_addr`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyslogAddress {
    Udp(String, u16),
    Tcp(String, u16),
    Unix {
        path: PathBuf,
        /// Whether only datagrams are tried; otherwise a stream follows.
        is_datagram: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facility(u8);

/// The log that a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyslogSource {
    Error,
    Access,
}

/// A connection to a syslog server. Sending never blocks; a message that cannot be sent is lost.
#[derive(Debug)]
pub struct Syslog {
    config: SyslogConfig,
    socket: Option<Socket>,
    last_attempt: Instant,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Datagram(UnixDatagram),
    Stream(UnixStream),
}

impl SyslogAddress {
    #[must_use]
    pub fn parse(address: &str) -> Option<SyslogAddress> {
        let (scheme, rest) = address.split_once("://")?;
        let host_and_port = || {
            let (host, port) = parse_host_and_port(rest, 514)?;
            Some(if rest.is_empty() || host.is_empty() { ("localhost".to_owned(), port) } else { (host, port) })
        };
        match scheme {
            "udp" => host_and_port().map(|(host, port)| SyslogAddress::Udp(host, port)),
            "tcp" => host_and_port().map(|(host, port)| SyslogAddress::Tcp(host, port)),
            "unix" => {
                let (path, kind) = rest.split_once('#').unwrap_or((rest, ""));
                (!path.is_empty()).then(|| SyslogAddress::Unix { path: path.into(), is_datagram: kind == "dgram" })
            }
            _ => None,
        }
    }
}

impl Facility {
    #[must_use]
    pub fn parse(name: &str) -> Option<Facility> {
        let name = name.to_lowercase();
        FACILITIES.iter().find(|(known, _)| *known == name).map(|(_, number)| Facility(*number))
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        FACILITIES.iter().map(|(name, _)| *name)
    }
}

impl Syslog {
    /// Connects to the server of a configuration. Later messages connect again if it cannot be reached.
    #[must_use]
    pub fn connect(config: SyslogConfig) -> Syslog {
        let socket = connect(&config.address).ok();
        Syslog { config, socket, last_attempt: Instant::now() }
    }

    /// Sends one message of process `pid`.
    pub fn send(&mut self, source: SyslogSource, level: Level, pid: u32, text: &str) {
        let severity = match level {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        let priority = (self.config.facility.0 << 3) | severity;
        let log = if source == SyslogSource::Error { "error" } else { "access" };
        let message = format!("<{priority}>gunicorn.{}.{log}: [{pid}] {text}\0", self.config.name);
        let is_slow = matches!(self.config.address, SyslogAddress::Tcp(..));
        if self.socket.is_none() && (!is_slow || self.last_attempt.elapsed() > RETRY_INTERVAL) {
            self.socket = connect(&self.config.address).ok();
            self.last_attempt = Instant::now();
        }
        let Some(socket) = &mut self.socket else { return };
        if let Err(error) = socket.send(message.as_bytes())
            && error.kind() != io::ErrorKind::WouldBlock
        {
            self.socket = None;
        }
    }
}

impl Socket {
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Socket::Udp(socket) => match socket.send(message) {
                // Nobody listens yet, as an earlier datagram has shown.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
                sent => sent.map(drop),
            },
            Socket::Datagram(socket) => socket.send(message).map(drop),
            // A part of a message would spoil the next one, so what follows it must not be sent.
            Socket::Tcp(socket) => socket.write(message).and_then(|sent| whole(sent, message)),
            Socket::Stream(socket) => socket.write(message).and_then(|sent| whole(sent, message)),
        }
    }
}

fn whole(sent: usize, message: &[u8]) -> io::Result<()> {
    if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn connect(address: &SyslogAddress) -> io::Result<Socket> {
    match address {
        SyslogAddress::Udp(host, port) => {
            let server = resolve(host, *port)?;
            let socket = UdpSocket::bind(if server.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" })?;
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            Ok(Socket::Udp(socket))
        }
        SyslogAddress::Tcp(host, port) => {
            let socket = TcpStream::connect_timeout(&resolve(host, *port)?, CONNECT_TIMEOUT)?;
            socket.set_nonblocking(true)?;
            Ok(Socket::Tcp(socket))
        }
        SyslogAddress::Unix { path, is_datagram } => {
            let datagram = || {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_nonblocking(true)?;
                Ok(Socket::Datagram(socket))
            };
            let stream = |error: io::Error| {
                if *is_datagram {
                    return Err(error);
                }
                let socket = UnixStream::connect(path)?;
                socket.set_nonblocking(true)?;
                Ok(Socket::Stream(socket))
            };
            datagram().or_else(stream)
        }
    }
}

fn resolve(host: &str, port: u16) -> io::Result<std::net::SocketAddr> {
    let mut found = (host, port).to_socket_addrs()?.collect::<Vec<_>>();
    // `localhost` is often both, and syslog servers often listen on IPv4 only.
    found.sort_by_key(std::net::SocketAddr::is_ipv6);
    found.into_iter().next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    fn config(address: SyslogAddress) -> SyslogConfig {
        SyslogConfig { address, facility: Facility::parse("LOCAL3").unwrap(), name: "shop".into(), writes_access: true }
    }

    #[test]
    fn addresses_are_gunicorns() {
        let udp = |host: &str, port| Some(SyslogAddress::Udp(host.into(), port));
        let unix = |is_datagram| Some(SyslogAddress::Unix { path: "/dev/log".into(), is_datagram });
        let cases = [
            ("udp://localhost:514", udp("localhost", 514)),
            ("udp://", udp("localhost", 514)),
            ("udp://H", udp("h", 514)),
            ("udp://[::1]:1", udp("::1", 1)),
            ("tcp://h:1", Some(SyslogAddress::Tcp("h".into(), 1))),
            ("unix:///dev/log", unix(false)),
            ("unix:///dev/log#dgram", unix(true)),
            ("unix:///dev/log#stream", unix(false)),
            ("localhost:514", None),
            ("udp://h:x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(SyslogAddress::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn messages_have_priority_and_program() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = SyslogAddress::Udp("127.0.0.1".into(), server.local_addr().unwrap().port());
        let mut syslog = Syslog::connect(config(address));
        syslog.send(SyslogSource::Error, Level::WARN, 7, "careful");
        syslog.send(SyslogSource::Access, Level::INFO, 8, "GET /");
        let next = || {
            let mut message = [0; 128];
            let length = server.recv(&mut message).unwrap();
            String::from_utf8_lossy(&message[..length]).into_owned()
        };
        assert_eq!(next(), "<156>gunicorn.shop.error: [7] careful\0");
        assert_eq!(next(), "<158>gunicorn.shop.access: [8] GET /\0");
    }

    #[test]
    fn streams_are_tried_after_datagrams() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let mut syslog = Syslog::connect(config(SyslogAddress::Unix { path, is_datagram: false }));
        syslog.send(SyslogSource::Error, Level::INFO, 7, "hello");
        drop(syslog);
        let mut received = String::new();
        listener.accept().unwrap().0.read_to_string(&mut received).unwrap();
        assert_eq!(received, "<158>gunicorn.shop.error: [7] hello\0");

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = SyslogAddress::Tcp("127.0.0.1".into(), listener.local_addr().unwrap().port());
        let mut syslog = Syslog::connect(config(address));
        syslog.send(SyslogSource::Error, Level::ERROR, 7, "bad");
        drop(syslog);
        let mut received = String::new();
        listener.accept().unwrap().0.read_to_string(&mut received).unwrap();
        assert_eq!(received, "<155>gunicorn.shop.error: [7] bad\0");
    }

    #[test]
    fn missing_server_loses_messages() {
        let address = SyslogAddress::Unix { path: "/nowhere/log".into(), is_datagram: false };
        let mut syslog = Syslog::connect(config(address));
        syslog.send(SyslogSource::Error, Level::ERROR, 7, "lost");
        assert!(syslog.socket.is_none());
    }
}
