//! Messages of any version of HTTP: heads with their fields, request targets, dates, and the reasons to refuse a
//! message.
//!
//! Nothing here reads or writes a connection.

pub mod date;
pub mod extensions;
pub mod head;
pub mod headers;
pub mod refusal;
pub mod target;

pub(crate) mod syntax;

pub use head::{RequestHead, ResponseHead, Version, is_bodyless};
pub use headers::Headers;
pub use refusal::Refusal;
