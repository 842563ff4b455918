//! Snapshots of facts, and the gate that compares a run with them.
//!
//! A scenario has two snapshots, accepted separately: its exact facts (`NAME.snap`: what was answered, what the apps
//! saw, that nothing failed) and its ratios (`NAME.ratios.snap`: what differs from one run to the next by itself, and
//! is compared by interval and margin). [`facts`] and [`gate`] are pure; [`store`] reads and writes the files.

pub mod comparison;
pub mod facts;
pub mod failures;
pub mod gate;
pub mod ratios;
pub mod store;
