//! Snapshots of facts, and the gate that compares a run with them.
