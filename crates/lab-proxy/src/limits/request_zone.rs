//! `limit_req_zone`: leaky buckets, as nginx has them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::recent_map::RecentMap;
use super::registry::Registry;

/// nginx's estimate: an entry takes 128 bytes of the zone.
const ENTRY_BYTES: u64 = 128;

/// The buckets of a zone, by key. A bucket drains at the zone's rate; each request adds one.
#[derive(Debug)]
pub struct RequestZone {
    /// Thousandths of a request per second.
    rate: u64,
    buckets: Mutex<RecentMap<Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of a request beyond the rate.
    excess: u64,
    last: Instant,
}

/// Whether a request is within the limit, and how full its bucket is, in thousandths of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on, after a delay if the bucket has more than `delay`.
    Within {
        excess: u64,
    },
    Beyond {
        excess: u64,
    },
}

impl RequestZone {
    /// `rate` is in thousandths of a request per second, `size` in bytes.
    #[must_use]
    pub fn new(rate: u64, size: u64) -> RequestZone {
        let half = usize::try_from(size / ENTRY_BYTES).unwrap_or(usize::MAX);
        RequestZone { rate, buckets: Mutex::new(RecentMap::new(half)) }
    }

    /// As [`new`](RequestZone::new), but the same zone for the same parameters.
    #[must_use]
    pub fn shared(parameters: &str, rate: u64, size: u64) -> Arc<RequestZone> {
        static ZONES: Registry<RequestZone> = Registry::new();
        ZONES.find_or_add(parameters, || RequestZone::new(rate, size))
    }

    /// The bucket's state if a request were added. `burst` is in thousandths of a request. The bucket does not change,
    /// so that the request can be compared with several zones first.
    pub fn look(&self, key: &[u8], burst: u64, now: Instant) -> Verdict {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let excess = buckets.get(key).map_or(0, |bucket| self.excess(*bucket, now));
        if excess > burst { Verdict::Beyond { excess } } else { Verdict::Within { excess } }
    }

    /// As [`look`](RequestZone::look), and adds the request if it is within the limit.
    pub fn add(&self, key: &[u8], burst: u64, now: Instant) -> Verdict {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = buckets.get(key) else {
            // as in nginx: the first request leaves the bucket empty
            buckets.insert(key.into(), Bucket { excess: 0, last: now });
            return Verdict::Within { excess: 0 };
        };
        let excess = self.excess(*bucket, now);
        if excess > burst {
            return Verdict::Beyond { excess };
        }
        *bucket = Bucket { excess, last: now };
        Verdict::Within { excess }
    }

    fn excess(&self, bucket: Bucket, now: Instant) -> u64 {
        let elapsed = u64::try_from(now.saturating_duration_since(bucket.last).as_millis()).unwrap_or(u64::MAX);
        let drained = self.rate.saturating_mul(elapsed) / 1000;
        (bucket.excess + 1000).saturating_sub(drained)
    }

    /// How long it takes to drain the requests beyond `delay`.
    #[must_use]
    pub fn delay(&self, excess: u64, delay: u64) -> Duration {
        Duration::from_millis(excess.saturating_sub(delay).saturating_mul(1000) / self.rate.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_drain_at_the_rate() {
        let zone = RequestZone::new(1000, 1 << 20);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for (millis, burst, expected) in [
            (0, 0, Verdict::Within { excess: 0 }),
            (0, 0, Verdict::Beyond { excess: 1000 }),
            (400, 0, Verdict::Beyond { excess: 600 }),
            (1000, 0, Verdict::Within { excess: 0 }),
            (1000, 2000, Verdict::Within { excess: 1000 }),
            (1500, 2000, Verdict::Within { excess: 1500 }),
            (1500, 2000, Verdict::Beyond { excess: 2500 }),
            (60_000, 0, Verdict::Within { excess: 0 }),
        ] {
            assert_eq!(zone.look(b"a", burst, at(millis)), expected, "at {millis} ms");
            assert_eq!(zone.add(b"a", burst, at(millis)), expected, "at {millis} ms");
        }
        assert_eq!(zone.add(b"b", 0, at(0)), Verdict::Within { excess: 0 });
        assert_eq!(zone.delay(1500, 0), Duration::from_millis(1500));
        assert_eq!(zone.delay(1500, 1000), Duration::from_millis(500));
        assert_eq!(zone.delay(500, 1000), Duration::ZERO);
    }
}
