//! Records of a run that goes on.

use std::collections::BTreeMap;

use super::super::interim_records::InterimRecords;
use super::super::run_mode::RunMode;
use super::*;
use crate::event::{RunEvent, RunObserver};
use crate::measure::machine::Machine;
use crate::record::{Provenance, Record};

/// Keeps every interim record, and the number of events.
#[derive(Default)]
struct Collector {
    records: Vec<Record>,
    events: usize,
}

impl RunObserver for Collector {
    fn on_event(&mut self, _event: &RunEvent<'_>) {
        self.events += 1;
    }

    fn wants_interim_records(&self) -> bool {
        true
    }

    fn on_interim_record(&mut self, record: &Record) {
        self.records.push(record.clone());
    }
}

fn provenance() -> Provenance {
    Provenance {
        run: "run".to_owned(),
        started: String::new(),
        resumed: Vec::new(),
        ended: String::new(),
        command: Vec::new(),
        lab: String::new(),
        scenario: "s".to_owned(),
        title: None,
        is_short: false,
        file: String::new(),
        sha256: String::new(),
        configurations: BTreeMap::new(),
        seed: 2011,
        load_cores: Vec::new(),
        stack_cores: Vec::new(),
        machine: Machine {
            kernel: String::new(),
            cpu: String::new(),
            cores: 2,
            memory_bytes: 1,
            governor: None,
            nodes: Vec::new(),
        },
        paths: Vec::new(),
    }
}

#[test]
fn interim_records_grow_into_the_findings() {
    let scenario = scenario(6);
    let mut fake = fake();
    let mut collector = Collector::default();
    let mut observer = InterimRecords {
        scenario: &scenario,
        mode: RunMode::Measure,
        provenance: provenance(),
        below_noise_floor: None,
        stacks: Vec::new(),
        rounds: Vec::new(),
        next: &mut collector,
    };
    let plan = RunPlan {
        checks_only: false,
        repeats_checks: true,
        earlier: Vec::new(),
        is_decided: &mut |_, _| false,
        confirmation: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let findings = runtime.block_on(run(&scenario, plan, &mut fake, &mut observer));
    // Both stacks are checked twice, and driven six times.
    let rounds: Vec<usize> = collector.records.iter().map(|record| record.rounds.len()).collect();
    assert_eq!(rounds, [vec![0; 4], (1..=12).collect()].concat());
    let stacks: Vec<usize> = collector.records.iter().map(|record| record.stacks.len()).collect();
    assert_eq!(stacks[..4], [1, 2, 2, 2]);
    assert!(collector.events > collector.records.len(), "every event is passed on");
    let last = collector.records.last().unwrap();
    assert_eq!(last.estimates, estimates(&scenario, &findings.rounds));
    assert_eq!(last.rankings, rankings(&scenario, &findings.rounds));
    assert_eq!(last.differences.len(), findings.differences.len());
}
