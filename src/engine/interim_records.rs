//! Interim records: what a run has established so far, for observers that show it while it goes on.

use jiff::Timestamp;

use super::Findings;
use super::checks::compare_stacks;
use super::estimates::estimates;
use super::run_mode::RunMode;
use super::run_record::record;
use crate::event::{RunEvent, RunObserver};
use crate::record::{FloorWarning, Provenance, Record, RoundRecord, StackRecord, rfc3339};
use crate::scenario::model::{Scenario, Volatile};
use crate::snapshot::failures::count_failures;

/// Collects the stacks and rounds of a run, and passes every event on to `next`.
pub(super) struct InterimRecords<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) mode: RunMode,
    pub(super) provenance: Provenance,
    pub(super) below_noise_floor: Option<Vec<FloorWarning>>,
    pub(super) stacks: Vec<StackRecord>,
    /// Those of the interrupted run first, if one is continued.
    pub(super) rounds: Vec<RoundRecord>,
    pub(super) next: &'a mut dyn RunObserver,
}

impl InterimRecords<'_> {
    /// Keeps what an event adds to the record. Returns whether it adds anything.
    fn add(&mut self, event: &RunEvent<'_>) -> bool {
        match event {
            RunEvent::StackChecked { stack } => {
                let stack = StackRecord::clone(stack);
                match self.stacks.iter_mut().find(|known| known.name == stack.name) {
                    Some(known) => *known = stack,
                    None => self.stacks.push(stack),
                }
                true
            }
            // The second sample only decides about the gate, whose verdicts come at the end.
            RunEvent::RoundEnded { round } if !round.confirms => {
                self.rounds.push(RoundRecord::clone(round));
                true
            }
            _ => false,
        }
    }

    /// Without a comparison with snapshots: it takes the whole run.
    fn record(&self) -> Record {
        let InterimRecords { scenario, mode, stacks, rounds, .. } = self;
        let findings = Findings {
            stacks: stacks.clone(),
            differences: compare_stacks(scenario, stacks),
            varying: Volatile::default(),
            rounds: rounds.clone(),
            looks_made: 0,
            confirmation: None,
        };
        let provenance = Provenance { ended: rfc3339(Timestamp::now()), ..self.provenance.clone() };
        let results = (estimates(scenario, rounds), count_failures(scenario, stacks, rounds));
        let record = record(scenario, *mode, provenance, findings, results);
        Record { below_noise_floor: self.below_noise_floor.clone(), ..record }
    }
}

impl RunObserver for InterimRecords<'_> {
    fn on_event(&mut self, event: &RunEvent<'_>) {
        if self.next.wants_interim_records() && self.add(event) {
            let record = self.record();
            self.next.on_interim_record(&record);
        }
        self.next.on_event(event);
    }
}
