//! The rounds of a run: the order of visits, and when the run ends.

use std::collections::BTreeMap;

use super::backend::Backend;
use super::blocks::{BlockPlan, with_repeats};
use super::hopeless;
use super::resume;
use super::round::{Round, run_round};
use crate::event::{RunEvent, RunObserver};
use crate::record::{RoundOutcome, RoundRecord, StackRecord};
use crate::scenario::model::{Load, Rounds, Scenario, Stack};
use lab_stats::blocks::{Visit, schedule};

/// One sample of rounds.
pub(super) struct Sample<'a> {
    /// Its rounds that an interrupted run has finished, in order.
    pub(super) earlier: Vec<RoundRecord>,
    /// Whether everything is decided, given all its rounds so far and the number of looks made.
    pub(super) is_decided: &'a mut dyn FnMut(&[RoundRecord], usize) -> bool,
    /// Whether it is the second sample of a run.
    pub(super) confirms: bool,
}

/// Visits every measured stack that passed its checks under every load, block by block, until a look leaves nothing
/// undecided or all looks are made. Returns every round and the number of looks made.
pub(super) async fn run_rounds<B: Backend>(
    scenario: &Scenario,
    stacks: &[StackRecord],
    sample: Sample<'_>,
    backend: &mut B,
    observer: &mut dyn RunObserver,
) -> (Vec<RoundRecord>, usize) {
    let measured = measured_stacks(scenario, stacks);
    let looks: Vec<u32> = scenario.rounds.looks.iter().map(|look| look.get()).collect();
    let blocks = with_repeats(scenario.rounds.max_blocks().get());
    let visits = schedule(measured.len(), scenario.loads.len(), blocks, scenario.rounds.seed);
    let mut rounds = RoundLoop::new(scenario, measured, &looks, backend, observer);
    rounds.confirms = sample.confirms;
    rounds.resume(sample.earlier);
    for (index, visit) in visits.iter().enumerate() {
        rounds.visit(visit).await;
        let next = visits.get(index + 1);
        if next.is_none_or(|next| (next.block, next.load) != (visit.block, visit.load)) {
            rounds.retry(visit).await;
        }
        if next.is_none_or(|next| next.block != visit.block) && rounds.look(visit.block + 1, sample.is_decided) {
            break;
        }
    }
    (rounds.rounds, rounds.looks_made)
}

/// The stacks to measure: those that passed their checks. In a comparison, pairs: the base of a stack need not pass the
/// checks of today, and neither is measured without the other.
fn measured_stacks<'a>(scenario: &'a Scenario, stacks: &[StackRecord]) -> Vec<&'a Stack> {
    let record = |stack: &Stack| stacks.iter().find(|record| record.name == stack.name);
    let has_passed = |stack: &Stack| record(stack).is_some_and(StackRecord::passed);
    let has_run = |stack: &Stack| record(stack).is_some_and(StackRecord::has_run);
    let is_sound = |stack: &&Stack| match &scenario.comparison {
        None => has_passed(stack),
        Some(_) => {
            let head = scenario.stacks.iter().find(|head| match stack.is_base() {
                true => scenario.reference_of(head).is_some_and(|base| base.name == stack.name),
                false => head.name == stack.name,
            });
            head.is_some_and(|head| has_passed(head) && scenario.reference_of(head).is_some_and(has_run))
        }
    };
    scenario.stacks.iter().filter(|stack| stack.measured).filter(is_sound).collect()
}

/// A stack's name and that of its reference, if both are among `stacks`.
fn reference_among<'a>(stacks: &[&'a Stack], scenario: &'a Scenario, stack: &'a Stack) -> Option<(&'a str, &'a str)> {
    let reference = scenario.reference_of(stack)?;
    stacks.iter().any(|one| one.name == reference.name).then_some((&*stack.name, &*reference.name))
}

/// The state of the loop over all rounds.
struct RoundLoop<'a, B: Backend> {
    scenario: &'a Scenario,
    stacks: Vec<&'a Stack>,
    blocks: BlockPlan<'a>,
    /// The missing program of a load's driver, by load.
    missing_drivers: BTreeMap<&'a str, String>,
    rounds: Vec<RoundRecord>,
    looks_made: usize,
    /// The stacks whose round of this block and load failed or is invalid. They are retried in the same block.
    retries: Vec<&'a Stack>,
    /// Whether this is the second sample of a run.
    confirms: bool,
    backend: &'a mut B,
    observer: &'a mut dyn RunObserver,
}

impl<'a, B: Backend> RoundLoop<'a, B> {
    fn new(
        scenario: &'a Scenario,
        stacks: Vec<&'a Stack>,
        looks: &'a [u32],
        backend: &'a mut B,
        observer: &'a mut dyn RunObserver,
    ) -> RoundLoop<'a, B> {
        let missing = |load: &'a Load| Some((load.name.as_str(), backend.missing_driver(load)?));
        let missing_drivers: BTreeMap<&str, String> = scenario.loads.iter().filter_map(missing).collect();
        let is_drivable = |load: &&Load| !missing_drivers.contains_key(load.name.as_str());
        let blocks = BlockPlan {
            stacks: stacks.iter().map(|stack| stack.name.as_str()).collect(),
            references: stacks.iter().copied().filter_map(|stack| reference_among(&stacks, scenario, stack)).collect(),
            loads: scenario.loads.iter().filter(is_drivable).collect(),
            looks,
        };
        RoundLoop {
            scenario,
            stacks,
            blocks,
            missing_drivers,
            rounds: Vec::new(),
            looks_made: 0,
            retries: Vec::new(),
            confirms: false,
            backend,
            observer,
        }
    }

    /// Continues with the rounds of an interrupted run.
    fn resume(&mut self, earlier: Vec<RoundRecord>) {
        self.rounds = resume::continued(earlier, &self.blocks);
        let visits = self.visits_before(self.blocks.looks[0]);
        self.observer.on_event(&RunEvent::RoundsPlanned { visits, made: self.rounds.len() });
    }

    /// The planned visits before the look after `look` blocks.
    fn visits_before(&self, look: u32) -> usize {
        let driven = |load: &Load| self.stacks.iter().filter(|stack| load.drives(&stack.name)).count();
        self.blocks.loads.iter().map(|load| driven(load) * load.blocks_of(look) as usize).sum()
    }

    /// Runs the round of a visit if it is planned. A visit that is left out does not change the random order of the
    /// others.
    async fn visit(&mut self, visit: &Visit) {
        let (load, stack) = (&self.scenario.loads[visit.load], self.stacks[visit.stack]);
        if !load.drives(&stack.name) || self.is_made(visit.block, load, stack) {
            return;
        }
        if let Some(missing) = self.missing_drivers.get(load.name.as_str()) {
            // Recorded once: the driver will be missing in the next block as well.
            if visit.block == 0 {
                let outcome = RoundOutcome::Unavailable { missing: missing.clone() };
                let (load, stack) = (load.name.clone(), stack.name.clone());
                let confirms = self.confirms;
                self.rounds.push(RoundRecord { block: visit.block, load, stack, confirms, outcome });
            }
            return;
        }
        let look = self.blocks.looks[self.looks_made];
        if self.blocks.is_planned(&self.rounds, load, visit.block, &stack.name, look)
            && !resume::is_cut(&self.rounds, &load.name, visit.block)
        {
            let round = self.run_round(visit.block, load, stack, false).await;
            let is_valid = round.valid().is_some();
            self.rounds.push(round);
            if !self.gives_up(load, stack) && !is_valid {
                self.retries.push(stack);
            }
        }
    }

    /// Repeats the rounds of a block and load that failed or were invalid.
    async fn retry(&mut self, last: &Visit) {
        let load = &self.scenario.loads[last.load];
        for stack in std::mem::take(&mut self.retries) {
            let round = self.run_round(last.block, load, stack, true).await;
            self.rounds.push(round);
            self.gives_up(load, stack);
        }
    }

    /// Whether the last round has shown that the stack cannot serve the load. Then this is recorded with it.
    fn gives_up(&mut self, load: &Load, stack: &Stack) -> bool {
        let Some(reason) = hopeless::reason(&self.rounds, &load.name, &stack.name) else { return false };
        let error = format!("the load {} ends for this stack: {}", load.name, reason.message);
        self.observer.on_event(&RunEvent::Failed { stack: &stack.name, error: &error });
        if let Some(round) = self.rounds.last_mut() {
            hopeless::give_up(round);
        }
        true
    }

    /// Looks at the rounds if a look is due after `blocks` blocks. Returns whether the run is over.
    fn look(&mut self, blocks: u32, is_decided: &mut dyn FnMut(&[RoundRecord], usize) -> bool) -> bool {
        while self.blocks.is_due(&self.rounds, blocks, self.blocks.looks[self.looks_made]) {
            let last = self.blocks.looks[self.looks_made];
            self.looks_made += 1;
            let look = self.looks_made;
            let Some(next) = self.blocks.looks.get(look) else { return true };
            if is_decided(&self.rounds, look) {
                return true;
            }
            let visits = self.visits_before(*next) - self.visits_before(last);
            self.observer.on_event(&RunEvent::MoreRoundsPlanned { look, visits });
        }
        false
    }

    fn is_made(&self, block: u32, load: &Load, stack: &Stack) -> bool {
        let is_same =
            |round: &RoundRecord| round.block == block && round.load == load.name && round.stack == stack.name;
        self.rounds.iter().any(is_same)
    }

    async fn run_round(&mut self, block: u32, load: &Load, stack: &Stack, is_retry: bool) -> RoundRecord {
        let Rounds { warmup, .. } = self.scenario.rounds;
        let round = Round { block, load, stack, is_retry, confirms: self.confirms, warmup };
        run_round(round, self.backend, self.observer).await
    }
}
