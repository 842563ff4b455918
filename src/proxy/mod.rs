//! The reverse proxy: the nginx twin.
//!
//! It runs an ordinary nginx.conf, and knows nothing of scenarios, stacks, checks or reports. What it does not support
//! it refuses by name; nothing is ignored.

pub mod conf;
