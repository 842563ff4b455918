//! Requests on their way to an upstream, so that others for the same key can wait for them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::digest::Digest;

/// The flights of a zone, by the digests of their keys.
#[derive(Debug, Default)]
pub struct Flights {
    open: Mutex<HashMap<Digest, OpenFlight>>,
}

#[derive(Debug)]
struct OpenFlight {
    begun: Instant,
    serial: u64,
    outcome: watch::Receiver<FlightOutcome>,
}

/// How a flight ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlightOutcome {
    /// It has not ended, or it ended without a response.
    #[default]
    None,
    /// Its response was stored.
    Stored,
    /// Its response may not be stored, so there is nothing to wait for.
    NotStorable,
}

/// What a request does about its key.
#[derive(Debug)]
pub enum FlightRole {
    /// It goes to the upstream, and others wait for it.
    Leader(Flight),
    /// Another one is on its way.
    Follower(Waiter),
}

/// A request that is on its way, until it is dropped.
#[derive(Debug)]
pub struct Flight {
    flights: Arc<Flights>,
    digest: Digest,
    serial: u64,
    outcome: watch::Sender<FlightOutcome>,
}

/// A request that waits for another one.
#[derive(Debug)]
pub struct Waiter {
    outcome: watch::Receiver<FlightOutcome>,
}

impl Flights {
    fn open(&self) -> MutexGuard<'_, HashMap<Digest, OpenFlight>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a flight, unless there is one that is at most `age` old.
    pub fn join(self: &Arc<Self>, digest: Digest, now: Instant, age: Duration) -> FlightRole {
        let mut open = self.open();
        let mut serial = 0;
        let entry = open.entry(digest);
        if let Entry::Occupied(entry) = &entry {
            let flight = entry.get();
            if now.saturating_duration_since(flight.begun) < age {
                return FlightRole::Follower(Waiter { outcome: flight.outcome.clone() });
            }
            serial = flight.serial + 1;
        }
        let (sender, outcome) = watch::channel(FlightOutcome::None);
        entry.insert_entry(OpenFlight { begun: now, serial, outcome });
        FlightRole::Leader(Flight { flights: Arc::clone(self), digest, serial, outcome: sender })
    }

    /// Whether a flight is open that is at most `age` old.
    #[must_use]
    pub fn is_open(&self, digest: Digest, now: Instant, age: Duration) -> bool {
        self.open().get(&digest).is_some_and(|flight| now.saturating_duration_since(flight.begun) < age)
    }
}

impl Flight {
    /// Ends the flight.
    pub fn finish(self, outcome: FlightOutcome) {
        // nobody may be waiting
        _ = self.outcome.send(outcome);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut open = self.flights.open();
        // a flight that took too long was replaced by another one
        if open.get(&self.digest).is_some_and(|flight| flight.serial == self.serial) {
            open.remove(&self.digest);
        }
    }
}

impl Waiter {
    /// Waits until the flight has ended.
    pub async fn outcome(mut self) -> FlightOutcome {
        // an error means that the flight was dropped without an outcome
        _ = self.outcome.changed().await;
        *self.outcome.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(5);

    fn leader(boarding: FlightRole) -> Flight {
        let FlightRole::Leader(flight) = boarding else { panic!("a follower") };
        flight
    }

    fn follower(boarding: FlightRole) -> Waiter {
        let FlightRole::Follower(waiter) = boarding else { panic!("a leader") };
        waiter
    }

    #[tokio::test]
    async fn followers_learn_how_the_flight_ended() {
        let flights = Arc::new(Flights::default());
        let (now, digest) = (Instant::now(), Digest::of_key(b"a"));
        for outcome in [FlightOutcome::Stored, FlightOutcome::NotStorable] {
            let flight = leader(flights.join(digest, now, AGE));
            let waiters = [(); 3].map(|()| follower(flights.join(digest, now, AGE)));
            leader(flights.join(Digest::of_key(b"b"), now, AGE));
            assert!(flights.is_open(digest, now, AGE));
            flight.finish(outcome);
            for waiter in waiters {
                assert_eq!(waiter.outcome().await, outcome);
            }
            assert!(!flights.is_open(digest, now, AGE));
        }
        let flight = leader(flights.join(digest, now, AGE));
        let waiter = follower(flights.join(digest, now, AGE));
        drop(flight);
        assert_eq!(waiter.outcome().await, FlightOutcome::None);
    }

    #[tokio::test]
    async fn old_flight_gets_a_successor() {
        let flights = Arc::new(Flights::default());
        let (now, digest) = (Instant::now(), Digest::of_key(b"a"));
        let first = leader(flights.join(digest, now, AGE));
        let second = leader(flights.join(digest, now + AGE, AGE));
        drop(first);
        let waiter = follower(flights.join(digest, now + AGE, AGE));
        second.finish(FlightOutcome::Stored);
        assert_eq!(waiter.outcome().await, FlightOutcome::Stored);
    }
}
