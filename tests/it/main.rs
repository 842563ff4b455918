//! lab's integration tests: one crate, data-driven.

mod diff;
mod containers;
mod deployments;
mod drive;
mod generated;
mod kinds;
mod layers;
mod lifecycle;
mod lint;
mod loads;
mod provision;
mod report;
mod proxy;
mod rounds;
mod run;
mod scenario;
mod serve;
mod snapshot;
mod support;
mod twin;
mod wsgi;
