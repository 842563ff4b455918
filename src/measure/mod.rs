//! Measurement: rounds, statistics, resource use.

pub mod resources;
pub mod footprint;
pub mod procfs;
pub mod cgroup;
pub mod sockets;
pub mod accepted;
pub mod contention;
pub mod machine;
