//! Runs stacks in a container engine.
//!
//! ```text
//! lab ──pipe──▶ keeper ──engine──▶ container ──▶ its workers        one for each component
//!     ──pipe──▶ reaper ──engine──▶ network, image, leftovers        one for each run
//! ```
//!
//! Every object in the engine carries the run's name as a label, and lab never touches an object without its label. If a
//! run could not clean up (all its processes killed, or the engine gone), the next run or `lab clean` does.

pub mod build;
pub mod container_spec;
pub mod engine;
pub mod image_probe;
pub mod keeper;
pub mod lab_image;
pub mod labels;
pub mod launcher;
pub mod libraries;
pub mod python_environment;
pub mod reaper;
pub mod run_network;
pub mod scenario_images;
pub mod sweep;

mod domain;
mod endpoint;
mod keeper_process;
mod limits;
pub(super) mod mounts;
mod pull;
mod service_container;
