//! How many connections a listening port has accepted. The kernel counts that for no single socket; but it tells, to
//! who asks for it, of every TCP socket that ends (`SKNLGRP_INET_TCP_DESTROY`, sock_diag(7)), with its local port.
//! What was accepted since a moment is what has ended since, and what is there now, less what was there then.
//!
//! A connection that is just ending may be missed or counted at the wrong side of the moment, for the kernel tells a
//! little later than it ends. Connections count from their handshake on, accepted by the program or still waiting for it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with, sockopt};

use super::sockets::{AF_INET, Diagnosed, SOCK_DIAG_BY_FAMILY, connections, messages};

/// The multicast group of TCP sockets over IPv4 that end, as a mask.
const TCP_DESTROY: u32 = 1;

/// Room for what ends between two looks, in bytes; about 800 of them for each. Where it is not granted (which takes
/// CAP_NET_ADMIN), the kernel's default holds, and a loss is noticed.
const ROOM: usize = 32 * 1024 * 1024;

/// Counts from a moment on.
#[derive(Debug)]
pub struct Accepted {
    events: OwnedFd,
    ended: BTreeMap<u16, u64>,
    before: BTreeMap<u16, u64>,
    /// Whether the kernel had to throw something away.
    has_lost: bool,
}

impl Accepted {
    /// Begins to count, for all ports.
    ///
    /// # Errors
    /// The kernel has no socket diagnostics, or does not let this process ask.
    pub fn begin() -> io::Result<Accepted> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let events = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG))?;
        _ = sockopt::set_socket_recv_buffer_size_force(&events, ROOM);
        bind(&events, &SocketAddrNetlink::new(0, TCP_DESTROY))?;
        Ok(Accepted { events, ended: BTreeMap::new(), before: connections()?, has_lost: false })
    }

    /// Takes note of what has ended; to be called often enough for the kernel not to run out of room.
    pub fn look(&mut self) {
        let mut buffer = [0; 16 * 1024];
        loop {
            match recv(&self.events, &mut buffer[..], RecvFlags::empty()) {
                Ok((_, length)) => self.read(buffer.get(..length).unwrap_or_default()),
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => self.has_lost = true,
                // Nothing more is there.
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
            // A socket that never had another end was listening.
            if let Some(Diagnosed { family: AF_INET, port, peer_port: 1.., .. }) = Diagnosed::read(message) {
                *self.ended.entry(port).or_default() += 1;
            }
        }
    }

    /// How many connections each port has accepted since the beginning; `None` where something was lost.
    ///
    /// # Errors
    /// As [`begin`](Accepted::begin).
    pub fn so_far(&mut self) -> io::Result<Option<BTreeMap<u16, u64>>> {
        let mut counts = connections()?;
        self.look();
        for (port, ended) in &self.ended {
            *counts.entry(*port).or_default() += ended;
        }
        for (port, count) in &mut counts {
            *count = count.saturating_sub(self.before.get(port).copied().unwrap_or(0));
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
    fn connections_that_end_and_that_stay_are_counted_by_the_port_they_came_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |listener: &TcpListener| {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let _before = connect(&listener);
        let mut accepted = match Accepted::begin() {
            Ok(accepted) => accepted,
            Err(error) => return eprintln!("skipped: no socket diagnostics here: {error}"),
        };
        let _stay: Vec<_> = (0..3).map(|_| connect(&listener)).collect();
        for _ in 0..5 {
            let (client, server) = connect(&listener);
            // Whoever closes first, one is left waiting for the rest of the network's delay; it is not counted twice.
            drop(server);
            drop(client);
        }
        for _ in 0..5 {
            let (client, server) = connect(&listener);
            drop(client);
            drop(server);
        }
        drop(connect(&other));
        // The kernel tells when it comes to it.
        let began = Instant::now();
        let mut count = || accepted.so_far().unwrap().map(|counts| counts.get(&address.port()).copied());
        while count() != Some(Some(13)) {
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", count());
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_loss() {
        let Ok(mut accepted) = Accepted::begin() else { return };
        accepted.read(&[1, 2, 3]);
        assert_eq!(accepted.so_far().unwrap(), None);
    }
}
