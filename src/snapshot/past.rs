//! The past of a scenario's stacks: their figures in the accepted sessions of one machine.
//!
//! A stack's past starts with its last change point, as `lab history` shows it: figures from before an accepted change are
//! no measure of today's. It is short enough that an old machine's slow drift does not matter.

use std::collections::BTreeMap;

use super::history::{History, HistoryError};
use super::ratios::load_description;
use crate::record::SessionLine;
use crate::scenario::model::{Load, PastSessions, Scenario};
use lab_stats::change_points::{SEED, SIGNIFICANCE, change_points};

/// The newest sessions of a machine that are used.
const MAX_SESSIONS: usize = 30;

/// The figures of the metrics with a margin.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// The natural logarithms of the figures by load, stack and metric, in the order of the sessions.
    levels: BTreeMap<(String, String, String), Vec<f64>>,
}

impl Past {
    /// Reads the past on the machine with this fingerprint. It is empty where no margin needs it.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn read(scenario: &Scenario, history: &History, machine: &str) -> Result<Past, HistoryError> {
        if scenario.gate.margins.is_empty() || !scenario.gate.uses_past {
            return Ok(Past::default());
        }
        Ok(Past::new(scenario, &history.read(&scenario.name)?, machine))
    }

    /// The past in `sessions`, which are in the order of their ends.
    #[must_use]
    pub fn new(scenario: &Scenario, sessions: &[SessionLine], machine: &str) -> Past {
        let mut own: Vec<&SessionLine> = sessions.iter().filter(|session| session.machine == machine).collect();
        own.drain(..own.len().saturating_sub(MAX_SESSIONS));
        let mut levels: BTreeMap<(String, String, String), Vec<f64>> = BTreeMap::new();
        for session in own {
            for load in scenario.ranked_loads().filter(|load| is_same_load(session, scenario, load)) {
                for figure in session.figures.iter().filter(|figure| figure.load == load.name) {
                    let has_margin = scenario.gate.margins.keys().any(|metric| metric.name() == figure.metric);
                    if has_margin && figure.value > 0.0 {
                        let key = (figure.load.clone(), figure.stack.clone(), figure.metric.clone());
                        levels.entry(key).or_default().push(figure.value.ln());
                    }
                }
            }
        }
        for values in levels.values_mut() {
            let changes = change_points(values, SIGNIFICANCE, SEED);
            values.drain(..changes.last().map_or(0, |change| change.index));
        }
        Past { levels }
    }

    /// The logarithms of a metric's figures since its level last changed.
    #[must_use]
    pub fn levels(&self, load: &str, stack: &str, metric: &str) -> &[f64] {
        let key = (load.to_owned(), stack.to_owned(), metric.to_owned());
        self.levels.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The sessions of the longest series.
    #[must_use]
    pub fn sessions(&self) -> PastSessions {
        PastSessions(self.levels.values().map(Vec::len).max().unwrap_or(0))
    }
}

/// Whether a session drove the stacks as today's load does. Old lines do not describe their loads.
fn is_same_load(session: &SessionLine, scenario: &Scenario, load: &Load) -> bool {
    match session.loads.get(&load.name) {
        Some(description) => *description == load_description(load),
        None => session.loads.is_empty() && session.scenario_sha256 == scenario.sha256,
    }
}
