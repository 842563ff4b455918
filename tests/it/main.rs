//! lab's integration tests: one crate, data-driven.

mod proxy;
