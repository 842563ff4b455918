//! Drivers and stacks on several hosts.

mod agents;
mod coordination;
mod engines;
mod simulation;
mod swarm;
