//! Sends lines to syslog, as datagrams in nginx's form (RFC 3164). A message that cannot be sent is lost.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::SystemTime;

use crate::clock;
use crate::config::address::Address;
use crate::config::logs::Severity;
use crate::config::server_name::hostname;
use crate::config::syslog::SyslogConfig;

thread_local! {
    /// The sockets of this thread, which are made when the first message needs them.
    static SOCKETS: RefCell<Sockets> = const { RefCell::new(Sockets { ipv4: None, ipv6: None, unix: None }) };
}

struct Sockets {
    ipv4: Option<UdpSocket>,
    ipv6: Option<UdpSocket>,
    unix: Option<UnixDatagram>,
}

/// The longest message, as in nginx.
const MAX_MESSAGE: usize = 2048;

/// Sends a line without its line end.
pub(super) fn send(config: &SyslogConfig, severity: Severity, line: &[u8]) {
    let mut message = head(config, severity, SystemTime::now());
    message.extend_from_slice(line);
    message.truncate(MAX_MESSAGE);
    // there is nowhere to report it
    _ = SOCKETS.with_borrow_mut(|sockets| sockets.send(&config.server, &message));
}

fn head(config: &SyslogConfig, severity: Severity, now: SystemTime) -> Vec<u8> {
    let mut head = Vec::with_capacity(MAX_MESSAGE / 4);
    let priority = u32::from(config.facility) * 8 + severity as u32;
    head.extend_from_slice(format!("<{priority}>").as_bytes());
    clock::write_syslog_time(now, &mut head);
    head.push(b' ');
    if config.has_host_name {
        head.extend_from_slice(hostname().as_bytes());
        head.push(b' ');
    }
    head.extend_from_slice(config.tag.as_bytes());
    head.extend_from_slice(b": ");
    head
}

impl Sockets {
    fn send(&mut self, server: &Address, message: &[u8]) -> io::Result<usize> {
        match server {
            Address::Internet(address @ SocketAddr::V4(_)) => {
                let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                udp(&mut self.ipv4, any)?.send_to(message, address)
            }
            Address::Internet(address @ SocketAddr::V6(_)) => {
                let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
                udp(&mut self.ipv6, any)?.send_to(message, address)
            }
            Address::Unix(path) => {
                let socket = match &self.unix {
                    Some(socket) => socket,
                    None => {
                        let socket = UnixDatagram::unbound()?;
                        socket.set_nonblocking(true)?;
                        self.unix.insert(socket)
                    }
                };
                socket.send_to(message, path)
            }
        }
    }
}

fn udp(socket: &mut Option<UdpSocket>, local: SocketAddr) -> io::Result<&UdpSocket> {
    if socket.is_none() {
        let opened = UdpSocket::bind(local)?;
        // a full buffer must not hold up the worker
        opened.set_nonblocking(true)?;
        *socket = Some(opened);
    }
    socket.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn head_has_priority_time_host_and_tag() {
        let config = SyslogConfig {
            server: Address::Unix("/dev/log".into()),
            facility: 23,
            severity: Severity::Info,
            tag: "shop".to_owned(),
            has_host_name: false,
        };
        let now = UNIX_EPOCH + Duration::from_secs(1_699_272_000);
        let text = |config: &SyslogConfig, severity| String::from_utf8(head(config, severity, now)).unwrap();
        let short = text(&config, Severity::Info);
        assert!(short.starts_with("<190>Nov  6 ") && short.ends_with(" shop: "), "{short}");
        let named = text(&SyslogConfig { has_host_name: true, facility: 0, ..config }, Severity::Error);
        assert!(named.starts_with("<3>Nov  6 ") && named.ends_with(&format!(" {} shop: ", hostname())), "{named}");
    }
}
