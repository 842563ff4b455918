//! Clients that send an ordinary request again and again. Each must have its response.

use std::io;
use std::time::Instant;

use super::Schedule;
use super::site::Site;
use crate::serve::traffic::{Client, TRAFFICS, Traffic};

#[derive(Debug)]
pub(super) struct Canary {
    pub(super) name: String,
    client: Client,
    traffic: Traffic,
    pub(super) responses: u64,
    /// When a request was lost, in seconds from the start, and how.
    pub(super) lost: Vec<(f64, io::Error)>,
}

impl Canary {
    fn new(place: &str, address: &str, prefix: &str, traffic: Traffic) -> Canary {
        let method = if traffic.is_post { "POST" } else { "GET" };
        let connections = if traffic.is_kept_alive { "kept connection" } else { "new connections" };
        Canary {
            name: format!("{method} {place}, {connections}"),
            client: Client::below(address, prefix, traffic),
            traffic,
            responses: 0,
            lost: Vec::new(),
        }
    }

    pub(super) fn all(site: &Site) -> Vec<Canary> {
        let mut canaries: Vec<Canary> =
            TRAFFICS.iter().map(|&traffic| Canary::new("without a proxy", &site.stable.address, "", traffic)).collect();
        for (program, proxy) in &site.proxies {
            let (place, address) = (format!("behind {program:?}"), proxy.address.to_string());
            canaries.extend(TRAFFICS.iter().map(|&traffic| Canary::new(&place, &address, "", traffic)));
            // A proxy sends a GET to the next server when a worker crashes with it, but no POST (RFC 9110 §9.2.2).
            let place = format!("{place} where workers crash");
            let gets = TRAFFICS.iter().filter(|traffic| !traffic.is_post);
            canaries.extend(gets.map(|&traffic| Canary::new(&place, &address, "/crashing", traffic)));
        }
        canaries
    }

    pub(super) fn run(mut self, schedule: &Schedule) -> Canary {
        let started = Instant::now();
        let expected: &[u8] = if self.traffic.is_post { b"Hello" } else { b"Pong!" };
        while !schedule.is_over() {
            let exchanged = self.client.exchange().and_then(|content| match content == expected {
                true => Ok(()),
                false => Err(io::Error::other(format!("other content: {}", content.escape_ascii()))),
            });
            match exchanged {
                Ok(()) => self.responses += 1,
                Err(error) => self.lost.push((started.elapsed().as_secs_f64(), error)),
            }
            std::thread::sleep(schedule.pause);
        }
        self
    }

    /// A line for each lost request.
    pub(super) fn losses(&self) -> impl Iterator<Item = String> {
        self.lost.iter().map(|(seconds, error)| format!("after {seconds:.3} s, {}: {error}", self.name))
    }
}
