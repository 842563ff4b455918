//! `lab lint`: what a configuration says that its author did not mean, rule by rule.
//!
//! Everything here looks at files and starts nothing. A finding names a rule, the place, what is wrong there, why it
//! matters and what to write instead. nginx.conf is read with the proxy's own parser, directives that `lab proxy` does
//! not know included; Python files are read by Python's own parser and never run ([`python`]).
//!
//! Rules err on the side of silence: a file that does what its author wants, in an unusual way, has no finding.

mod finding;
mod rule;

pub mod nginx;
pub mod python;

pub use finding::{Finding, Place};
pub use rule::{Rule, Severity, rules};
