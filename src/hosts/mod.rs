//! Drivers and stacks on several hosts.

pub mod assignment;
