//! The settings of the response filters: compression, replaced texts, charsets and the like.
//! `crate::response::filters` applies it.

pub mod addition;
pub mod brotli;
pub mod charset;
pub mod content_coding;
pub mod expires;
pub mod gzip;
pub mod media_type_set;
pub mod ssi;
pub mod sub_filter;
