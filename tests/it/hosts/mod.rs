//! Drivers on several hosts.

mod coordination;
mod simulation;
