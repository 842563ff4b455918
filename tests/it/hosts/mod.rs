//! Drivers on several hosts.

mod agents;
mod coordination;
mod simulation;
