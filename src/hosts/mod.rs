//! Drivers and stacks on several hosts. [`coordination`] is the order of a drive, without any I/O.

pub mod protocol;
pub mod assignment;
pub mod coordination;
