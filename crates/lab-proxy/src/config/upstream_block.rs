//! Reads `upstream` blocks.

use std::net::SocketAddr;

use crate::config::address::Address;
use crate::config::reader::ConfigReader;
use crate::config::upstream::{BalancingMethod, Upstream, UpstreamServer, server_addresses};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, parse_number, parse_time};

/// Reads all `upstream` blocks before anything that may refer to one.
pub(crate) fn read(http: &[Directive], reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
    for directive in http.iter().filter(|directive| directive.name == "upstream") {
        let read = read_block(directive, reader);
        if let Some(upstream) = reader.keep(read) {
            let added = reader.upstreams.add(directive, upstream);
            reader.keep(added);
        }
    }
    Ok(())
}

fn read_block(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<Upstream, ConfError> {
    let mut upstream = Upstream::new(directive.first(), Vec::new());
    let keeps_connections = reader.version.keeps_upstream_connections();
    if keeps_connections {
        upstream.keepalive = 32;
    }
    let mut method: Option<BalancingMethod> = None;
    for inner in directive.children() {
        match inner.name.as_str() {
            "keepalive" => {
                // a connection does not depend on the location that it was opened for
                if let Some(other) = inner.arg(1).filter(|word| *word != "local") {
                    return Err(inner.invalid(other, "a number of connections, then local"));
                }
                upstream.keepalive = match inner.number()? {
                    0 if !keeps_connections => return Err(inner.invalid("0", "a number from 1")),
                    number => number,
                }
            }
            // it would share the state of the balancer, of which each worker has its own
            "zone" => {}
            "keepalive_requests" => upstream.keepalive_requests = inner.number()?,
            "keepalive_time" => upstream.keepalive_time = inner.time()?,
            "keepalive_timeout" => upstream.keepalive_timeout = inner.time()?,
            "least_conn" | "ip_hash" | "hash" | "random" => {
                // as in nginx, the last one applies
                if method.is_some() {
                    reader.warn(inner, "load balancing method redefined".to_owned());
                }
                method = Some(read_method(inner, reader)?);
            }
            // `server`, the only other directive of this block
            _ => {
                let servers = read_server(inner)?;
                let has_backup = servers.iter().any(|server| server.is_backup);
                // as in nginx, which accepts it in front of the method
                if has_backup && method.as_ref().is_some_and(|method| !method.allows_backups()) {
                    let accepted = "no backup with ip_hash, hash or random, as in nginx";
                    return Err(inner.unsupported("parameter \"backup\" with this balancing method", accepted));
                }
                upstream.servers.extend(servers);
            }
        }
    }
    upstream.method = method.unwrap_or(BalancingMethod::RoundRobin);
    // as in nginx, backups alone are not enough
    if upstream.servers.iter().all(|server| server.is_backup) {
        return Err(directive.error(ConfErrorKind::EmptyUpstream { name: upstream.name }));
    }
    Ok(upstream)
}

fn read_method(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<BalancingMethod, ConfError> {
    match directive.name.as_str() {
        "least_conn" => Ok(BalancingMethod::LeastConnections),
        "ip_hash" => Ok(BalancingMethod::IpHash),
        "random" => read_random(directive),
        _ => read_hash(directive, reader),
    }
}

fn read_random(directive: &Directive) -> Result<BalancingMethod, ConfError> {
    let arguments: Vec<&str> = directive.args.iter().map(|arg| arg.value.as_str()).collect();
    match *arguments {
        [] => Ok(BalancingMethod::Random { compares_two: false }),
        ["two"] | ["two", "least_conn"] => Ok(BalancingMethod::Random { compares_two: true }),
        ["two", other, ..] | [other, ..] => Err(directive.invalid(other, "two, then least_conn")),
    }
}

fn read_hash(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<BalancingMethod, ConfError> {
    let key = reader.template(directive, directive.first())?;
    match directive.arg(1) {
        None => Ok(BalancingMethod::Hash { key, is_consistent: false }),
        Some("consistent") => Ok(BalancingMethod::Hash { key, is_consistent: true }),
        Some(other) => Err(directive.invalid(other, "consistent, or nothing")),
    }
}

fn read_server(directive: &Directive) -> Result<Vec<UpstreamServer>, ConfError> {
    const ACCEPTED: &str = "an address, then weight=N, max_conns=N, max_fails=N, fail_timeout=TIME, backup, down";
    let written = directive.first();
    let mut template = UpstreamServer::new(Address::Internet(SocketAddr::from(([0, 0, 0, 0], 0))), written);
    for parameter in directive.args.iter().skip(1).map(|arg| arg.value.as_str()) {
        let invalid = || directive.invalid(parameter, ACCEPTED);
        match parameter.split_once('=') {
            Some(("weight", value)) => {
                template.weight = parse_number(value).filter(|weight| *weight > 0).ok_or_else(invalid)?;
            }
            Some(("max_conns", value)) => template.max_conns = parse_number(value).ok_or_else(invalid)?,
            Some(("max_fails", value)) => template.max_fails = parse_number(value).ok_or_else(invalid)?,
            Some(("fail_timeout", value)) => template.fail_timeout = parse_time(value).ok_or_else(invalid)?,
            None if parameter == "backup" => template.is_backup = true,
            None if parameter == "down" => template.is_down = true,
            _ => return Err(directive.unsupported(format!("parameter \"{parameter}\""), ACCEPTED)),
        }
    }
    let addresses = server_addresses(directive, written, 80)?;
    let server = |address: Address| UpstreamServer { label: address.to_string().into(), address, ..template.clone() };
    Ok(addresses.into_iter().map(server).collect())
}
