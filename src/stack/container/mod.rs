//! Containers: the same stacks, in a container engine.
//!
//! ```text
//! lab ──pipe──▶ keeper ──engine──▶ container ──▶ its workers        one for each component
//!     ──pipe──▶ reaper ──engine──▶ network, image, what is left     one for each run
//! ```
//!
//! Everything carries the run's name as a label, and nothing without lab's label is ever touched. A run that could not
//! clean up (all its processes killed, or the engine gone) is swept by the next, or by `lab clean`.

pub mod engine;
pub mod image;
pub mod keeper;
pub mod labels;
pub mod launch;
pub mod libraries;
pub mod order;
pub mod python;
pub mod reaper;
pub mod site;
pub mod sweep;

pub mod build;
pub mod inside;
pub mod obtain;

mod domain;
mod endpoint;
mod limits;
mod mounts;
mod pull;
