//! `limit_req` and `limit_conn`: how often and how many at a time the requests of a key may be.

use std::sync::Arc;

use crate::config::limit_zone::LimitZone;
use crate::config::logs::Severity;
use crate::config::reader::ConfigReader;
use crate::limits::{ConnectionZone, RequestZone};
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, closest, parse_number, parse_size};

/// One `limit_req`.
#[derive(Debug, Clone)]
pub struct RequestLimit {
    pub zone: Arc<LimitZone<RequestZone>>,
    /// `burst=`, in thousandths of a request.
    pub burst: u64,
    /// `delay=`, in thousandths of a request; none for `nodelay`.
    pub delay: Option<u64>,
}

/// One `limit_conn`.
#[derive(Debug, Clone)]
pub struct ConnectionLimit {
    pub zone: Arc<LimitZone<ConnectionZone>>,
    pub limit: usize,
}

/// How requests beyond a limit are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitReaction {
    /// `limit_req_status`, `limit_conn_status`
    pub status: u16,
    /// `limit_req_log_level`, `limit_conn_log_level`
    pub severity: Severity,
    /// `limit_req_dry_run`, `limit_conn_dry_run`: whether the limit is only logged.
    pub is_dry_run: bool,
}

/// The limits of a location.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    pub requests: Vec<RequestLimit>,
    pub requests_reaction: LimitReaction,
    pub connections: Vec<ConnectionLimit>,
    pub connections_reaction: LimitReaction,
}

#[derive(Debug, Clone, Copy, Default)]
struct ReactionLevel {
    status: Option<u16>,
    severity: Option<Severity>,
    is_dry_run: Option<bool>,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct LimitsLevel {
    requests: Option<Vec<RequestLimit>>,
    requests_reaction: ReactionLevel,
    connections: Option<Vec<ConnectionLimit>>,
    connections_reaction: ReactionLevel,
}

/// Reads all zones of the `http` block before anything that may refer to one.
pub(crate) fn read_zones(http: &[Directive], reader: &mut ConfigReader<'_>) {
    for directive in http {
        let read = match directive.name.as_str() {
            "limit_req_zone" => read_request_zone(directive, reader),
            "limit_conn_zone" => read_connection_zone(directive, reader),
            _ => continue,
        };
        reader.keep(read);
    }
}

const ZONE: &str = "zone=NAME:SIZE, SIZE at least 32k";

/// `zone=name:size`
fn zone_of(directive: &Directive, reader: &ConfigReader<'_>) -> Result<(String, u64), ConfError> {
    let word = directive.args.iter().skip(1).map(|arg| arg.value.as_str()).find(|word| word.starts_with("zone="));
    let invalid = || directive.invalid(word.unwrap_or_default(), ZONE);
    let (name, size) = word.and_then(|word| word["zone=".len()..].split_once(':')).ok_or_else(invalid)?;
    let size = parse_size(size).filter(|size| *size >= 32 << 10 && !name.is_empty()).ok_or_else(invalid)?;
    if reader.zones.has(name) {
        return Err(directive.error(ConfErrorKind::DuplicateName { what: "zone", name: name.to_owned() }));
    }
    Ok((name.to_owned(), size))
}

/// The parameters as written, by which a reloaded configuration finds its zone again.
fn written(directive: &Directive) -> String {
    directive.args.iter().map(|arg| arg.value.as_str()).collect::<Vec<_>>().join(" ")
}

fn read_request_zone(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
    const RATE: &str = "rate=Nr/s or rate=Nr/m, N from 1";
    let (name, size) = zone_of(directive, reader)?;
    let mut rate = 1000;
    for word in directive.args.iter().skip(1).map(|arg| arg.value.as_str()) {
        match word.split_once('=') {
            Some(("zone", _)) => {}
            Some(("rate", value)) => {
                let (number, divisor) = match (value.strip_suffix("r/s"), value.strip_suffix("r/m")) {
                    (Some(number), _) => (number, 1),
                    (_, Some(number)) => (number, 60),
                    _ => (value, 1),
                };
                let number = parse_number::<u64>(number).filter(|number| *number > 0);
                rate = number.map(|number| number * 1000 / divisor).ok_or_else(|| directive.invalid(word, RATE))?;
            }
            _ => return Err(directive.invalid(word, "zone=NAME:SIZE and rate=Nr/s")),
        }
    }
    let key = reader.template(directive, directive.first())?;
    let state = RequestZone::shared(&written(directive), rate, size);
    let zone = LimitZone { name, key, state };
    reader.zones.requests.push(Arc::new(zone));
    Ok(())
}

fn read_connection_zone(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
    let (name, size) = zone_of(directive, reader)?;
    let key = reader.template(directive, directive.first())?;
    let state = ConnectionZone::shared(&written(directive), size);
    let zone = LimitZone { name, key, state };
    reader.zones.connections.push(Arc::new(zone));
    Ok(())
}

/// The zone with this name.
fn find<S>(
    directive: &Directive,
    name: &str,
    zones: &[Arc<LimitZone<S>>],
    accepted: &'static str,
) -> Result<Arc<LimitZone<S>>, ConfError> {
    let found = zones.iter().find(|zone| zone.name == name).map(Arc::clone);
    found.ok_or_else(|| {
        let hint = closest(name, zones.iter().map(|zone| zone.name.as_str()));
        match hint {
            Some(hint) => directive.error(ConfErrorKind::Conflict(format!(
                "unknown zone \"{name}\" in \"{}\" directive\nhint: did you mean \"{hint}\"?",
                directive.name
            ))),
            None => directive.invalid(name, accepted),
        }
    })
}

/// As in nginx, one level limits by a zone once.
fn refuse_duplicate(directive: &Directive, is_known: bool) -> Result<(), ConfError> {
    if !is_known {
        return Ok(());
    }
    Err(directive.error(ConfErrorKind::Duplicate { name: directive.name.clone() }))
}

impl LimitsLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &ConfigReader<'_>) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "limit_req" => {
                let (limit, limits) = (request_limit(directive, reader)?, self.requests.get_or_insert_default());
                refuse_duplicate(directive, limits.iter().any(|other| Arc::ptr_eq(&other.zone, &limit.zone)))?;
                limits.push(limit);
            }
            "limit_conn" => {
                let (limit, limits) = (connection_limit(directive, reader)?, self.connections.get_or_insert_default());
                refuse_duplicate(directive, limits.iter().any(|other| Arc::ptr_eq(&other.zone, &limit.zone)))?;
                limits.push(limit);
            }
            name => {
                let (reaction, setting) = match name.strip_prefix("limit_req_") {
                    Some(setting) => (&mut self.requests_reaction, setting),
                    None => (&mut self.connections_reaction, name.strip_prefix("limit_conn_").unwrap_or_default()),
                };
                reaction.read(directive, setting)?;
            }
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &LimitsLevel) -> LimitsLevel {
        LimitsLevel {
            requests: self.requests.or_else(|| outer.requests.clone()),
            requests_reaction: self.requests_reaction.inherit(outer.requests_reaction),
            connections: self.connections.or_else(|| outer.connections.clone()),
            connections_reaction: self.connections_reaction.inherit(outer.connections_reaction),
        }
    }

    /// None without any limit.
    pub(crate) fn resolve(&self) -> Option<Box<LimitsConfig>> {
        let limits = LimitsConfig {
            requests: self.requests.clone().unwrap_or_default(),
            requests_reaction: self.requests_reaction.resolve(),
            connections: self.connections.clone().unwrap_or_default(),
            connections_reaction: self.connections_reaction.resolve(),
        };
        let is_empty = limits.requests.is_empty() && limits.connections.is_empty();
        (!is_empty).then(|| Box::new(limits))
    }
}

impl ReactionLevel {
    fn read(&mut self, directive: &Directive, setting: &str) -> Result<(), ConfError> {
        let value = directive.first();
        match setting {
            "status" => {
                let status = parse_number(value).filter(|status| matches!(status, 400..=599));
                self.status = Some(status.ok_or_else(|| directive.invalid(value, "a status from 400 to 599"))?);
            }
            "log_level" => {
                self.severity = Some(match value {
                    "info" => Severity::Info,
                    "notice" => Severity::Notice,
                    "warn" => Severity::Warn,
                    "error" => Severity::Error,
                    other => return Err(directive.invalid(other, "info, notice, warn, error")),
                });
            }
            _ => self.is_dry_run = Some(directive.flag()?),
        }
        Ok(())
    }

    fn inherit(self, outer: ReactionLevel) -> ReactionLevel {
        ReactionLevel {
            status: self.status.or(outer.status),
            severity: self.severity.or(outer.severity),
            is_dry_run: self.is_dry_run.or(outer.is_dry_run),
        }
    }

    fn resolve(self) -> LimitReaction {
        LimitReaction {
            status: self.status.unwrap_or(503),
            severity: self.severity.unwrap_or(Severity::Error),
            is_dry_run: self.is_dry_run.unwrap_or(false),
        }
    }
}

fn request_limit(directive: &Directive, reader: &ConfigReader<'_>) -> Result<RequestLimit, ConfError> {
    const ACCEPTED: &str = "zone=NAME of a limit_req_zone, burst=N, nodelay or delay=N";
    let (mut zone, mut burst, mut delay) = (None, 0, Some(0));
    for word in directive.args.iter().map(|arg| arg.value.as_str()) {
        let number = |text: &str| {
            let number = parse_number::<u64>(text).filter(|number| *number > 0);
            number.and_then(|number| number.checked_mul(1000)).ok_or_else(|| directive.invalid(word, ACCEPTED))
        };
        match word.split_once('=') {
            Some(("zone", name)) => zone = Some(find(directive, name, &reader.zones.requests, ACCEPTED)?),
            Some(("burst", value)) => burst = number(value)?,
            Some(("delay", value)) => delay = Some(number(value)?),
            None if word == "nodelay" => delay = None,
            _ => return Err(directive.invalid(word, ACCEPTED)),
        }
    }
    let zone = zone.ok_or_else(|| directive.invalid(directive.first(), ACCEPTED))?;
    Ok(RequestLimit { zone, burst, delay })
}

fn connection_limit(directive: &Directive, reader: &ConfigReader<'_>) -> Result<ConnectionLimit, ConfError> {
    const ACCEPTED: &str = "the name of a limit_conn_zone, then a number from 1 to 65535";
    let zone = find(directive, directive.first(), &reader.zones.connections, ACCEPTED)?;
    let limit = directive.arg(1).unwrap_or_default();
    let number = parse_number(limit).filter(|number| matches!(number, 1..=65535));
    Ok(ConnectionLimit { zone, limit: number.ok_or_else(|| directive.invalid(limit, ACCEPTED))? })
}
