//! The response between the two sides: its head rewritten, its body passed on or spooled.

pub mod accel;
pub mod response_head;
pub(crate) mod answer;
