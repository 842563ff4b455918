//! The validated scenario, which the rest of lab works with.
//!
//! Everything here has passed [`load`](super::load()): names are unique, references resolve, files exist, values are in
//! range. No I/O, so tests can construct these types directly. The input of a driver is the driver's own type, from
//! [`lab_load::wire`].

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

mod check;
mod comparison;
mod gate;
mod json;
mod load;
mod placement;
mod quick;
mod request;
mod service;
mod stack;
mod template;
mod volatile;

pub use check::{
    AppField, CacheExpectation, CacheStatus, CertificateExpectation, Check, Expectation, ExpectedStatus, HeaderRule,
    TextRule, UpstreamExpectation,
};
pub use comparison::{Comparison, StackVersion, Version, base_name, head_name};
pub use gate::{Against, Correction, Gate, Growth, Limits, Metric, PastSessions};
pub use json::{JsonRule, JsonTemplate};
pub use load::{
    Arrival, ArrivalProcess, Driver, External, Extraction, Http, Load, OnErrors, OpenLoop, Rate, Step, StepExpectation,
    StepText, TextPiece, TimerKind, Tls, Trust, ValueSource,
};
pub use placement::{NodePlacement, NodeRequest, NodeSelector, Placement};
pub use quick::Quick;
pub use request::{CheckRequest, HttpVersion, Part, PartContent, RequestBody, SlowClients, SlowPart};
pub use service::{Readiness, Service, ServiceImage, ServiceProgram, ServiceText, ServiceTextPart};
pub use stack::{App, Backend, Image, Proxy, PythonApp, Relocate, Server, Stack};
pub use template::{Placeholder, Placeholders, TextTemplate, TextTemplatePart};
pub use volatile::{Filter, Volatile};

#[derive(Debug, Clone)]
pub struct Scenario {
    /// Also the folder of the scenario's reports and the name of its snapshot.
    pub name: String,
    /// One line.
    pub title: Option<String>,
    pub file: PathBuf,
    /// The base of relative paths in the file, and the folder of `reports/`.
    pub root: PathBuf,
    /// SHA-256 of the file's bytes, in lower-case hexadecimal.
    pub sha256: String,
    pub app: App,
    pub relocate: Relocate,
    /// In the file's order; never empty, and at most one is the reference.
    pub stacks: Vec<Stack>,
    pub checks: Vec<Check>,
    pub loads: Vec<Load>,
    pub rounds: Rounds,
    pub placement: Placement,
    /// The Docker context of a manager, for stacks in a swarm; `None` is the one that the docker command would use.
    pub context: Option<String>,
    pub gate: Gate,
    /// Facts that are compared for presence only.
    pub volatile: Volatile,
    /// The number of runs whose folders are kept.
    pub kept_runs: NonZeroU32,
    /// Whether proxies write their access logs also under load.
    pub access_logs: bool,
    /// The short form, if there is one.
    pub quick: Option<Quick>,
    /// Whether the short form has been applied.
    pub is_short: bool,
    /// Set if the stacks are those of two versions.
    pub comparison: Option<Comparison>,
}

impl Scenario {
    /// The default of `kept_runs`.
    pub const KEPT_RUNS: NonZeroU32 = NonZeroU32::new(10).unwrap(); // OK because 10 is not 0

    /// The stack that ratios refer to: the one marked `reference`, otherwise the first measured one that is possible.
    #[must_use]
    pub fn reference(&self) -> &Stack {
        let marked = self.stacks.iter().find(|stack| stack.reference);
        marked
            .or_else(|| self.stacks.iter().find(|stack| stack.measured && stack.is_possible()))
            .unwrap_or(&self.stacks[0])
    }

    /// The stack that the ratios of `stack` refer to: the reference, or in a comparison its own base. `None` if nothing is
    /// compared with it.
    #[must_use]
    pub fn reference_of(&self, stack: &Stack) -> Option<&Stack> {
        if self.comparison.is_none() {
            return Some(self.reference()).filter(|reference| reference.name != stack.name);
        }
        let Some(StackVersion::Head { base: Some(base) }) = &stack.version else { return None };
        self.stacks.iter().find(|other| other.name == *base)
    }

    /// Whether the ratios of other stacks refer to this one.
    #[must_use]
    pub fn is_reference(&self, stack: &Stack) -> bool {
        match self.comparison {
            None => stack.name == self.reference().name,
            Some(_) => stack.is_base(),
        }
    }

    /// The stacks that are compared with no other one.
    #[must_use]
    pub fn ungated_stacks(&self) -> Vec<&str> {
        let ungated = self.stacks.iter().filter(|stack| self.reference_of(stack).is_none());
        ungated.map(|stack| stack.name.as_str()).collect()
    }

    /// Whether some load drives a stack together with the one that its ratios refer to. Otherwise there is no ratio.
    #[must_use]
    pub fn has_ratios(&self) -> bool {
        let mut pairs = self.stacks.iter().filter_map(|stack| Some((stack, self.reference_of(stack)?)));
        pairs.any(|(stack, reference)| {
            let both = |load: &Load| load.drives(&stack.name) && load.drives(&reference.name);
            let are_measured = [stack, reference].iter().all(|one| one.measured && one.is_possible());
            are_measured && self.ranked_loads().any(both)
        })
    }

    /// Reduces the scenario to its short form: that of `[quick]`, otherwise one round with short windows.
    pub fn apply_quick(&mut self) {
        let quick = self.quick.clone().unwrap_or_default();
        if let Some(names) = &quick.loads {
            let stays = |name: &String| names.contains(name);
            self.loads.retain(|load| stays(&load.name) && load.validates.as_ref().is_none_or(stays));
        }
        for load in &mut self.loads {
            quick.shorten(load);
        }
        self.rounds.looks = vec![quick.blocks];
        self.rounds.warmup = Warmup::Fixed(quick.warmup);
        self.is_short = true;
    }

    /// The loads by which stacks are ranked and gated: those that do not cross-validate another one.
    pub fn ranked_loads(&self) -> impl Iterator<Item = &Load> {
        self.loads.iter().filter(|load| load.validates.is_none())
    }

    /// The names of the loads whose errors are only counted. Cross-validations are among them, because it depends on the
    /// machine whether their program is installed.
    #[must_use]
    pub fn counted_loads(&self) -> Vec<&str> {
        let counted = self.loads.iter().filter(|load| load.errors == OnErrors::Count || load.validates.is_some());
        counted.map(|load| load.name.as_str()).collect()
    }

    /// The checks that apply to `stack`, in the file's order.
    pub fn checks_for<'a>(&'a self, stack: &'a Stack) -> impl Iterator<Item = &'a Check> {
        self.checks.iter().filter(|check| check.applies_to(stack))
    }
}

/// Randomised complete blocks: each block visits every stack under every load once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rounds {
    /// The numbers of blocks after which interim looks are due, ascending and never empty. The run ends with the first
    /// look that decides everything, at the latest with the last one. `count = N` in the file is one look after N.
    pub looks: Vec<NonZeroU32>,
    pub warmup: Warmup,
    /// The seed of the order of visits.
    pub seed: u64,
}

/// How long to drive a stack before it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmup {
    Fixed(Duration),
    /// Until the load's own driver reports a steady state.
    Auto {
        /// The maximum. A stack that is not steady by then is measured with a warning.
        max: Duration,
    },
}

impl Warmup {
    #[must_use]
    pub fn max(self) -> Duration {
        match self {
            Warmup::Fixed(duration) | Warmup::Auto { max: duration } => duration,
        }
    }
}

impl Rounds {
    /// The maximum number of blocks, without those that replace invalid ones.
    #[must_use]
    pub fn max_blocks(&self) -> NonZeroU32 {
        self.looks.last().copied().unwrap_or(NonZeroU32::MIN)
    }
}
