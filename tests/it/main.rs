//! lab's integration tests: one crate, data-driven.

mod direction;
mod drive;
mod lifecycle;
mod proxy;
mod run;
mod scenario;
mod serve;
mod support;
mod twin;
