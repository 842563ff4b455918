//! Snapshots of facts, and the gate that compares a run with them.
//!
//! A scenario has two snapshots, accepted separately: its exact facts (`NAME.snap`: responses, the requests that the apps
//! saw, errors) and its ratios (`NAME.ratios.snap`), which vary from run to run and are compared by interval and margin.
//! The accepted sessions are its [`history`]; those of one machine are the [`past`] that each stack is compared with.
//! A comparison of two versions needs neither ([`versions`]).
//! [`facts`] and [`gate`] are pure; [`store`] and [`history`] read and write the files.

pub mod acceptance;
pub mod comparison;
pub mod confirmation;
pub mod facts;
pub mod failures;
pub mod gate;
pub mod history;
pub mod limits;
pub mod past;
pub mod past_metrics;
pub mod ratios;
pub mod store;
pub mod versions;
mod metric_change;
mod undecided;
