//! Renders views as text: for a terminal, as markdown, as SVG, as a page of HTML, as JUnit XML, as workflow commands of GitHub, as SARIF.

pub mod chart;
pub mod github;
pub mod junit;
pub mod markdown;
pub mod page;
pub mod sarif;
pub mod terminal;
