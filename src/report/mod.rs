//! Reports: pure exporters from a [`Record`](crate::record::Record) to text.
//!
//! [`view`] works out what a report shows; [`render`] writes it for a terminal, as markdown and as SVG. A view never
//! depends on a renderer.

pub mod numbers;
pub mod view;
pub mod render;
