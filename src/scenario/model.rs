//! The validated scenario: what the rest of lab works with.
//!
//! Everything here has passed [`load`](super::load()): names are unique, references lead somewhere,
//! files exist, values are possible. No I/O: a value of these types can be built in a test as it is. What a driver is
//! given is the driver's own type, from [`lab_load::wire`].

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

mod check;
mod gate;
mod load;
mod quick;
mod stack;

pub use check::{
    AppField, Check, CheckRequest, Expectation, HeaderRule, Placeholder, Placeholders, SlowClients, SlowPart, TextRule,
    TextTemplate, TextTemplatePart, UpstreamExpectation,
};
pub use gate::{Against, Gate, Metric};
pub use load::{
    Arrival, ArrivalProcess, Driver, External, Extraction, Http, Load, OnErrors, OpenLoop, Rate, Step, StepExpectation,
    StepText, TextPiece, TimerKind, Tls, Trust, ValueSource,
};
pub use quick::Quick;
pub use stack::{App, Backend, Image, Proxy, Server, Stack, WsgiApp};

/// One scenario file, resolved.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The scenario's name; also the folder of its reports and the name of its snapshot.
    pub name: String,
    /// One line for people.
    pub title: Option<String>,
    /// The file this was read from.
    pub file: PathBuf,
    /// What relative paths in the file are relative to, and where `reports/` is.
    pub root: PathBuf,
    /// SHA-256 of the file's bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// What is served.
    pub app: App,
    /// Who serves it, in the file's order; never empty, and at most one is the reference.
    pub stacks: Vec<Stack>,
    /// Is it right?
    pub checks: Vec<Check>,
    /// How fast is it?
    pub loads: Vec<Load>,
    /// How often, and in which order.
    pub rounds: Rounds,
    /// Who runs where.
    pub placement: Placement,
    /// What is a change worth failing for.
    pub gate: Gate,
    /// Its short form, if it has one.
    pub quick: Option<Quick>,
    /// Whether this is the short form already.
    pub is_short: bool,
}

impl Scenario {
    /// The stack that ratios are against: the one marked `reference`, else the first that is measured and not known to be
    /// impossible.
    #[must_use]
    pub fn reference(&self) -> &Stack {
        let marked = self.stacks.iter().find(|stack| stack.reference);
        marked
            .or_else(|| self.stacks.iter().find(|stack| stack.measured && stack.is_possible()))
            .unwrap_or(&self.stacks[0])
    }

    /// Leaves the short form of it; false if it has none.
    pub fn apply_quick(&mut self) -> bool {
        let Some(quick) = &self.quick else { return false };
        if let Some(names) = &quick.loads {
            let is_left = |name: &String| names.contains(name);
            self.loads.retain(|load| is_left(&load.name) && load.validates.as_ref().is_none_or(is_left));
        }
        for load in &mut self.loads {
            quick.shorten(load);
        }
        self.rounds.looks = vec![quick.blocks];
        self.rounds.warmup = Warmup::Fixed(quick.warmup);
        self.is_short = true;
        true
    }

    /// The loads that stacks are ranked and gated by: those that cross-validate no other.
    pub fn ranked_loads(&self) -> impl Iterator<Item = &Load> {
        self.loads.iter().filter(|load| load.validates.is_none())
    }

    /// The names of the loads whose errors are counted and nothing more; those of cross-validation are, for whether their
    /// program is installed is no fact of the stacks.
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
    /// After how many blocks the run is looked at, ascending and never empty. It ends with the first look that leaves
    /// nothing undecided, and with the last in any case; `count = N` in the file is one look after N.
    pub looks: Vec<NonZeroU32>,
    /// Driven but not measured, before each measured window.
    pub warmup: Warmup,
    /// Seeds the order of visits.
    pub seed: u64,
}

/// How long a stack is driven before it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmup {
    /// Exactly so long.
    Fixed(Duration),
    /// Until its seconds are alike, by the evidence of the load's own driver.
    Auto {
        /// The longest it may take; what is not steady by then is measured all the same, and said to be unsteady.
        most: Duration,
    },
}

impl Warmup {
    /// The longest it may take.
    #[must_use]
    pub fn most(self) -> Duration {
        match self {
            Warmup::Fixed(duration) | Warmup::Auto { most: duration } => duration,
        }
    }
}

impl Rounds {
    /// The most blocks there may be, those that replace invalid ones apart.
    #[must_use]
    pub fn most(&self) -> NonZeroU32 {
        self.looks.last().copied().unwrap_or(NonZeroU32::MIN)
    }
}

/// Which cores stacks and drivers run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// Disjoint halves of the cores lab may use; unpinned where there is only one.
    Auto,
    /// As the file says: disjoint and not empty.
    Pinned {
        /// Cores of the load driver.
        load: Vec<u16>,
        /// Cores of every component of the stack.
        stack: Vec<u16>,
    },
}
