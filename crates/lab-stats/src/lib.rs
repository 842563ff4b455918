//! The statistics of a run: the order of rounds, intervals, decisions, ranges of places, warm-up. Pure: no clock, no
//! I/O, and every random choice comes from a seed that is passed in.

pub mod rounds;
pub mod warmup;
pub mod stats;
pub mod signed_rank;
pub mod student_t;
pub mod verdict;
pub mod decision;
pub mod places;
pub mod calibration;
