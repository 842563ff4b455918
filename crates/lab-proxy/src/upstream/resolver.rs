//! Names of upstreams that are only known when a request comes: looked up by the system, and remembered for a while.
//!
//! A worker has its own memory of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::config::upstream::resolver::Resolver;
use crate::runtime::clock;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Names {
    found: RefCell<HashMap<String, Found>>,
}

#[derive(Debug)]
struct Found {
    at: Instant,
    addresses: Vec<IpAddr>,
}

/// Clients may have a say in the names, and shall not fill the memory with them.
const MOST: usize = 1024;

impl Names {
    /// The addresses of a host, with a port; never none.
    ///
    /// # Errors
    /// Why there are none, in words for the error log.
    pub(crate) async fn find(&self, host: &str, port: u16, rules: Resolver) -> Result<Vec<SocketAddr>, String> {
        let remembered = self.recall(host, rules.valid);
        let addresses = match remembered {
            Some(addresses) => addresses,
            None => {
                let looked_up = tokio::time::timeout(rules.timeout, tokio::net::lookup_host((host, port))).await;
                let found = looked_up.map_err(|_| "110: Operation timed out".to_owned())?;
                let addresses: Vec<IpAddr> =
                    found.map_err(|error| error.to_string())?.map(|address| address.ip()).collect();
                self.remember(host, addresses.clone());
                addresses
            }
        };
        let wanted = addresses.into_iter().filter(|address| rules.ipv6 || address.is_ipv4());
        let wanted: Vec<SocketAddr> = wanted.map(|address| SocketAddr::new(address, port)).collect();
        if wanted.is_empty() { Err("3: Host not found".to_owned()) } else { Ok(wanted) }
    }

    fn recall(&self, host: &str, valid: Duration) -> Option<Vec<IpAddr>> {
        let found = self.found.borrow();
        let found = found.get(host).filter(|found| clock::since(found.at) < valid)?;
        Some(found.addresses.clone())
    }

    fn remember(&self, host: &str, addresses: Vec<IpAddr>) {
        let mut found = self.found.borrow_mut();
        if found.len() >= MOST {
            found.clear();
        }
        found.insert(host.to_owned(), Found { at: clock::now(), addresses });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(ipv6: bool) -> Resolver {
        Resolver { timeout: Duration::from_secs(30), valid: Duration::from_secs(60), ipv6 }
    }

    #[tokio::test]
    async fn what_was_found_is_remembered_and_only_what_is_wanted_of_it_used() {
        let names = Names::default();
        let addresses = ["::1", "10.0.0.1"].map(|text| text.parse::<IpAddr>().unwrap());
        names.remember("no.such.name.invalid", addresses.to_vec());
        let found = names.find("no.such.name.invalid", 80, rules(true)).await.unwrap();
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[::1]:80", "10.0.0.1:80"]);
        let found = names.find("no.such.name.invalid", 81, rules(false)).await.unwrap();
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.1:81"]);
        assert_eq!(names.recall("no.such.name.invalid", Duration::ZERO), None);
    }

    #[test]
    fn clients_cannot_fill_the_memory() {
        let names = Names::default();
        for number in 0..=MOST {
            names.remember(&number.to_string(), Vec::new());
        }
        assert_eq!(names.found.borrow().len(), 1);
    }
}
