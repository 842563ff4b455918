//! `listen`: the sockets, and the servers of each.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Server;
use crate::config::address::{Address, resolve};
use crate::config::reader::ConfigReader;
use crate::config::server_name::ServerNameIndex;
use crate::variables::VariableValues;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, parse_number, parse_size, parse_time};

#[derive(Debug)]
pub struct Listen {
    /// An unspecified address (`listen 80`, `listen *:80`) stands for every address of its family.
    pub address: Address,
    /// `backlog=`: the limit of connections that wait to be accepted.
    pub backlog: i32,
    /// `reuseport`: whether each worker has its own socket, so that the kernel distributes connections among them.
    pub reuse_port: bool,
    /// `sndbuf=`: the size of the kernel's send buffer of each connection, in bytes.
    pub send_buffer: Option<usize>,
    /// `rcvbuf=`: that of its receive buffer.
    pub receive_buffer: Option<usize>,
    /// `so_keepalive=`: whether the kernel probes idle connections. None leaves that to the system.
    pub keepalive_probes: Option<KeepAliveProbes>,
    /// `proxy_protocol`: whether each connection begins with a PROXY header.
    pub proxy_protocol: bool,
    /// `ssl`, or `ssl on` in the default server: whether clients speak TLS.
    pub tls: bool,
    /// `http2`: whether clients may speak HTTP/2, whichever server they name. Over TLS they choose by ALPN.
    pub http2: bool,
    /// Which version of HTTP begins a connection in the clear.
    pub in_the_clear: ProtocolsInTheClear,
    /// `ipv6only=`: whether an unspecified IPv6 address leaves IPv4 to others.
    pub ipv6_only: bool,
    /// The server of requests that match no name: the one marked `default_server`, or the first.
    pub default_server: usize,
    /// In file order.
    pub servers: Vec<usize>,
    pub names: ServerNameIndex,
    default_is_marked: bool,
}

/// The probes of TCP for idle connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAliveProbes {
    Off,
    /// None stands for the system's value.
    On {
        /// How long a connection is idle before the first probe.
        idle: Option<Duration>,
        /// The time between two probes.
        interval: Option<Duration>,
        /// The number of probes without an answer after which the connection is dropped.
        count: Option<u32>,
    },
}

/// The versions of HTTP without TLS, where nothing announces them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolsInTheClear {
    Http1,
    /// Up to nginx 1.25.0 `http2` leaves no choice.
    Http2,
    /// The first bytes decide: the preface of HTTP/2 (RFC 9113 section 3.4), or anything else.
    Either,
}

impl Listen {
    /// Whether clients that name this server may speak HTTP/2.
    #[must_use]
    pub fn offers_http2(&self, server: &Server) -> bool {
        self.http2 || server.http2.is_enabled
    }

    /// Chooses the server of a request by its host, which is lower-case and has no port. The captures of a regular
    /// expression are kept in `values`.
    #[must_use]
    pub fn server_for(&self, host: Option<&[u8]>, values: &VariableValues) -> usize {
        let found = match host {
            Some(host) => self.names.find(host, values),
            None => self.names.nameless(),
        };
        found.unwrap_or(self.default_server)
    }

    fn index_names(&mut self, servers: &[Server]) {
        self.names =
            self.servers.iter().flat_map(|&index| servers[index].names.iter().map(move |name| (name, index))).collect();
    }
}

/// nginx's default on Linux.
const BACKLOG: i32 = 511;
const ACCEPTED: &str = "an address, a port or a range of ports, or unix:/PATH, then default_server, backlog=N, sndbuf=SIZE, \
                        rcvbuf=SIZE, so_keepalive=on|off|IDLE:INTERVAL:COUNT, fastopen=N, reuseport, bind, deferred, proxy_protocol, ssl, http2, ipv6only=on|off";

const QUIC: &str = "HTTP/1.1 and HTTP/2 over TCP. HTTP/3 would need QUIC over UDP, which lab does not have; clients use it \
                    only where Alt-Svc or DNS announces it, and fall back to TCP";

/// Reads the `listen` directives of a `server` block, and adds the server to each socket.
pub(crate) fn read(server: &Directive, index: usize, listens: &mut Vec<Listen>, reader: &mut ConfigReader<'_>) {
    let block = server.children();
    let mut found = false;
    for directive in block.iter().filter(|directive| directive.name == "listen") {
        found = true;
        for address in reader.keep(addresses(directive)).unwrap_or_default() {
            let added = add(directive, &address, index, listens, reader);
            reader.keep(added);
        }
    }
    if !found {
        // as in nginx: without the directive a server listens on port 80, or on 8000 without the privilege
        let port = if rustix::process::geteuid().is_root() { 80 } else { 8000 };
        let address = Address::Internet((Ipv4Addr::UNSPECIFIED, port).into());
        entry(listens, &address, index).servers.push(index);
    }
}

/// Completes the sockets once all servers are read.
pub(crate) fn finish(listens: &mut [Listen], servers: &[Server], reader: &mut ConfigReader<'_>) {
    if !reader.errors.is_empty() {
        // a server with an error is missing from the list
        return;
    }
    for listen in listens {
        listen.index_names(servers);
        let default_server = &servers[listen.default_server];
        listen.tls |= default_server.tls.is_enabled;
        listen.in_the_clear = match listen.offers_http2(default_server) {
            false => ProtocolsInTheClear::Http1,
            true if reader.version.has_http2_directive() => ProtocolsInTheClear::Either,
            true => ProtocolsInTheClear::Http2,
        };
        let checked = check_certificates(listen, servers);
        reader.keep(checked);
    }
}

/// A socket with TLS needs a certificate in its default server, or in all servers if that one refuses handshakes.
fn check_certificates(listen: &Listen, servers: &[Server]) -> Result<(), ConfError> {
    let has_certificate = |server: &Server| !server.tls.certificates.is_empty();
    let default = &servers[listen.default_server];
    if !listen.tls || has_certificate(default) {
        return Ok(());
    }
    let others = listen.servers.iter().map(|&index| &servers[index]).filter(|_| default.tls.rejects_handshakes);
    let mut needed = std::iter::once(default).chain(others);
    match needed.find(|server| !has_certificate(server) && !server.tls.rejects_handshakes) {
        None => Ok(()),
        Some(server) => {
            let message = "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive".to_owned();
            Err(server.position.error(ConfErrorKind::Conflict(message)))
        }
    }
}

fn add(
    directive: &Directive,
    address: &Address,
    index: usize,
    listens: &mut Vec<Listen>,
    reader: &mut ConfigReader<'_>,
) -> Result<(), ConfError> {
    let listen = entry(listens, address, index);
    if listen.servers.contains(&index) {
        let name = directive.first().to_owned();
        return Err(directive.error(ConfErrorKind::DuplicateName { what: "listen", name }));
    }
    listen.servers.push(index);
    let is_ipv6 = address.internet().is_some_and(|address| address.is_ipv6());
    for parameter in directive.args.iter().skip(1).map(|arg| arg.value.as_str()) {
        match parameter.split_once('=') {
            None if matches!(parameter, "default_server" | "default") => {
                if listen.default_is_marked {
                    let name = address.to_string();
                    return Err(directive.error(ConfErrorKind::DuplicateName { what: "default server for", name }));
                }
                listen.default_is_marked = true;
                listen.default_server = index;
            }
            // every address has a socket of its own, and a connection without data costs a worker little
            None if matches!(parameter, "bind" | "deferred") => {}
            // as in nginx: of FreeBSD, and ignored elsewhere
            Some(("accept_filter", _)) => {
                let message = format!("accept filters \"{parameter}\" are not supported on this platform, ignored");
                reader.warn(directive, message);
            }
            // without it, the first data of a client takes a round trip more
            Some(("fastopen", value)) if parse_number::<u32>(value).is_some_and(|length| length > 0) => {}
            Some(("sndbuf", value)) => listen.send_buffer = Some(buffer_size(directive, parameter, value)?),
            Some(("rcvbuf", value)) => listen.receive_buffer = Some(buffer_size(directive, parameter, value)?),
            Some(("so_keepalive", value)) if address.internet().is_some() => {
                listen.keepalive_probes = Some(KeepAliveProbes::read(directive, parameter, value)?);
            }
            None if parameter == "reuseport" && address.internet().is_some() => listen.reuse_port = true,
            None if parameter == "ssl" => listen.tls = true,
            None if parameter == "http2" => {
                listen.http2 = true;
                if reader.version.has_http2_directive() {
                    let message =
                        "the \"listen ... http2\" directive is deprecated, use the \"http2\" directive instead";
                    reader.warn(directive, message.to_owned());
                }
            }
            None if parameter == "quic" => return Err(directive.unsupported("HTTP/3", QUIC)),
            None if parameter == "proxy_protocol" => listen.proxy_protocol = true,
            Some(("backlog", value)) => {
                let backlog = parse_number(value).filter(|backlog| *backlog > 0);
                listen.backlog =
                    backlog.ok_or_else(|| directive.invalid(parameter, "backlog= with a number from 1"))?;
            }
            Some(("ipv6only", "on")) if is_ipv6 => listen.ipv6_only = true,
            Some(("ipv6only", "off")) if is_ipv6 => listen.ipv6_only = false,
            _ => return Err(directive.unsupported(format!("parameter \"{parameter}\""), ACCEPTED)),
        }
    }
    Ok(())
}

fn entry<'a>(listens: &'a mut Vec<Listen>, address: &Address, first_server: usize) -> &'a mut Listen {
    let position = listens.iter().position(|listen| listen.address == *address).unwrap_or_else(|| {
        listens.push(Listen {
            address: address.clone(),
            reuse_port: false,
            send_buffer: None,
            receive_buffer: None,
            keepalive_probes: None,
            proxy_protocol: false,
            tls: false,
            http2: false,
            in_the_clear: ProtocolsInTheClear::Http1,
            backlog: BACKLOG,
            ipv6_only: true,
            default_server: first_server,
            servers: Vec::new(),
            names: ServerNameIndex::default(),
            default_is_marked: false,
        });
        listens.len() - 1
    });
    &mut listens[position]
}

impl KeepAliveProbes {
    fn read(directive: &Directive, parameter: &str, value: &str) -> Result<KeepAliveProbes, ConfError> {
        let invalid =
            || directive.invalid(parameter, "so_keepalive= with on, off or IDLE:INTERVAL:COUNT, such as 30m::10");
        let time = |text: &str| parse_time(text).filter(|time| time.as_secs() > 0).ok_or_else(invalid);
        match value.split(':').collect::<Vec<_>>()[..] {
            ["on"] => Ok(KeepAliveProbes::On { idle: None, interval: None, count: None }),
            ["off"] => Ok(KeepAliveProbes::Off),
            [idle, interval, count] if value != "::" => {
                let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
                Ok(KeepAliveProbes::On {
                    idle: some(idle).map(time).transpose()?,
                    interval: some(interval).map(time).transpose()?,
                    count: some(count)
                        .map(|count| parse_number(count).filter(|count| *count > 0).ok_or_else(invalid))
                        .transpose()?,
                })
            }
            _ => Err(invalid()),
        }
    }
}

fn buffer_size(directive: &Directive, parameter: &str, value: &str) -> Result<usize, ConfError> {
    let size = parse_size(value).and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| directive.invalid(parameter, "a size such as 64k"))
}

/// The addresses of one `listen`: several for a range of ports.
fn addresses(directive: &Directive) -> Result<Vec<Address>, ConfError> {
    let text = directive.first();
    let Some((before, first, last)) = port_range(text) else { return addresses_of(directive, text) };
    if first == 0 || last < first {
        return Err(directive.invalid(text, "a range of ports such as 8000-8009, from the first to the last"));
    }
    let mut all = Vec::new();
    for port in first..=last {
        all.extend(addresses_of(directive, &format!("{before}{port}"))?);
    }
    Ok(all)
}

/// Splits `HOST:FIRST-LAST` or `FIRST-LAST` into what precedes the first port and both ports.
fn port_range(text: &str) -> Option<(&str, u16, u16)> {
    let (start, last) = text.rsplit_once('-')?;
    let (before, first) = start.rsplit_once(':').map_or(("", start), |(host, first)| (&text[..=host.len()], first));
    Some((before, parse_number(first)?, parse_number(last)?)).filter(|_| !first.is_empty() && !last.is_empty())
}

/// Accepts `80`, `*:80`, `127.0.0.1`, `127.0.0.1:80`, `[::1]`, `[::]:80`, `name:80`, `unix:/path`.
fn addresses_of(directive: &Directive, text: &str) -> Result<Vec<Address>, ConfError> {
    let invalid = || directive.invalid(text, ACCEPTED);
    match text.strip_prefix("unix:") {
        Some("") => return Err(invalid()),
        Some(path) => return Ok(vec![Address::Unix(path.into())]),
        None => {}
    }
    let port = match text.strip_prefix('*') {
        Some("") => Some("80"),
        Some(rest) => Some(rest.strip_prefix(':').ok_or_else(invalid)?),
        // resolvers would take digits for an address; nginx takes them for a port
        None => Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())),
    };
    if let Some(port) = port {
        let port = parse_number::<u16>(port).filter(|port| *port > 0).ok_or_else(invalid)?;
        return Ok(vec![Address::Internet((Ipv4Addr::UNSPECIFIED, port).into())]);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(invalid)?;
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => 80,
            port => port.and_then(parse_number).filter(|port| *port > 0).ok_or_else(invalid)?,
        };
        let host: Ipv6Addr = host.parse().map_err(|_| invalid())?;
        return Ok(vec![Address::Internet((host, port).into())]);
    }
    let addresses = resolve(directive, text, 80)?;
    if addresses.iter().any(|address| address.port() == 0) {
        return Err(invalid());
    }
    Ok(addresses.into_iter().map(Address::Internet).collect())
}
