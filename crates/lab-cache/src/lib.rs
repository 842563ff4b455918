//! An HTTP cache: which responses may be stored and used again.
//!
//! [`policy`] has the rules of RFC 9111. It does no I/O and reads no clock: the time is passed in.
//!
//! The crate knows neither nginx's directives nor connections. lab proxy asks it and acts on the results.

pub mod policy;
