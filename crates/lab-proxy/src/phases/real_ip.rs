//! The real ip module: a trusted peer may name the client's address.

use std::net::{IpAddr, SocketAddr};

use super::Phases;
use crate::config::location::real_ip::{ClientAddressSource, RealIp};
use crate::routing::route::{ClientAddress, Route};

/// Finds the client's address, once for each request.
pub(super) fn apply(phases: &Phases<'_, '_>, route: &mut Route<'_>) {
    let rules = &route.location.config.real_ip;
    if rules.trusted.is_empty() || route.client.is_some() {
        return;
    }
    let peer = phases.connection.peer;
    let client_address = match &rules.source {
        ClientAddressSource::ProxyProtocol => {
            let Some(announced) = phases.connection.announced else { return };
            // as in nginx: the address is treated like one in a field, and the port is the one of the PROXY header
            let named = client(rules, peer, &[announced.source.ip().to_string().as_bytes()]);
            named.filter(|named| Some(*named) != peer).map(|named| SocketAddr::new(named.ip(), announced.source.port()))
        }
        ClientAddressSource::Field(name) => {
            // as in nginx: all lines of X-Forwarded-For count, and the first line of any other field
            let is_list = name.eq_ignore_ascii_case("X-Forwarded-For");
            let lines = phases.request.head.headers.get_all(name).take(if is_list { usize::MAX } else { 1 });
            client(rules, peer, &lines.collect::<Vec<_>>())
        }
    };
    if let Some(client) = client_address.filter(|_| client_address != peer) {
        route.client = Some(ClientAddress { ip: client.ip(), port: client.port(), text: client.ip().to_string() });
    }
}

/// Finds the client's address in the lines: the last address or, if recursive, the last one that is not trusted. An
/// address is only used if the peer that named it is trusted. An invalid word ends the search.
///
/// `peer` is none on a unix socket.
fn client(rules: &RealIp, peer: Option<SocketAddr>, lines: &[&[u8]]) -> Option<SocketAddr> {
    let is_trusted = |address: Option<SocketAddr>| {
        rules.trusted.iter().any(|network| network.contains(address.map(|address| address.ip())))
    };
    let mut client = peer;
    let separated = |byte: &u8| matches!(byte, b' ' | b',');
    let words = lines.iter().rev().flat_map(|line| line.rsplit(separated)).filter(|word| !word.is_empty());
    for word in words {
        if !is_trusted(client) {
            break;
        }
        let Some(named) = address(word) else { break };
        client = Some(named);
        if !rules.is_recursive {
            break;
        }
    }
    client
}

/// Parses an address with or without a port.
fn address(word: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(word).ok()?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = || bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, 0));
    ip().or_else(|| text.parse::<SocketAddr>().ok())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::network::Network;

    fn rules(networks: &[&str], is_recursive: bool) -> RealIp {
        let read = |network: &&str| {
            let text = format!("set_real_ip_from {network};");
            let tree = lab_nginx_conf::parse(&text, Path::new("c")).unwrap();
            Network::read(&tree[0]).unwrap()
        };
        RealIp {
            trusted: networks.iter().flat_map(read).collect(),
            source: ClientAddressSource::ProxyProtocol,
            is_recursive,
        }
    }

    #[test]
    fn trusted_peers_name_the_client() {
        let peer: SocketAddr = "10.0.0.1:9".parse().unwrap();
        for (networks, recursive, lines, expected) in [
            (&["10.0.0.0/8"][..], false, &["1.2.3.4"][..], "1.2.3.4:0"),
            (&["10.0.0.0/8"], false, &["1.2.3.4, 5.6.7.8"], "5.6.7.8:0"),
            (&["10.0.0.0/8"], false, &["1.2.3.4", "5.6.7.8"], "5.6.7.8:0"),
            (&["11.0.0.0/8"], false, &["1.2.3.4"], "10.0.0.1:9"),
            (&["10.0.0.0/8"], true, &["1.2.3.4, 5.6.7.8, 10.0.0.2"], "5.6.7.8:0"),
            (&["10.0.0.0/8"], true, &["1.2.3.4", "10.0.0.3,10.0.0.2"], "1.2.3.4:0"),
            (&["10.0.0.0/8"], true, &["10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
            (&["10.0.0.0/8"], true, &["junk, 10.0.0.2"], "10.0.0.2:0"),
            (&["10.0.0.0/8"], false, &["unknown"], "10.0.0.1:9"),
            (&["10.0.0.0/8"], false, &["1.2.3.4:77"], "1.2.3.4:77"),
            (&["10.0.0.0/8"], false, &["[fd00::1]:77"], "[fd00::1]:77"),
            (&["10.0.0.0/8"], false, &["fd00::1"], "[fd00::1]:0"),
            (&["10.0.0.0/8"], false, &[" , "], "10.0.0.1:9"),
        ] {
            let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            let found = client(&rules(networks, recursive), Some(peer), &lines).unwrap();
            assert_eq!(found.to_string(), expected, "{networks:?} {recursive} {lines:?}");
        }
        assert_eq!(client(&rules(&["10.0.0.0/8"], true), None, &[b"1.2.3.4"]), None);
        let found = client(&rules(&["unix:", "10.0.0.0/8"], true), None, &[b"1.2.3.4, 10.0.0.2"]);
        assert_eq!(found.unwrap().to_string(), "1.2.3.4:0");
    }
}
