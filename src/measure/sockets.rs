//! The kernel's view of listening sockets: the lengths of their accept queues and the handshakes that these dropped.
//!
//! `/proc/net/tcp` does not show the drops of a single listening socket; the kernel's socket diagnostics do (sock_diag(7),
//! which `ss` uses too). Encoding the request and decoding the reply are pure functions over bytes. Accepted connections
//! are counted in [`accept_counter`](super::accept_counter).

use std::collections::BTreeMap;
use std::io;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// A listening TCP socket and the connections to its port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortState {
    /// Established connections on the listening side.
    pub connections: u64,
    /// Connections that wait to be accepted.
    pub accept_queue: u64,
    /// Handshakes that this socket has dropped since it was opened; `None` where no socket listens.
    pub drops: Option<u64>,
}

/// The state of every local IPv4 port that has a listening or an established TCP socket.
///
/// # Errors
/// The kernel has no socket diagnostics, or refuses them to this process.
pub fn ports() -> io::Result<BTreeMap<u16, PortState>> {
    let mut ports = BTreeMap::new();
    dump(1 << TCP_ESTABLISHED | 1 << TCP_LISTEN, |message| read_socket(message, &mut ports))?;
    Ok(ports)
}

/// The number of IPv4 connections of each local port, in any state except `TIME_WAIT`.
///
/// # Errors
/// As [`ports`].
pub(super) fn connections() -> io::Result<BTreeMap<u16, u64>> {
    let mut ports = BTreeMap::new();
    dump(CONNECTED, |message| {
        let socket = DiagMessage::read(message)?;
        if socket.timer != TIME_WAIT_TIMER {
            *ports.entry(socket.port).or_default() += 1;
        }
        Some(())
    })?;
    Ok(ports)
}

/// Calls `read` for each TCP socket over IPv4 in one of `states`.
fn dump(states: u32, mut read: impl FnMut(&[u8]) -> Option<()>) -> io::Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    sendto(&socket, &dump_request(states), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (_, length) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if read_reply(buffer.get(..length).unwrap_or_default(), &mut read)? {
            return Ok(());
        }
    }
}

pub(super) const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const REQUEST_DUMP: u16 = 0x001 | 0x300;
pub(super) const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
const TCP_ESTABLISHED: u8 = 1;
const TCP_LISTEN: u8 = 10;
/// ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT, LAST_ACK and CLOSING: states with a socket of their own.
const CONNECTED: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;
/// The timer of a connection whose socket has gone; the kernel may still report it as FIN_WAIT2.
const TIME_WAIT_TIMER: u8 = 3;
/// The attribute with a socket's memory counters, the last of which counts drops.
const INET_DIAG_SKMEMINFO: u16 = 7;
const SK_MEMINFO_DROPS: usize = 8;
const HEADER: usize = 16;
/// `struct inet_diag_req_v2`
const REQUEST: usize = 56;
/// `struct inet_diag_msg`
const MESSAGE: usize = 72;

/// `struct nlmsghdr`, then `struct inet_diag_req_v2`: all TCP sockets in one of `states`.
fn dump_request(states: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    bytes.extend([0; 8]); // sequence number and port: one request at a time
    let with_memory = 1 << (INET_DIAG_SKMEMINFO - 1);
    bytes.extend([AF_INET, IPPROTO_TCP, with_memory, 0]);
    bytes.extend(states.to_ne_bytes());
    bytes.resize(HEADER + REQUEST, 0); // any address, any port
    bytes
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's socket diagnostics cannot be read")
}

/// The messages of a datagram, each with its type. A truncated message is an error and the last item.
pub(super) fn messages(bytes: &[u8]) -> impl Iterator<Item = io::Result<(u16, &[u8])>> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest.take().filter(|bytes| !bytes.is_empty())?;
        let message = || {
            let length = u32_at(bytes, 0)? as usize;
            let found = (u16_at(bytes, 4)?, bytes.get(HEADER..length)?);
            rest = Some(bytes.get(aligned(length)..).unwrap_or_default());
            Some(found)
        };
        Some({ message }().ok_or_else(malformed))
    })
}

/// Reads one datagram of the reply. Returns whether it was the last.
fn read_reply(bytes: &[u8], read: &mut impl FnMut(&[u8]) -> Option<()>) -> io::Result<bool> {
    for message in messages(bytes) {
        match message? {
            (NLMSG_DONE, _) => return Ok(true),
            (NLMSG_ERROR, message) => {
                let code = u32_at(message, 0).ok_or_else(malformed)?.cast_signed();
                return Err(io::Error::from_raw_os_error(-code));
            }
            (_, message) => read(message).ok_or_else(malformed)?,
        }
    }
    Ok(false)
}

/// The beginning of a `struct inet_diag_msg`; ports are in network order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DiagMessage {
    pub(super) family: u8,
    state: u8,
    timer: u8,
    pub(super) port: u16,
    pub(super) peer_port: u16,
}

impl DiagMessage {
    pub(super) fn read(message: &[u8]) -> Option<DiagMessage> {
        let [family, state, timer, _, port @ .., peer_high, peer_low] = message.first_chunk::<8>()?;
        Some(DiagMessage {
            family: *family,
            state: *state,
            timer: *timer,
            port: u16::from_be_bytes(*port.first_chunk()?),
            peer_port: u16::from_be_bytes([*peer_high, *peer_low]),
        })
    }
}

/// One `struct inet_diag_msg` and its attributes. A listening socket's receive queue is the number of connections that
/// wait to be accepted.
fn read_socket(message: &[u8], ports: &mut BTreeMap<u16, PortState>) -> Option<()> {
    let DiagMessage { state, port, .. } = DiagMessage::read(message)?;
    let port = ports.entry(port).or_default();
    if state == TCP_ESTABLISHED {
        port.connections += 1;
        return Some(());
    }
    port.accept_queue += u64::from(u32_at(message, 56)?);
    let drops = attributes(message.get(MESSAGE..)?).find(|(kind, _)| *kind == INET_DIAG_SKMEMINFO);
    let drops = drops.and_then(|(_, memory)| u32_at(memory, 4 * SK_MEMINFO_DROPS));
    if let Some(drops) = drops {
        *port.drops.get_or_insert(0) += u64::from(drops);
    }
    Some(())
}

/// A sequence of `struct nlattr`, each as its type and payload.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let found = (u16_at(bytes, 2)?, bytes.get(4..length)?);
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some(found)
    })
}

fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use super::*;

    /// A `struct inet_diag_msg` in a `struct nlmsghdr`, with memory counters whose last is `drops`.
    fn reply(state: u8, port: u16, queue: u32, drops: u32) -> Vec<u8> {
        let mut message = vec![AF_INET, state, 0, 0];
        message.extend(port.to_be_bytes());
        message.resize(56, 0);
        message.extend(queue.to_ne_bytes());
        message.resize(MESSAGE, 0);
        message.extend(40_u16.to_ne_bytes());
        message.extend(INET_DIAG_SKMEMINFO.to_ne_bytes());
        message.extend([0; 32]);
        message.extend(drops.to_ne_bytes());
        let mut bytes = ((HEADER + message.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes.resize(HEADER, 0);
        [bytes, message].concat()
    }

    #[test]
    fn sockets_are_summed_by_port() {
        let sockets = [
            reply(TCP_LISTEN, 8000, 3, 7),
            reply(TCP_LISTEN, 8000, 1, 1), // SO_REUSEPORT: a queue for each worker
            reply(TCP_ESTABLISHED, 8000, 0, 9),
            reply(TCP_ESTABLISHED, 50_000, 0, 0),
        ];
        let mut ports = BTreeMap::new();
        assert!(!read_reply(&sockets.concat(), &mut |message| read_socket(message, &mut ports)).unwrap());
        assert_eq!(ports[&8000], PortState { connections: 1, accept_queue: 4, drops: Some(8) });
        assert_eq!(ports[&50_000], PortState { connections: 1, accept_queue: 0, drops: None });
        let mut done = 20_u32.to_ne_bytes().to_vec();
        done.extend(NLMSG_DONE.to_ne_bytes());
        done.resize(20, 0);
        assert!(read_reply(&done, &mut |_| None).unwrap());
    }

    #[test]
    fn truncated_reply_is_an_error() {
        let whole = reply(TCP_LISTEN, 8000, 3, 7);
        for length in 1..whole.len() {
            let mut ports = BTreeMap::new();
            let read = read_reply(&whole[..length], &mut |message| read_socket(message, &mut ports));
            assert!(read.is_err(), "{length} bytes");
        }
        let mut short = reply(TCP_LISTEN, 8000, 3, 7);
        short[..4].copy_from_slice(&(HEADER as u32 + 30).to_ne_bytes());
        let mut ports = BTreeMap::new();
        assert!(read_reply(&short, &mut |message| read_socket(message, &mut ports)).is_err());
    }

    #[test]
    fn full_accept_queue_counts_its_drops() {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(1).unwrap();
        let listener = TcpListener::from(listener);
        let address = listener.local_addr().unwrap();
        let state = || match ports() {
            Ok(ports) => Some(ports[&address.port()]),
            Err(error) => {
                eprintln!("skipped: no socket diagnostics here: {error}");
                None
            }
        };
        let Some(before) = state() else { return };
        assert_eq!((before.accept_queue, before.drops), (0, Some(0)));
        // The kernel admits one connection more than the backlog.
        let waiting: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(state().unwrap().accept_queue, 2);
        let one_too_many = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        one_too_many.set_nonblocking(true).unwrap();
        let _ = one_too_many.connect(&address.into());
        // The handshake is dropped within the call: on loopback the packet is processed before it returns.
        assert!(state().unwrap().drops.is_some_and(|drops| drops >= 1), "{:?}", state());
        drop(waiting);
    }
}
