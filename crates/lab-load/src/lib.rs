//! Load drivers, and the ledger they fill.
//!
//! A driver runs in a process of its own ([`drivers::run`]), pinned apart from the stack, so that its CPU time can be
//! measured separately. The rooms, from the bottom up:
//!
//! - [`wire`]: the types that cross the process boundary and end in records;
//! - [`accounting`]: which request counts in which window. lab's own clock decides, never a tool's summary;
//! - `client`: one connection to the stack, over HTTP/1 or HTTP/2;
//! - [`drivers`]: the loops that send requests, and the process they run in.

pub mod wire;
pub mod accounting;
mod client;
pub mod drivers;
pub mod monotonic;
mod timer;
