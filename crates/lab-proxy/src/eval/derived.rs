//! Evaluates `geo` and `split_clients`.

use std::net::IpAddr;

use super::Scope;
use crate::config::derived::DerivedVariable;
use crate::config::geo::Geo;

impl DerivedVariable {
    /// Appends the value for a request.
    pub fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        match self {
            DerivedVariable::Map(map) => map.write(scope, out),
            DerivedVariable::Geo(geo) => out.extend_from_slice(geo.find(geo.address(scope)).as_bytes()),
            DerivedVariable::SplitClients(clients) => {
                out.extend_from_slice(clients.find(&clients.source.value(scope)).unwrap_or_default().as_bytes());
            }
        }
    }
}

impl Geo {
    /// The address whose value is looked up. A trusted proxy names it in `X-Forwarded-For`.
    fn address(&self, scope: &Scope<'_>) -> Option<IpAddr> {
        if let Some(source) = &self.source {
            return std::str::from_utf8(&source.value(scope)).ok()?.parse().ok();
        }
        let is_proxy = |address: Option<IpAddr>| self.proxies.iter().any(|network| network.contains(address));
        let mut address = scope.client_ip();
        let Some(request) = scope.request.filter(|_| !self.proxies.is_empty()) else { return address };
        let lines: Vec<&[u8]> = request.head.headers.get_all("x-forwarded-for").collect();
        let words = lines.iter().rev().flat_map(|line| line.rsplit(|byte| matches!(byte, b' ' | b',')));
        for word in words.filter(|word| !word.is_empty()) {
            let named = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
            if !is_proxy(address) || named.is_none() {
                break;
            }
            address = named;
            if !self.is_recursive {
                break;
            }
        }
        address
    }
}
