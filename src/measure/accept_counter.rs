//! Counts the connections that each listening port has accepted.
//!
//! The kernel keeps no such counter for a single socket, but it notifies subscribers of every TCP socket that is destroyed
//! (`SKNLGRP_INET_TCP_DESTROY`, sock_diag(7)), with its local port. So accepted = destroyed since the start + open now −
//! open at the start.
//!
//! The notification comes a little after the connection's end, so a connection that ends while the count starts or is read
//! may be missed or counted twice. Connections count from their handshake on, even before the program accepts them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt};

use super::sockets::{AF_INET, DiagMessage, SOCK_DIAG_BY_FAMILY, connections, messages};

/// The multicast group for destroyed TCP sockets over IPv4, as a mask.
const TCP_DESTROY: u32 = 1;

/// The receive buffer for notifications, of about 800 bytes each, between two calls of [`AcceptCounter::poll`]. Without
/// `CAP_NET_ADMIN` the kernel's default size stays, and losses are detected.
const RECEIVE_BUFFER_BYTES: usize = 32 * 1024 * 1024;

#[derive(Debug)]
pub struct AcceptCounter {
    events: OwnedFd,
    /// Connections destroyed since the start, by port.
    destroyed: BTreeMap<u16, u64>,
    /// Connections open at the start, by port.
    open_at_start: BTreeMap<u16, u64>,
    /// Whether the kernel dropped a notification.
    has_lost: bool,
}

impl AcceptCounter {
    /// Starts counting, for all ports.
    ///
    /// # Errors
    /// The kernel has no socket diagnostics, or refuses them to this process.
    pub fn start() -> io::Result<AcceptCounter> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let events = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
        _ = sockopt::set_socket_recv_buffer_size_force(&events, RECEIVE_BUFFER_BYTES);
        bind(&events, &SocketAddrNetlink::new(0, TCP_DESTROY))?;
        Ok(AcceptCounter { events, destroyed: BTreeMap::new(), open_at_start: connections()?, has_lost: false })
    }

    /// Reads the pending notifications. Call it often, or the receive buffer overflows.
    pub fn poll(&mut self) {
        let mut buffer = [0; 16 * 1024];
        loop {
            match recv(&self.events, &mut buffer[..], RecvFlags::empty()) {
                Ok((_, length)) => self.read(buffer.get(..length).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => self.has_lost = true,
                // Nothing more is pending.
                Err(_) => return,
            }
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        for message in messages(bytes) {
            let Ok((SOCK_DIAG_BY_FAMILY, message)) = message else {
                self.has_lost = true;
                return;
            };
            // A socket without a peer was a listener.
            if let Some(DiagMessage { family: AF_INET, port, peer_port: 1.., .. }) = DiagMessage::read(message) {
                *self.destroyed.entry(port).or_default() += 1;
            }
        }
    }

    /// The connections accepted since the start, by port; `None` if a notification was lost.
    ///
    /// # Errors
    /// As [`start`](AcceptCounter::start).
    pub fn counts(&mut self) -> io::Result<Option<BTreeMap<u16, u64>>> {
        let mut counts = connections()?;
        self.poll();
        for (port, destroyed) in &self.destroyed {
            *counts.entry(*port).or_default() += destroyed;
        }
        for (port, count) in &mut counts {
            *count = count.saturating_sub(self.open_at_start.get(port).copied().unwrap_or(0));
        }
        Ok((!self.has_lost).then_some(counts))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn open_and_ended_connections_are_counted_by_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |listener: &TcpListener| {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let _before = connect(&listener);
        let mut counter = match AcceptCounter::start() {
            Ok(counter) => counter,
            Err(error) => return eprintln!("skipped: no socket diagnostics here: {error}"),
        };
        let _stay: Vec<_> = (0..3).map(|_| connect(&listener)).collect();
        for _ in 0..5 {
            let (client, server) = connect(&listener);
            // The side that closes first stays in TIME_WAIT, which must not be counted twice.
            drop(server);
            drop(client);
        }
        for _ in 0..5 {
            let (client, server) = connect(&listener);
            drop(client);
            drop(server);
        }
        drop(connect(&other));
        // Notifications arrive with a delay.
        let began = Instant::now();
        let mut count = || counter.counts().unwrap().map(|counts| counts.get(&address.port()).copied());
        while count() != Some(Some(13)) {
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", count());
            std::thread::yield_now();
        }
    }

    #[test]
    fn unreadable_notification_counts_as_lost() {
        let Ok(mut counter) = AcceptCounter::start() else { return };
        counter.read(&[1, 2, 3]);
        assert_eq!(counter.counts().unwrap(), None);
    }
}
