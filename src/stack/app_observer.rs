//! Receives each request as the application saw it, from the module that lab puts around the application for checks
//! (`app_module/lab_observer.py`).

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use lab_app::headers_report::RequestView;
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;

/// More than the view of any request that servers accept.
const MAX_VIEW_BYTES: usize = 256 * 1024;
/// Why nothing was observed.
const NO_REQUEST: &str = "no request reached the application";

/// The name of a socket in a folder.
const SOCKET: &str = "app.sock";

/// Distinguishes the observers of this process.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A unix socket to which the module sends.
#[derive(Debug)]
pub struct AppObserver {
    socket: UnixDatagram,
    name: String,
}

/// What the module sends.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    View(RequestView),
    Error { error: String },
}

impl AppObserver {
    /// Opens an abstract socket: workers that have changed their user can still send to it.
    ///
    /// # Errors
    /// The socket cannot be opened.
    pub(super) fn bind() -> io::Result<AppObserver> {
        let name = format!("lab/app/{}/{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        socket.set_nonblocking(true)?;
        Ok(AppObserver { socket, name })
    }

    /// Opens a socket in `folder`, for containers: an abstract one stays within its network.
    ///
    /// # Errors
    /// The socket cannot be opened.
    pub(super) fn bind_in(folder: &Path) -> io::Result<AppObserver> {
        fs::create_dir_all(folder)?;
        let path = folder.join(SOCKET);
        // The path may be longer than the address of a socket can be.
        let open = rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let socket = UnixDatagram::bind(format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd()))?;
        // The container's user is another one.
        fs::set_permissions(&path, Permissions::from_mode(0o666))?;
        socket.set_nonblocking(true)?;
        Ok(AppObserver { socket, name: path.display().to_string() })
    }

    /// The path of its socket, or the name of an abstract one without the zero byte before it.
    #[must_use]
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Forgets the requests so far.
    pub fn clear(&self) {
        let _ = self.last_view();
    }

    /// The last request since the last call. The application sends it before its response.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn last_view(&self) -> Result<RequestView, String> {
        let mut last = Err(NO_REQUEST.to_owned());
        let mut buffer = vec![0; MAX_VIEW_BYTES];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            last = match serde_json::from_slice(&buffer[..length]) {
                Ok(Message::View(view)) => Ok(view),
                Ok(Message::Error { error }) => Err(error),
                Err(error) => Err(format!("the view of the request is malformed: {error}")),
            };
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_of_a_socket_may_have_a_long_path() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a-folder-with-a-long-name/".repeat(6));
        let observer = AppObserver::bind_in(&folder).unwrap();
        let open = fs::File::open(&folder).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        let address = format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd());
        sender.send_to(br#"{"error":"seen"}"#, address).unwrap();
        assert_eq!(observer.last_view().unwrap_err(), "seen");
        assert_eq!(observer.last_view().unwrap_err(), NO_REQUEST);
    }
}
