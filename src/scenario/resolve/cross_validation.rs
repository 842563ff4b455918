//! Resolves `validates`: a load that cross-validates another one by making the same requests with another driver.

use std::num::NonZeroU32;

use super::super::model::{Arrival, ArrivalProcess, Driver, External, Load};
use super::super::wire;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::List;
use crate::document::suggest;

/// Whether every cross-validation is possible: the other load exists, validates none itself, has another driver and makes
/// the same requests.
pub(super) fn check_drivers(wire: &List<wire::Load>, loads: &[Load], problems: &mut Problems<'_>) -> bool {
    let mut all_good = true;
    for (wire, load) in wire.0.iter().zip(loads) {
        let Some(validates) = wire.get_ref().validates.good() else { continue };
        let known: Vec<&str> =
            loads.iter().filter(|other| other.validates.is_none()).map(|other| other.name.as_str()).collect();
        let problem = match loads.iter().find(|other| other.name == *validates.get_ref()) {
            Some(own) if own.name == load.name => {
                Some(("a load cannot validate itself".to_owned(), suggest::accepted(validates.get_ref(), &known)))
            }
            Some(other) if other.validates.is_some() => Some((
                format!("`{}` validates another load itself", other.name),
                suggest::accepted(validates.get_ref(), &known),
            )),
            Some(other) => difference(load, other).map(|what| {
                let message = format!("`{}` cannot cross-validate `{}`: {what}", load.name, other.name);
                (message, "both must make the same requests with different drivers".to_owned())
            }),
            None => Some((
                format!("there is no load `{}`", validates.get_ref()),
                suggest::accepted(validates.get_ref(), &known),
            )),
        };
        if let Some((message, hint)) = problem {
            all_good = false;
            problems.push(Diagnostic::at(validates.span(), message).hint(hint));
        }
    }
    all_good
}

/// The first difference between the requests of two loads.
fn difference(own: &Load, other: &Load) -> Option<String> {
    let compared = [
        ("`path`", own.path == other.path),
        ("`http`", own.http == other.http),
        ("`timeout`", own.timeout == other.timeout),
        ("TLS", own.tls.is_some() == other.tls.is_some()),
        ("`duration`", own.duration == other.duration),
    ];
    if own.driver.name() == other.driver.name() {
        return Some("they have the same driver".to_owned());
    }
    let (Some(own_offer), Some(offer)) =
        (OfferedLoad::from_driver(&own.driver), OfferedLoad::from_driver(&other.driver))
    else {
        return Some("no other driver can offer the same load".to_owned());
    };
    match (own_offer, offer) {
        (OfferedLoad::Connections(_), OfferedLoad::Sessions(..))
        | (OfferedLoad::Sessions(..), OfferedLoad::Connections(_)) => {
            return Some("one is an open loop, the other a closed loop".to_owned());
        }
        (OfferedLoad::Connections(own), OfferedLoad::Connections(other)) if own != other => {
            return Some(format!("{own} connections are not {other}"));
        }
        (OfferedLoad::Sessions(own, _), OfferedLoad::Sessions(other, _)) if own != other => {
            return Some(format!("{own} calls of each session are not {other}"));
        }
        (OfferedLoad::Sessions(_, own), OfferedLoad::Sessions(_, other)) if own != other => {
            return Some("their `arrivals` differ".to_owned());
        }
        _ if own.driver.rate() != other.driver.rate() => return Some("their `rate` differs".to_owned()),
        _ => {}
    }
    compared.into_iter().find(|(_, same)| !same).map(|(what, _)| format!("their {what} differs"))
}

/// The load that a driver offers.
enum OfferedLoad {
    /// The connections of a closed loop.
    Connections(NonZeroU32),
    /// Sessions: their calls, and whether they arrive as a Poisson process.
    Sessions(NonZeroU32, bool),
}

impl OfferedLoad {
    /// `None` if no other driver can offer the same load.
    fn from_driver(driver: &Driver) -> Option<OfferedLoad> {
        match driver {
            Driver::Goose { users, steps } if steps.is_empty() => Some(OfferedLoad::Connections(*users)),
            Driver::Closed { connections }
            | Driver::External(External::Wrk { connections } | External::H2load { connections }) => {
                Some(OfferedLoad::Connections(*connections))
            }
            Driver::Open(open) => match open.arrival {
                Arrival::Session { calls } => {
                    Some(OfferedLoad::Sessions(calls, matches!(open.arrivals, ArrivalProcess::Poisson { .. })))
                }
                Arrival::Pooled { .. } => None,
            },
            Driver::External(External::Httperf { calls, is_poisson, .. }) => {
                Some(OfferedLoad::Sessions(*calls, *is_poisson))
            }
            Driver::Goose { .. } => None,
        }
    }
}
