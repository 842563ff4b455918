//! A cache of the addresses of names that depend on the request. The system looks them up.
//!
//! Each worker has its own cache.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::clock;
use crate::config::upstream::resolver::Resolver;

#[derive(Debug, Default)]
pub(crate) struct ResolverCache {
    entries: RefCell<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    at: Instant,
    addresses: Vec<IpAddr>,
}

/// The cache is emptied at this size: clients can influence the names, and must not fill the memory.
const MAX_ENTRIES: usize = 1024;

impl ResolverCache {
    /// The addresses of a host, at least one, with a port.
    ///
    /// # Errors
    /// The reason for the error log, if there are none.
    pub(crate) async fn find(&self, host: &str, port: u16, resolver: Resolver) -> Result<Vec<SocketAddr>, String> {
        let cached = self.cached(host, resolver.valid);
        let addresses = match cached {
            Some(addresses) => addresses,
            None => {
                let looked_up = tokio::time::timeout(resolver.timeout, tokio::net::lookup_host((host, port))).await;
                let found = looked_up.map_err(|_| "110: Operation timed out".to_owned())?;
                let addresses: Vec<IpAddr> =
                    found.map_err(|error| error.to_string())?.map(|address| address.ip()).collect();
                self.store(host, addresses.clone());
                addresses
            }
        };
        let wanted = addresses.into_iter().filter(|address| resolver.ipv6 || address.is_ipv4());
        let wanted: Vec<SocketAddr> = wanted.map(|address| SocketAddr::new(address, port)).collect();
        if wanted.is_empty() { Err("3: Host not found".to_owned()) } else { Ok(wanted) }
    }

    fn cached(&self, host: &str, valid: Duration) -> Option<Vec<IpAddr>> {
        let entries = self.entries.borrow();
        let entry = entries.get(host).filter(|entry| clock::since(entry.at) < valid)?;
        Some(entry.addresses.clone())
    }

    fn store(&self, host: &str, addresses: Vec<IpAddr>) {
        let mut entries = self.entries.borrow_mut();
        if entries.len() >= MAX_ENTRIES {
            entries.clear();
        }
        entries.insert(host.to_owned(), Entry { at: clock::now(), addresses });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(ipv6: bool) -> Resolver {
        Resolver { timeout: Duration::from_secs(30), valid: Duration::from_secs(60), ipv6 }
    }

    #[tokio::test]
    async fn cached_addresses_are_filtered_by_family() {
        let cache = ResolverCache::default();
        let addresses = ["::1", "10.0.0.1"].map(|text| text.parse::<IpAddr>().unwrap());
        cache.store("no.such.name.invalid", addresses.to_vec());
        let found = cache.find("no.such.name.invalid", 80, rules(true)).await.unwrap();
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["[::1]:80", "10.0.0.1:80"]);
        let found = cache.find("no.such.name.invalid", 81, rules(false)).await.unwrap();
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.1:81"]);
        assert_eq!(cache.cached("no.such.name.invalid", Duration::ZERO), None);
    }

    #[test]
    fn cache_size_is_bounded() {
        let cache = ResolverCache::default();
        for number in 0..=MAX_ENTRIES {
            cache.store(&number.to_string(), Vec::new());
        }
        assert_eq!(cache.entries.borrow().len(), 1);
    }
}
