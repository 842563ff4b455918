//! `lab compare`: a scenario's stacks beside the same stacks at another revision, in repositories of the tests' own.

mod facts;
mod faults;
mod leak;
pub(crate) mod repository;
mod revisions;
pub(crate) mod shop;
mod speed;
