//! The client's side of the proxy: connections, request bodies, and what is written back.

pub(crate) mod client;
pub(crate) mod error_page;
pub(crate) mod own_answer;
pub(crate) mod sent;
pub(crate) mod upload;
pub(crate) mod waiting;
