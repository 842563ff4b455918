//! Resolves the protocols of a load: TLS, and the version of HTTP.

use std::num::NonZeroU32;

use toml::Spanned;

use super::super::model::{Http, HttpVersion, Tls, Trust};
use super::super::wire::{self, DriverKind};
use super::context::{ResolveContext, existing_file};
use super::driver::name;
use super::values::whole;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, OneOf};

/// More streams than servers allow per connection.
const MOST_STREAMS: u32 = 1000;

/// Resolves TLS. The trust must be explicit, and the driver must be able to apply it.
pub(super) fn tls(
    wire: &Spanned<wire::Tls>,
    driver: &Field<OneOf<DriverKind>>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Tls> {
    let (place, wire) = (wire.span(), wire.get_ref());
    let insecure = wire.insecure.good().filter(|insecure| *insecure.get_ref());
    let trust = match (&wire.ca, insecure) {
        (Field::Good(ca), Some(insecure)) => {
            let message = "`insecure` and `ca` exclude each other";
            let hint = "trust the certificates of a file, or any certificate";
            problems.push(Diagnostic::at(insecure.span(), message).related(ca.span(), "the file").hint(hint));
            None
        }
        (Field::Good(ca), None) => existing_file(ca, context, problems).map(Trust::Ca),
        (Field::Bad, _) => None,
        (Field::Absent, Some(_)) => Some(Trust::Insecure),
        (Field::Absent, None) => {
            let hint =
                "add `ca = \"FILE\"` with the certificates to trust, or `insecure = true` to trust any certificate";
            problems.push(Diagnostic::at(place, "`tls` defines no trust").hint(hint));
            None
        }
    };
    let server_name = wire.server_name.or(None, |name| host_name(name, problems).map(Some));
    let driver = driver.value().map(|kind| kind.0);
    let verifies_nothing =
        |kind: &DriverKind| matches!(kind, DriverKind::Httperf | DriverKind::Wrk | DriverKind::H2load);
    if let Some(kind) = driver.filter(verifies_nothing) {
        let unsupported = [("ca", wire.ca.good()), ("server_name", wire.server_name.good())];
        for (key, given) in unsupported.into_iter().filter_map(|(key, given)| Some((key, given?))) {
            let message = format!("`{key}` is not supported by driver `{}`", name(kind));
            let hint = "the program verifies no certificate and sends no name: `tls = { insecure = true }`";
            problems.push(Diagnostic::at(given.span(), message).hint(hint));
        }
        if wire.ca.good().is_some() || wire.server_name.good().is_some() {
            return None;
        }
    }
    Some(Tls { trust: trust?, server_name: server_name? })
}

/// A name that a certificate can contain.
fn host_name(name: &Spanned<String>, problems: &mut Problems<'_>) -> Option<String> {
    let text = name.get_ref();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Some(text.clone());
    }
    let message = format!("`{text}` cannot be the name of a host");
    problems.push(Diagnostic::at(name.span(), message).hint("accepted: a name such as `example.org`"));
    None
}

/// The version of HTTP, and for HTTP/2 the number of concurrent requests per connection.
pub(super) fn http(wire: &wire::Load, problems: &mut Problems<'_>) -> Option<Http> {
    let version = wire.http.or(HttpVersion::OneOne, |word| Some(word.get_ref().0))?;
    let streams = wire.streams.or(NonZeroU32::MIN, |streams| {
        whole(streams, "`streams`", 1..=MOST_STREAMS, problems).and_then(NonZeroU32::new)
    })?;
    let is_of_sessions =
        wire.driver.value().is_some_and(|kind| kind.0 == DriverKind::Open) && wire.connections.is_absent();
    if let Some(given) = wire.streams.good() {
        let refused = match version {
            HttpVersion::OneZero => Some(("HTTP/1.0 has no `streams`", "write `http = \"2\"`, or leave `streams` out")),
            HttpVersion::OneOne => Some(("HTTP/1.1 has no `streams`", "write `http = \"2\"`, or leave `streams` out")),
            HttpVersion::Two if is_of_sessions => {
                Some(("sessions have no `streams`: their calls are sequential", "leave it out, or give `connections`"))
            }
            HttpVersion::Two => None,
        };
        if let Some((message, hint)) = refused {
            problems.push(Diagnostic::at(given.span(), message).hint(hint));
            return None;
        }
    }
    let spoken = wire.http.good().zip(wire.driver.value());
    let unspoken = spoken.filter(|(given, kind)| match given.get_ref().0 {
        HttpVersion::OneZero => kind.0 == DriverKind::H2load,
        HttpVersion::OneOne => false,
        HttpVersion::Two => kind.0 == DriverKind::Httperf,
    });
    if let Some((given, kind)) = unspoken {
        let message = format!("driver `{}` does not speak this version", name(kind.0));
        let hint = "`1.0` goes with `open`, `closed`, `httperf`; `2` with `open`, `closed`, `h2load`";
        problems.push(Diagnostic::at(given.span(), message).hint(hint));
        return None;
    }
    if let (HttpVersion::OneZero, Some(calls)) =
        (version, wire.calls_per_connection.good().filter(|calls| calls.get_ref().0 > 1))
    {
        let message = "HTTP/1.0 has a connection for each call";
        problems.push(
            Diagnostic::at(calls.span(), message).hint("leave `calls_per_connection` out, or write `http = \"1.1\"`"),
        );
        return None;
    }
    Some(match version {
        HttpVersion::OneZero => Http::OneZero,
        HttpVersion::OneOne => Http::OneOne,
        HttpVersion::Two => Http::Two { streams },
    })
}
