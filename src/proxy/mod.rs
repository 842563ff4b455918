//! The reverse proxy: the nginx twin.
//!
//! It runs an ordinary nginx.conf, and knows nothing of scenarios, stacks, checks or reports. What it does not support
//! it refuses by name; nothing is ignored.
//!
//! The modules stand in the order in which a configuration becomes a running proxy and a request becomes an answer.

pub mod conf;
pub mod settings;
pub mod variables;
pub mod clock;
pub mod uri;
pub mod request;
