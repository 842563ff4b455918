//! The clock of one agent: the questions for its readings, in batches, and the readings in the responses.

use std::time::Duration;

use lab_stats::clock::{ClockError, ClockModel, OffsetReading, RoundTrip};

/// The round trips of a batch; the shortest one counts.
pub(super) const BATCH: usize = 16;

/// The readings of an agent's clock so far.
#[derive(Debug, Default)]
pub(super) struct AgentClock {
    /// The number of the last question.
    number: u64,
    /// When the last question was sent, until its response arrives.
    pending: Option<Duration>,
    /// The round trips of the batch that is under way; `None` between batches.
    batch: Option<Vec<RoundTrip>>,
    readings: Vec<OffsetReading>,
    longest_trip: Duration,
}

/// A response to no question.
#[derive(Debug)]
pub(super) struct UnexpectedReading;

impl AgentClock {
    /// Begins a batch, unless one is under way. Returns the number of the question to send.
    pub(super) fn begin(&mut self, now: Duration) -> Option<u64> {
        if self.batch.is_some() {
            return None;
        }
        self.batch = Some(Vec::with_capacity(BATCH));
        Some(self.next_question(now))
    }

    /// Takes a response. Returns the number of the next question, or `None` at the end of the batch.
    pub(super) fn on_reading(
        &mut self,
        now: Duration,
        number: u64,
        read_ns: u64,
    ) -> Result<Option<u64>, UnexpectedReading> {
        let (Some(batch), Some(sent), true) = (&mut self.batch, self.pending, number == self.number) else {
            return Err(UnexpectedReading);
        };
        self.pending = None;
        self.longest_trip = self.longest_trip.max(now.saturating_sub(sent));
        batch.push(RoundTrip { sent, received: now, read: Duration::from_nanos(read_ns) });
        if batch.len() < BATCH {
            return Ok(Some(self.next_question(now)));
        }
        self.readings.extend(OffsetReading::from_round_trips(batch));
        self.batch = None;
        Ok(None)
    }

    fn next_question(&mut self, now: Duration) -> u64 {
        self.pending = Some(now);
        self.number += 1;
        self.number
    }

    /// When the question was sent that has no response yet.
    pub(super) fn pending_since(&self) -> Option<Duration> {
        self.pending
    }

    pub(super) fn is_idle(&self) -> bool {
        self.batch.is_none()
    }

    /// The number of complete batches.
    pub(super) fn batches(&self) -> usize {
        self.readings.len()
    }

    /// The last reading.
    pub(super) fn latest(&self) -> Option<&OffsetReading> {
        self.readings.last()
    }

    pub(super) fn longest_trip(&self) -> Duration {
        self.longest_trip
    }

    pub(super) fn model(&self) -> Result<ClockModel, ClockError> {
        ClockModel::new(self.readings.clone())
    }
}
