//! A validated request, and its route through the configuration.

pub mod request;
pub mod route;
pub mod uri;
