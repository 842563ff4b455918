//! The owner of a listening port: a program that binds by itself is ready only if the listener is its own.
//!
//! `/proc/net/tcp` names each socket's inode, `/proc/PID/fd` each process's sockets (proc(5)). The parser is a pure
//! function over text.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use crate::measure::procfs;

/// The owner of the listening sockets of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortOwner {
    /// There is no listening socket.
    None,
    /// The program or its descendants.
    Program,
    /// Another process owns at least one of them.
    Other,
}

/// The state of a listening socket, `TCP_LISTEN` in hexadecimal.
const LISTEN: &str = "0A";

/// The owner of the listening sockets of `port`, from the point of view of the process `root`.
///
/// # Errors
/// `/proc` cannot be read.
pub fn owner(port: u16, root: u32) -> io::Result<PortOwner> {
    let mut listening = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) => listening.extend(listeners(&text, port)),
            // A machine without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if listening.is_empty() {
        return Ok(PortOwner::None);
    }
    let mut own = BTreeSet::new();
    for pid in procfs::descendants_of(root).map_err(io::Error::other)? {
        // The process may end meanwhile.
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            own.extend(target.to_str().and_then(socket_inode));
        }
    }
    Ok(if listening.is_subset(&own) { PortOwner::Program } else { PortOwner::Other })
}

/// The inodes of the sockets that listen on `port`.
fn listeners(table: &str, port: u16) -> Vec<u64> {
    let rows = table.lines().skip(1);
    rows.filter_map(|row| {
        let mut fields = row.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let (_, hexadecimal) = local.rsplit_once(':')?;
        let inode = fields.nth(5)?.parse().ok()?;
        (state == LISTEN && u16::from_str_radix(hexadecimal, 16) == Ok(port)).then_some(inode)
    })
    .collect()
}

/// The inode in `socket:[123]`.
fn socket_inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_table_names_the_inodes_of_listeners() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
";
        assert_eq!(listeners(table, 8080), [4711]);
        assert_eq!(socket_inode("socket:[4711]"), Some(4711));
        assert_eq!(socket_inode("/dev/null"), None);
    }

    #[test]
    fn a_listener_of_this_process_is_not_its_descendants() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(owner(port, std::process::id()).unwrap(), PortOwner::Other);
        drop(listener);
        assert_eq!(owner(port, std::process::id()).unwrap(), PortOwner::None);
    }
}
