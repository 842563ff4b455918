//! What a master gives a worker when it starts it: a document and descriptors, in one message over a socket pair.
//!
//! The worker's end of the pair is its standard input: the one place where a process can pick up a descriptor without
//! `unsafe`. All others come over it (unix(7): `SCM_RIGHTS`), and owned from the start.

use std::io::{self, IoSlice, IoSliceMut, Seek as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::Stdio;

use lab_worker::worker_settings::WorkerSettings;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

/// Descriptors in one message, at most (unix(7): `SCM_MAX_FD` is 253).
const MOST_DESCRIPTORS: usize = 253;
/// Bytes of a document, at most.
const LONGEST: usize = 128 * 1024;

/// What a worker is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Which worker to be.
    pub settings: WorkerSettings,
    /// What runs it: a Python interpreter, or for a native app lab itself.
    pub python: Option<PathBuf>,
    /// What the process is called.
    pub name: String,
    /// Who it runs as.
    pub identity: Identity,
}

/// Who a worker runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// Whether it gets all groups of its user.
    pub initgroups: bool,
}

/// The descriptors that come with the orders, in this order.
#[derive(Debug)]
pub struct Descriptors {
    /// The listening sockets, as many as the settings name.
    pub sockets: Vec<OwnedFd>,
    /// The notes.
    pub notes: OwnedFd,
    /// The pipe for access records, if the settings want them.
    pub access: Option<OwnedFd>,
}

/// Why orders could not be given or taken.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// The system refused something.
    #[error("cannot hand over to a worker: {0}")]
    Io(#[from] io::Error),
    /// The message is not what a master sends.
    #[error("standard input holds no orders of a master: {0}")]
    Malformed(String),
    /// There are too many sockets.
    #[error("a worker cannot be handed {0} descriptors; the most is {MOST_DESCRIPTORS}")]
    TooMany(usize),
}

/// Packs orders; the standard input of the worker holds them.
///
/// # Errors
/// The system refuses, or there is too much.
pub fn give(
    orders: &Orders,
    sockets: &[BorrowedFd<'_>],
    notes: BorrowedFd<'_>,
    access: Option<BorrowedFd<'_>>,
) -> Result<Stdio, HandoverError> {
    let document = serde_json::to_vec(orders).map_err(io::Error::other)?;
    let fds: Vec<BorrowedFd<'_>> = sockets.iter().copied().chain([notes]).chain(access).collect();
    if fds.len() > MOST_DESCRIPTORS {
        return Err(HandoverError::TooMany(fds.len()));
    }
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(io::Error::from)?;
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(HandoverError::TooMany(fds.len()));
    }
    sendmsg(&ours, &[IoSlice::new(&document)], &mut ancillary, SendFlags::NOSIGNAL).map_err(io::Error::from)?;
    Ok(Stdio::from(theirs))
}

/// In a worker: takes what is at standard input, which then reads from `/dev/null`.
///
/// # Errors
/// There is nothing of the kind.
pub fn take() -> Result<(Orders, Descriptors), HandoverError> {
    let taken = take_from(io::stdin().as_fd())?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?).map_err(io::Error::from)?;
    Ok(taken)
}

fn take_from(socket: BorrowedFd<'_>) -> Result<(Orders, Descriptors), HandoverError> {
    let malformed = |what: &str| HandoverError::Malformed(what.to_owned());
    let mut document = vec![0; LONGEST];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut document)];
    let received = recvmsg(socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC).map_err(io::Error::from)?;
    let mut fds: Vec<OwnedFd> = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    document.truncate(received.bytes);
    let orders: Orders =
        serde_json::from_slice(&document).map_err(|error| HandoverError::Malformed(error.to_string()))?;
    let mut fds = fds.into_iter();
    let sockets: Vec<_> = fds.by_ref().take(orders.settings.sockets.len()).collect();
    let notes = fds.next().ok_or_else(|| malformed("there are fewer descriptors than sockets"))?;
    let access = fds.next();
    if access.is_some() != orders.settings.access_log.is_some() || fds.next().is_some() {
        return Err(malformed("the number of descriptors does not fit"));
    }
    Ok((orders, Descriptors { sockets, notes, access }))
}

/// A document to be read by a process that is handed the descriptor, from its start to its end.
///
/// # Errors
/// The system refuses.
pub fn document(settings: &WorkerSettings) -> io::Result<OwnedFd> {
    let fd = memfd_create("lab-settings", MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(fd);
    serde_json::to_writer(&file, settings).map_err(io::Error::other)?;
    file.rewind()?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use lab_worker::worker_settings::AccessLog;

    use super::*;

    fn orders(sockets: usize, access: bool) -> Orders {
        let text = r#"{"app": "native:hello", "master": 1, "sockets": []}"#;
        let mut settings: WorkerSettings = serde_json::from_str(text).unwrap();
        let socket = |number: usize| lab_worker::worker_settings::InheritedSocket {
            fd: i32::try_from(number).unwrap(),
            address: format!("127.0.0.1:{number}"),
        };
        settings.sockets = (0..sockets).map(socket).collect();
        let log = AccessLog { fd: 9, request_headers: Vec::new(), response_headers: Vec::new(), environ: Vec::new() };
        settings.access_log = access.then_some(log);
        let identity = Identity { user: 0, group: 0, initgroups: false };
        Orders { settings, python: None, name: "n".into(), identity }
    }

    /// Gives and takes, over the stdio handle turned back into a descriptor by way of a child's standard input.
    fn taken(orders: &Orders, access: bool) -> Result<(Orders, Descriptors), HandoverError> {
        let files: Vec<_> = (0..4).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let sockets: Vec<_> = files[..2].iter().map(AsFd::as_fd).collect();
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let fds: Vec<_> =
            sockets.iter().copied().chain([files[2].as_fd()]).chain(access.then(|| files[3].as_fd())).collect();
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
        let document = serde_json::to_vec(orders).unwrap();
        sendmsg(&ours, &[IoSlice::new(&document)], &mut ancillary, SendFlags::empty()).unwrap();
        take_from(theirs.as_fd())
    }

    #[test]
    fn what_is_given_is_taken() {
        for access in [false, true] {
            let given = orders(2, access);
            let (orders, descriptors) = taken(&given, access).unwrap();
            assert_eq!(orders, given);
            assert_eq!((descriptors.sockets.len(), descriptors.access.is_some()), (2, access));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(taken(&orders(3, false), false), Err(HandoverError::Malformed(_))));
        assert!(matches!(taken(&orders(2, true), false), Err(HandoverError::Malformed(_))));
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        drop(ours);
        assert!(matches!(take_from(theirs.as_fd()), Err(HandoverError::Malformed(_))));
    }

    #[test]
    fn more_than_a_message_holds_is_refused() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let many = vec![null.as_fd(); 260];
        assert!(matches!(give(&orders(260, false), &many, null.as_fd(), None), Err(HandoverError::TooMany(261))));
    }
}
