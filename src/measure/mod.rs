//! Measurement: rounds, statistics, resource use.

pub mod rounds;
pub mod warmup;
pub mod stats;
pub mod signed_rank;
pub mod student_t;
pub mod verdict;
pub mod decision;
pub mod places;
pub mod calibration;
pub mod resources;
pub mod footprint;
pub mod procfs;
pub mod cgroup;
pub mod sockets;
pub mod accepted;
pub mod contention;
pub mod machine;
