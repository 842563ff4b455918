//! Resolves what a load validates: `validates`, which names another load that asks for the same by another driver.

use std::num::NonZeroU32;

use super::super::model::{Arrival, Arrivals, Driver, External, Load};
use super::super::wire;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::List;
use crate::document::suggest;

/// Whether every load that validates another can: the other is there, validates none itself, has another driver and asks
/// for the same.
pub(super) fn all_can(wire: &List<wire::Load>, loads: &[Load], problems: &mut Problems<'_>) -> bool {
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
            Some(other) => differs(load, other).map(|what| {
                let message = format!("`{}` is no cross-validation of `{}`: {what}", load.name, other.name);
                (message, "both have to ask for the same, by different drivers".to_owned())
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

/// In which way a load does not ask for what another does, if in any.
fn differs(own: &Load, other: &Load) -> Option<String> {
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
    let (Some(own_offer), Some(offer)) = (Offered::by(&own.driver), Offered::by(&other.driver)) else {
        return Some("no other driver does what it does".to_owned());
    };
    match (own_offer, offer) {
        (Offered::Lines(_), Offered::Sessions(..)) | (Offered::Sessions(..), Offered::Lines(_)) => {
            return Some("one is an open loop, and one a closed".to_owned());
        }
        (Offered::Lines(own), Offered::Lines(other)) if own != other => {
            return Some(format!("{own} connections are not {other}"));
        }
        (Offered::Sessions(own, _), Offered::Sessions(other, _)) if own != other => {
            return Some(format!("{own} calls of each session are not {other}"));
        }
        (Offered::Sessions(_, own), Offered::Sessions(_, other)) if own != other => {
            return Some("their `arrivals` differ".to_owned());
        }
        _ if own.driver.rate() != other.driver.rate() => return Some("their `rate` differs".to_owned()),
        _ => {}
    }
    compared.into_iter().find(|(_, same)| !same).map(|(what, _)| format!("their {what} differs"))
}

/// What a load offers, whatever its driver.
enum Offered {
    /// So many connections of a closed loop.
    Lines(NonZeroU32),
    /// Sessions of so many calls, and whether they come as independent clients do.
    Sessions(NonZeroU32, bool),
}

impl Offered {
    /// `None` for what one driver alone does.
    fn by(driver: &Driver) -> Option<Offered> {
        match driver {
            Driver::Goose { users, steps } if steps.is_empty() => Some(Offered::Lines(*users)),
            Driver::Closed { connections }
            | Driver::External(External::Wrk { connections } | External::H2load { connections }) => {
                Some(Offered::Lines(*connections))
            }
            Driver::Open(open) => match open.arrival {
                Arrival::Session { calls } => {
                    Some(Offered::Sessions(calls, matches!(open.arrivals, Arrivals::Poisson { .. })))
                }
                Arrival::Pooled { .. } => None,
            },
            Driver::External(External::Httperf { calls, is_poisson, .. }) => {
                Some(Offered::Sessions(*calls, *is_poisson))
            }
            Driver::Goose { .. } => None,
        }
    }
}
