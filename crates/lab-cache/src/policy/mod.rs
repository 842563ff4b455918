//! The rules of RFC 9111 for a shared cache.
//!
//! All times are seconds since 1970, and all of them are arguments. In the order in which a response meets them:
//! [`control`] reads `Cache-Control`, [`targeted`] what replaces it, [`terms`] decides how long a response may be used, [`storage`] whether it may be
//! stored, [`vary`] for which requests, [`reuse`] whether a request may get it, [`update`] what a validation changes, and
//! [`invalidation`] what other requests make stale. [`status`] says what happened.

pub mod control;
pub mod targeted;
pub mod date;
pub mod terms;
pub mod storage;
pub mod vary;
pub mod reuse;
pub mod update;
pub mod invalidation;
pub mod status;
#[cfg(test)]
mod tests;
