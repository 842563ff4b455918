//! Internal redirects: another path or a named location for the same request, as often as nginx allows.

use std::borrow::Cow;

use super::{Flow, Phases};
use crate::config::logs::Severity;
use crate::routing::route::{Route, UriAlignment, UriOrigin};

impl<'a> Phases<'a, '_> {
    /// Counts a change of the path by `rewrite`.
    pub(super) fn after_change(&self, route: &mut Route<'a>) -> Flow<'a> {
        if !route.changes.spend() {
            let path = String::from_utf8_lossy(&route.uri).into_owned();
            route.note(Severity::Error, format!("rewrite or internal redirection cycle while processing \"{path}\""));
            return Flow::Status(500);
        }
        Flow::FindLocation
    }

    /// Redirects the request internally: with another path, from the start.
    pub(super) fn redirect(&self, route: &mut Route<'a>, path: Vec<u8>, args: Option<Vec<u8>>) -> Flow<'a> {
        if !route.changes.spend() {
            let path = String::from_utf8_lossy(&path).into_owned();
            let message = "rewrite or internal redirection cycle while internally redirecting to";
            route.note(Severity::Error, format!("{message} \"{path}\""));
            return Flow::Status(500);
        }
        route.uri = Cow::Owned(path);
        route.args = args.map(Cow::Owned);
        route.origin = UriOrigin::Configuration;
        route.alignment = UriAlignment::Location;
        Flow::Restart
    }

    /// Redirects the request to a named location.
    pub(super) fn redirect_to_name(&self, route: &mut Route<'a>, name: &[u8]) -> Flow<'a> {
        let name_text = String::from_utf8_lossy(name);
        if !route.changes.spend() {
            let message = "rewrite or internal redirection cycle while redirect to named location";
            route.note(Severity::Error, format!("{message} \"{name_text}\""));
            return Flow::Status(500);
        }
        match self.server.locations().named(name) {
            Some(location) => {
                if route.origin == UriOrigin::Client {
                    route.origin = UriOrigin::ClientRedirected;
                }
                Flow::Named(location)
            }
            None => {
                route.note(Severity::Error, format!("could not find named location \"{name_text}\""));
                Flow::Status(500)
            }
        }
    }
}
