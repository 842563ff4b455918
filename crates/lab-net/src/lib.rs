//! The common base of lab's proxy, workers and load drivers: connections, time limits and files.
//!
//! It knows nothing of HTTP, configuration files or other crates of lab. Reading order: connections
//! ([`stream`], [`plain_socket`], [`listener`], [`tls`], [`proxy_protocol`]), time ([`clock`], [`deadline`]), files ([`spool`],
//! [`file_version`], [`log_file`], [`pid_file`]).

pub mod stream;
pub mod plain_socket;
pub mod listener;
pub mod tls;
pub mod proxy_protocol;

pub mod clock;
pub mod deadline;
pub mod turn;

pub mod spool;
pub mod file_version;
pub mod log_file;
pub mod pid_file;

pub use file_version::FileVersion;
pub use listener::Listener;
pub use plain_socket::PlainSocket;
pub use stream::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, Stream, WriteHalf};
