//! The kernel's view of listening sockets: how long their accept queues are, and what these turned away.
//!
//! `/proc/net/tcp` does not tell what a single listening socket dropped; the kernel's socket diagnostics do (sock_diag(7),
//! as `ss` asks). Building the question and reading the answer are pure functions over bytes; asking is apart from them.
//! How many connections a socket has *accepted* the kernel keeps for no single socket, only for all of a network
//! namespace together: see [`contention`](super::contention).

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
    /// Handshakes that this socket has turned away since it was opened; `None` where no socket listens.
    pub drops: Option<u64>,
}

/// The state of every local IPv4 port that has a listening or an established TCP socket.
///
/// # Errors
/// The kernel has no socket diagnostics, or does not let this process ask.
pub fn ports() -> io::Result<BTreeMap<u16, PortState>> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    sendto(&socket, &question(), SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut ports = BTreeMap::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let (_, length) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if read_answer(buffer.get(..length).unwrap_or_default(), &mut ports)? {
            return Ok(ports);
        }
    }
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `NLM_F_REQUEST | NLM_F_DUMP`
const REQUEST_DUMP: u16 = 0x001 | 0x300;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
const TCP_ESTABLISHED: u8 = 1;
const TCP_LISTEN: u8 = 10;
/// The attribute with a socket's memory counters, the last of which counts drops.
const INET_DIAG_SKMEMINFO: u16 = 7;
const SK_MEMINFO_DROPS: usize = 8;
const HEADER: usize = 16;
/// `struct inet_diag_req_v2`
const REQUEST: usize = 56;
/// `struct inet_diag_msg`
const MESSAGE: usize = 72;

/// `struct nlmsghdr`, then `struct inet_diag_req_v2`: all TCP sockets that listen or are established.
fn question() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(((HEADER + REQUEST) as u32).to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    bytes.extend([0; 8]); // sequence number and port: one question at a time
    let with_memory = 1 << (INET_DIAG_SKMEMINFO - 1);
    bytes.extend([AF_INET, IPPROTO_TCP, with_memory, 0]);
    bytes.extend((1_u32 << TCP_ESTABLISHED | 1 << TCP_LISTEN).to_ne_bytes());
    bytes.resize(HEADER + REQUEST, 0); // any address, any port
    bytes
}

/// Takes one datagram of the answer into account; says whether it was the last.
fn read_answer(mut bytes: &[u8], ports: &mut BTreeMap<u16, PortState>) -> io::Result<bool> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "the kernel's socket diagnostics cannot be read");
    while !bytes.is_empty() {
        let length = u32_at(bytes, 0).ok_or_else(malformed)? as usize;
        let message = bytes.get(HEADER..length).ok_or_else(malformed)?;
        match u16_at(bytes, 4).ok_or_else(malformed)? {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = u32_at(message, 0).ok_or_else(malformed)?.cast_signed();
                return Err(io::Error::from_raw_os_error(-code));
            }
            _ => read_socket(message, ports).ok_or_else(malformed)?,
        }
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
    }
    Ok(false)
}

/// One `struct inet_diag_msg` and its attributes. Ports are in network order; a listening socket's receive queue is
/// the number of connections that wait to be accepted.
fn read_socket(message: &[u8], ports: &mut BTreeMap<u16, PortState>) -> Option<()> {
    let state = *message.get(1)?;
    let port = u16::from_be_bytes([*message.get(4)?, *message.get(5)?]);
    let of_port = ports.entry(port).or_default();
    if state == TCP_ESTABLISHED {
        of_port.connections += 1;
        return Some(());
    }
    of_port.accept_queue += u64::from(u32_at(message, 56)?);
    let drops = attributes(message.get(MESSAGE..)?).find(|(kind, _)| *kind == INET_DIAG_SKMEMINFO);
    let drops = drops.and_then(|(_, memory)| u32_at(memory, 4 * SK_MEMINFO_DROPS));
    if let Some(drops) = drops {
        *of_port.drops.get_or_insert(0) += u64::from(drops);
    }
    Some(())
}

/// `struct nlattr` and what it holds, one after the other.
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
    fn answer(state: u8, port: u16, queue: u32, drops: u32) -> Vec<u8> {
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
            answer(TCP_LISTEN, 8000, 3, 7),
            answer(TCP_LISTEN, 8000, 1, 1), // SO_REUSEPORT: a queue for each worker
            answer(TCP_ESTABLISHED, 8000, 0, 9),
            answer(TCP_ESTABLISHED, 50_000, 0, 0),
        ];
        let mut ports = BTreeMap::new();
        assert!(!read_answer(&sockets.concat(), &mut ports).unwrap());
        assert_eq!(ports[&8000], PortState { connections: 1, accept_queue: 4, drops: Some(8) });
        assert_eq!(ports[&50_000], PortState { connections: 1, accept_queue: 0, drops: None });
        let mut done = 20_u32.to_ne_bytes().to_vec();
        done.extend(NLMSG_DONE.to_ne_bytes());
        done.resize(20, 0);
        assert!(read_answer(&done, &mut ports).unwrap());
    }

    #[test]
    fn what_is_cut_off_anywhere_is_an_error_and_no_panic() {
        let whole = answer(TCP_LISTEN, 8000, 3, 7);
        for length in 1..whole.len() {
            assert!(read_answer(&whole[..length], &mut BTreeMap::new()).is_err(), "{length} bytes");
        }
        let mut short = answer(TCP_LISTEN, 8000, 3, 7);
        short[..4].copy_from_slice(&(HEADER as u32 + 30).to_ne_bytes());
        assert!(read_answer(&short, &mut BTreeMap::new()).is_err());
    }

    #[test]
    fn a_full_accept_queue_is_seen_and_what_it_turns_away_is_counted() {
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
        // The kernel lets one more in than the queue is long for.
        let waiting: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(state().unwrap().accept_queue, 2);
        let one_too_many = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        one_too_many.set_nonblocking(true).unwrap();
        let _ = one_too_many.connect(&address.into());
        // Its handshake is turned away within the call: on loopback the packet is processed before it returns.
        assert!(state().unwrap().drops.is_some_and(|drops| drops >= 1), "{:?}", state());
        drop(waiting);
    }
}
