//! What a report shows, as plain data: tables, rankings and groups, without styles and without escaping.

pub mod annotations;
pub mod bisection;
pub mod changes;
pub mod checks;
pub mod common_rates;
pub mod comparison;
pub mod guards;
pub mod latency;
pub mod load_tables;
pub mod outcome;
pub mod provenance;
pub mod repeatability;
pub mod round_issues;
pub mod rounds;
pub mod sensitivity;
pub mod speed;
pub mod stack_diff;
pub mod stack_summary;
pub mod test_suites;
pub mod text_table;
pub mod trend;
pub mod validation;
pub mod varying;
pub mod verdict;
pub mod versions;
