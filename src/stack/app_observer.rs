//! Receives each request as the application saw it, from the module that lab puts around the application for checks
//! (`app_module/lab_observer.py`).

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicU32, Ordering};

use lab_app::headers_report::RequestView;
use serde::Deserialize;

/// More than the view of any request that servers accept.
const MAX_VIEW_BYTES: usize = 256 * 1024;
/// Why nothing was observed.
const NO_REQUEST: &str = "no request reached the application";

/// Distinguishes the observers of this process.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// An abstract unix socket: workers that have changed their user can still send to it.
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
    /// # Errors
    /// The socket cannot be opened.
    pub(super) fn bind() -> io::Result<AppObserver> {
        let name = format!("lab/app/{}/{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        socket.set_nonblocking(true)?;
        Ok(AppObserver { socket, name })
    }

    /// The name of its socket, without the zero byte before it.
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
