//! Measurement of resource use: `/proc`, control groups, socket diagnostics.

pub mod resources;
pub mod footprint;
pub mod procfs;
pub mod cgroup;
pub mod sockets;
pub mod accept_counter;
pub mod contention;
pub mod machine;
pub mod other_runs;
