//! Renders views as text: for a terminal, as markdown, as SVG.

pub mod chart;
pub mod markdown;
pub mod terminal;
