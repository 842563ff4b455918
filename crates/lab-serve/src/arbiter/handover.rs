//! How an arbiter gives a worker its bootstrap document and descriptors: in one message over a socket pair.
//!
//! The worker's end of the pair is its standard input, the only inherited descriptor that a process can take over without
//! `unsafe`. All other descriptors arrive in the message as owned ones (unix(7): `SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;

use lab_worker::bootstrap::WorkerSettings;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::logging::syslog::SyslogConfig;
use crate::process::identity::Identity;

/// Descriptors in one message, at most (unix(7): `SCM_MAX_FD` is 253).
const MOST_DESCRIPTORS: usize = 253;
/// The longest document that is received.
const LONGEST_DOCUMENT: usize = 128 * 1024;

/// Everything a worker process receives at its start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerBootstrap {
    pub settings: WorkerSettings,
    /// The process name that `ps` shows.
    pub name: String,
    pub identity: Identity,
    /// The syslog server for the messages of a native worker. A Python worker finds it in `settings.logging`.
    pub syslog: Option<SyslogConfig>,
}

/// The descriptors that come with a bootstrap document, in this order.
#[derive(Debug)]
pub struct Descriptors {
    /// The listening sockets, one for each in the settings.
    pub sockets: Vec<OwnedFd>,
    pub scoreboard: OwnedFd,
    /// The pipe for access records, if the settings have an `access_log`.
    pub access: Option<OwnedFd>,
}

/// Why a bootstrap document could not be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    #[error("cannot transfer the bootstrap document: {0}")]
    Io(#[from] io::Error),
    /// The message is not from an arbiter.
    #[error("standard input holds no bootstrap document from an arbiter: {0}")]
    Malformed(String),
    #[error("cannot pass {0} descriptors to a worker; the limit is {MOST_DESCRIPTORS}")]
    TooMany(usize),
}

/// A new socket pair that keeps the boundaries of messages: the arbiter's end, and the other process's.
///
/// # Errors
/// There are no descriptors left.
pub(super) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends one message: a document with descriptors.
///
/// # Errors
/// There are too many descriptors, or the message cannot be sent.
pub(super) fn send_message(
    socket: BorrowedFd<'_>,
    document: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<(), HandoverError> {
    if fds.len() > MOST_DESCRIPTORS {
        return Err(HandoverError::TooMany(fds.len()));
    }
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(HandoverError::TooMany(fds.len()));
    }
    sendmsg(socket, &[IoSlice::new(document)], &mut ancillary, SendFlags::NOSIGNAL).map_err(io::Error::from)?;
    Ok(())
}

/// Sends a bootstrap document and descriptors into a new socket pair, and returns the other end as the standard input of
/// the worker. The message waits in the socket until the worker reads it.
///
/// `fds` are the sockets, the scoreboard and, if the settings have an access log, its pipe.
///
/// # Errors
/// There are too many descriptors, or the message cannot be sent.
pub(super) fn send(bootstrap: &WorkerBootstrap, fds: &[BorrowedFd<'_>]) -> Result<Stdio, HandoverError> {
    let document = serde_json::to_vec(bootstrap).map_err(io::Error::other)?;
    let (ours, theirs) = socket_pair()?;
    send_message(ours.as_fd(), &document, fds)?;
    Ok(Stdio::from(theirs))
}

/// Called in a worker: receives the bootstrap document from standard input, which is then `/dev/null`.
///
/// # Errors
/// Standard input is not from an arbiter.
pub fn receive() -> Result<(WorkerBootstrap, Descriptors), HandoverError> {
    let received = receive_from(io::stdin().as_fd())?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?).map_err(io::Error::from)?;
    Ok(received)
}

fn receive_from(socket: BorrowedFd<'_>) -> Result<(WorkerBootstrap, Descriptors), HandoverError> {
    let malformed = |what: &str| HandoverError::Malformed(what.to_owned());
    let mut document = vec![0; LONGEST_DOCUMENT];
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
    let bootstrap: WorkerBootstrap =
        serde_json::from_slice(&document).map_err(|error| HandoverError::Malformed(error.to_string()))?;
    let mut fds = fds.into_iter();
    let sockets: Vec<_> = fds.by_ref().take(bootstrap.settings.sockets.len()).collect();
    let scoreboard = fds.next().ok_or_else(|| malformed("there are fewer descriptors than sockets"))?;
    let access = fds.next();
    if access.is_some() != bootstrap.settings.access_log.is_some() || fds.next().is_some() {
        return Err(malformed("the number of descriptors does not fit"));
    }
    Ok((bootstrap, Descriptors { sockets, scoreboard, access }))
}

#[cfg(test)]
mod tests {
    use lab_worker::bootstrap::{AccessLogSettings, InheritedSocket};

    use super::*;

    fn bootstrap(sockets: usize, access: bool) -> WorkerBootstrap {
        let text = r#"{"app": "native:hello", "arbiter": 1, "sockets": []}"#;
        let mut settings: WorkerSettings = serde_json::from_str(text).unwrap();
        let socket = |number: usize| InheritedSocket {
            fd: i32::try_from(number).unwrap(),
            address: format!("127.0.0.1:{number}"),
        };
        settings.sockets = (0..sockets).map(socket).collect();
        let log = AccessLogSettings { fd: 9, ..AccessLogSettings::default() };
        settings.access_log = access.then_some(log);
        let identity = Identity { user: 0, group: 0, initgroups: false };
        WorkerBootstrap { settings, name: "n".into(), identity, syslog: None }
    }

    /// Sends a document with four descriptors over a socket pair of its own, and receives it.
    fn received(bootstrap: &WorkerBootstrap, access: bool) -> Result<(WorkerBootstrap, Descriptors), HandoverError> {
        let files: Vec<_> = (0..4).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let sockets: Vec<_> = files[..2].iter().map(AsFd::as_fd).collect();
        let (ours, theirs) = socket_pair().unwrap();
        let fds: Vec<_> =
            sockets.iter().copied().chain([files[2].as_fd()]).chain(access.then(|| files[3].as_fd())).collect();
        send_message(ours.as_fd(), &serde_json::to_vec(bootstrap).unwrap(), &fds).unwrap();
        receive_from(theirs.as_fd())
    }

    #[test]
    fn document_arrives_as_sent() {
        for access in [false, true] {
            let sent = bootstrap(2, access);
            let (received, descriptors) = received(&sent, access).unwrap();
            assert_eq!(received, sent);
            assert_eq!((descriptors.sockets.len(), descriptors.access.is_some()), (2, access));
        }
    }

    #[test]
    fn wrong_descriptor_count_is_refused() {
        assert!(matches!(received(&bootstrap(3, false), false), Err(HandoverError::Malformed(_))));
        assert!(matches!(received(&bootstrap(2, true), false), Err(HandoverError::Malformed(_))));
        let (ours, theirs) = socket_pair().unwrap();
        drop(ours);
        assert!(matches!(receive_from(theirs.as_fd()), Err(HandoverError::Malformed(_))));
    }

    #[test]
    fn too_many_descriptors_are_refused() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let many = vec![null.as_fd(); 260];
        assert!(matches!(send(&bootstrap(259, false), &many), Err(HandoverError::TooMany(260))));
    }
}
