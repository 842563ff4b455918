//! An HTTP cache: which responses may be stored and used again, and where they are kept.
//!
//! [`policy`] has the rules of RFC 9111. It does no I/O and reads no clock: the time is passed in. [`store`] keeps
//! responses on disk. Only its threads in the background read the clock.
//!
//! The crate knows neither nginx's directives nor connections. lab proxy asks it and acts on the results.

pub mod policy;
pub mod store;
