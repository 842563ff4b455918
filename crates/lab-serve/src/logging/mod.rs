//! What the server writes: the error log, the access log, and metrics for statsd.
//!
//! Workers report over pipes and the arbiter writes, so only one process has log files to reopen.

pub mod access_format;
pub mod error_log;
pub mod log_sink;
pub mod log_sinks;
pub mod statsd;
pub mod syslog;
pub(crate) mod native_record;
