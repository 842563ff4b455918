//! `limit_req` and `limit_conn`, before access is checked.

use super::{Flow, Phases};
use crate::clock;
use crate::config::location::limits::{LimitReaction, LimitsConfig, RequestLimit};
use crate::config::logs::Severity;
use crate::limits::Verdict;
use crate::routing::route::{LimitStatus, Route};

/// Counts the request, once, and refuses it if there are too many. A delay is left in the route.
pub(super) fn check<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>) -> Flow<'a> {
    let Some(limits) = &route.location.config.limits else { return Flow::Continue };
    if route.is_subrequest {
        return Flow::Continue;
    }
    if !limits.requests.is_empty() && route.limits.requests.is_none() {
        let (status, flow) = requests(phases, route, limits);
        route.limits.requests = status;
        if let Flow::Status(_) = flow {
            return flow;
        }
    }
    if !limits.connections.is_empty() && route.limits.connections.is_none() {
        let (status, flow) = connections(phases, route, limits);
        route.limits.connections = status;
        return flow;
    }
    Flow::Continue
}

/// What a limit did, none if it does not apply to the request.
type Limited<'a> = (Option<LimitStatus>, Flow<'a>);

fn requests<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>, limits: &LimitsConfig) -> Limited<'a> {
    let now = clock::now();
    let reaction = limits.requests_reaction;
    let mut keyed: Vec<(&RequestLimit, Vec<u8>)> = Vec::new();
    for limit in &limits.requests {
        let key = limit.zone.key.value(&phases.scope(route));
        // as in nginx: an empty key is not limited
        if !key.is_empty() {
            keyed.push((limit, key));
        }
    }
    if keyed.is_empty() {
        return (None, Flow::Continue);
    }
    let beyond = |verdicts: &[Verdict]| {
        verdicts.iter().zip(&keyed).find_map(|(verdict, (limit, _))| match verdict {
            Verdict::Beyond { excess } => Some((*limit, *excess)),
            Verdict::Within { .. } => None,
        })
    };
    // a request that one zone refuses must not count in another
    let mut refusal = None;
    if keyed.len() > 1 {
        let looks: Vec<Verdict> =
            keyed.iter().map(|(limit, key)| limit.zone.state.look(key, limit.burst, now)).collect();
        refusal = beyond(&looks);
    }
    let mut verdicts = Vec::new();
    if refusal.is_none() {
        verdicts.extend(keyed.iter().map(|(limit, key)| limit.zone.state.add(key, limit.burst, now)));
        refusal = beyond(&verdicts);
    }
    let dry_run = if reaction.is_dry_run { ", dry run" } else { "" };
    let describe = |limit: &RequestLimit, excess: u64| {
        format!("{dry_run}, excess: {}.{:03} by zone \"{}\"", excess / 1000, excess % 1000, limit.zone.name)
    };
    if let Some((limit, excess)) = refusal {
        route.note(reaction.severity, format!("limiting requests{}", describe(limit, excess)));
        return refuse(reaction);
    }
    let delays = verdicts.iter().zip(&keyed).filter_map(|(verdict, (limit, _))| match (verdict, limit.delay) {
        (Verdict::Within { excess }, Some(delay)) => Some((limit.zone.state.delay(*excess, delay), *limit, *excess)),
        _ => None,
    });
    match delays.max_by_key(|(delay, ..)| *delay).filter(|(delay, ..)| !delay.is_zero()) {
        None => (Some(LimitStatus::Passed), Flow::Continue),
        Some((delay, limit, excess)) => {
            route.note(milder(reaction.severity), format!("delaying request{}", describe(limit, excess)));
            if reaction.is_dry_run {
                return (Some(LimitStatus::DelayedDryRun), Flow::Continue);
            }
            route.delay = Some(delay);
            (Some(LimitStatus::Delayed), Flow::Continue)
        }
    }
}

fn connections<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>, limits: &LimitsConfig) -> Limited<'a> {
    let reaction = limits.connections_reaction;
    let mut slots = Vec::new();
    for limit in &limits.connections {
        let key = limit.zone.key.value(&phases.scope(route));
        if key.is_empty() {
            continue;
        }
        let Some(slot) = limit.zone.state.enter(&key, limit.limit) else {
            let dry_run = if reaction.is_dry_run { ", dry run," } else { "" };
            let name = &limit.zone.name;
            route.note(reaction.severity, format!("limiting connections{dry_run} by zone \"{name}\""));
            return refuse(reaction);
        };
        slots.push(slot);
    }
    let status = (!slots.is_empty()).then_some(LimitStatus::Passed);
    route.connection_slots.append(&mut slots);
    (status, Flow::Continue)
}

fn refuse<'a>(reaction: LimitReaction) -> Limited<'a> {
    match reaction.is_dry_run {
        true => (Some(LimitStatus::RejectedDryRun), Flow::Continue),
        false => (Some(LimitStatus::Rejected), Flow::Status(reaction.status)),
    }
}

/// As in nginx, a delay is logged one level below a refusal.
fn milder(severity: Severity) -> Severity {
    match severity {
        Severity::Error => Severity::Warn,
        Severity::Warn => Severity::Notice,
        _ => Severity::Info,
    }
}
