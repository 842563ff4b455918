//! What lab's proxy, workers and load drivers stand on: connections and the files beside them.
//!
//! It knows nothing of HTTP, of configurations or of the lab around it. Reading order: connections
//! ([`stream`], [`listener`], [`tls`], [`proxy_protocol`]), time ([`clock`], [`deadline`]), files ([`spool`],
//! [`log_file`], [`pid_file`]).

pub mod stream;
pub mod listener;
pub mod tls;
pub mod proxy_protocol;

pub mod clock;
pub mod deadline;

pub mod spool;
pub mod log_file;
pub mod pid_file;

pub use listener::Listener;
pub use stream::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, Stream, WriteHalf};
