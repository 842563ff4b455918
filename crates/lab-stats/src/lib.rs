//! The statistics of a run. Pure: no clock, no I/O, and every random choice comes from a seed passed in.
//!
//! A run measures each stack once per block, in random order ([`blocks`]), after a warm-up that ends on evidence
//! ([`warmup`]). The unit is the round, never the request. Each block gives a ratio to the reference stack; [`estimate`]
//! summarises the ratios with an exact signed-rank interval, [`decision`] compares the interval with a margin set
//! beforehand, [`ranking`] orders all stacks by ranges of ranks, and [`calibration`] says which effects a machine can
//! detect at all. [`change_points`] describes series of sessions, and [`clock`] the clocks of several machines.
//!
//! # Example
//!
//! The CPU time per request of a stack and its reference, in eight blocks, and the decision whether the stack is more than
//! five per cent worse:
//!
//! ```
//! use lab_stats::decision::{Baseline, Correction, Looks, MetricTest, decide};
//! use lab_stats::estimate::{estimate, log_ratios};
//! use lab_stats::verdict::{Direction, Verdict};
//!
//! let candidate = [103.0, 101.5, 102.2, 104.1, 101.9, 102.8, 103.3, 102.4];
//! let reference = [100.2, 100.0, 99.8, 100.9, 100.1, 99.7, 100.4, 100.3];
//! let pairs: Vec<(f64, f64)> = candidate.into_iter().zip(reference).collect();
//! let log_ratios = log_ratios(&pairs)?;
//!
//! let estimate = estimate(&log_ratios, 0.95).unwrap();
//! let interval = estimate.ratio_interval().unwrap();
//! assert!((estimate.ratio() - 1.024).abs() < 0.001);
//! assert!(interval.lower > 1.01 && interval.upper < 1.04, "{interval:?}");
//!
//! // The stack is certainly slower than the reference, but not by more than the margin: the test passes.
//! let test = MetricTest {
//!     log_ratios: &log_ratios,
//!     baseline: Baseline::NoChange,
//!     margin: 0.05,
//!     direction: Direction::LowerIsBetter,
//! };
//! let looks = Looks::new(vec![8])?;
//! assert_eq!(decide(&[test], &looks, 1, Correction::Holm)[0].verdict, Verdict::Pass);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod blocks;
pub mod warmup;
pub mod sample;
pub mod estimate;
pub mod signed_rank;
pub mod student_t;
pub mod verdict;
pub mod decision;
pub mod ranking;
pub mod trend;
pub mod calibration;
pub mod change_points;
pub mod clock;
