//! Stacks: start, wait until ready, stop; logs and addresses.
