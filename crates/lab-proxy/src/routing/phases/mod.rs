//! What becomes of a request: nginx's phases, one after the other, over a configuration that was read.
//!
//! Server rewrite, find a location, its rewrite, then (unless the path changed, which begins anew) access, `try_files`
//! and content. The outcome is an [`Action`]: what is left to do, which is to send bytes. Nothing here waits, and files
//! are only looked at through [`FileSystem`].

mod rewrite;
mod content;
mod error_page;
mod proxy_pass;
mod real_ip;

pub mod conditional;
pub mod file_system;

use std::borrow::Cow;

use lab_http::BodyLength;

use crate::config::Config;
use crate::config::location::{Location, LocationMatch};
use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::config::server::Server;
use crate::eval::{ClientConnection, RequestOutcome, Scope};
use crate::routing::request::Request;
use crate::routing::route::{ConnectionReuse, RequestBody, Route, UriAlignment, UriOrigin};
use crate::routing::uri;
use file_system::FileSystem;

pub(crate) use content::media_type;

/// What is left to do for a request.
#[derive(Debug)]
pub enum Action<'a> {
    /// It is passed on.
    Pass(&'a ProxyPass),
    /// It is answered with a page for a status, and [`Route::redirect`] if there is one.
    Page(u16),
    /// It is answered with a text of the configuration's.
    Text {
        /// The status.
        status: u16,
        /// The text.
        text: Vec<u8>,
    },
    /// It is answered with a file.
    File(file_system::OpenedFile),
    /// It is not answered: the connection is closed, and the log has this status (`return 444`).
    Drop(u16),
}

/// What holds still while a request goes through the phases.
#[derive(Debug, Clone, Copy)]
pub struct Phases<'a, 'o> {
    /// The configuration.
    pub config: &'a Config,
    /// The server that answers.
    pub server: &'a Server,
    /// The client's connection.
    pub connection: &'a ClientConnection,
    /// The request as it came.
    pub request: &'a Request<'a>,
    /// What became of it so far.
    pub outcome: &'o RequestOutcome,
    /// The file system.
    pub files: &'o dyn FileSystem,
}

/// What one phase leads to.
enum Flow<'a> {
    /// The next phase.
    Continue,
    /// The path changed: from the search for a location on.
    FindLocation,
    /// The configuration redirected the request: from the server's rewriting on.
    Again,
    /// A named location, which begins with its own rewriting.
    Named(&'a Location),
    /// The end of the phases.
    Done(Action<'a>),
    /// A status, for which there may be an error page.
    Status(u16),
}

/// Where the phases are entered.
#[derive(Clone, Copy)]
enum Entry {
    Server,
    Find,
    Location,
}

impl<'a> Phases<'a, '_> {
    /// Takes a request through the phases, from the first.
    pub fn begin(&self, route: &mut Route<'a>) -> Action<'a> {
        real_ip::apply(self, route);
        // what a TRACE would echo is nobody's business
        if self.request.head.method() == b"TRACE" {
            route.connection = ConnectionReuse::Forbidden;
            return self.finish(route, 405);
        }
        self.run(route, Entry::Server)
    }

    /// Goes on with a request that came to a status: with its error page, or to the end.
    pub fn finish(&self, route: &mut Route<'a>, status: u16) -> Action<'a> {
        let flow = error_page::of_status(self, route, status);
        self.go_on(route, flow)
    }

    /// Goes on with a request that an upstream sent elsewhere: to the path or the named location of its
    /// `X-Accel-Redirect`.
    pub fn follow(&self, route: &mut Route<'a>, target: &[u8]) -> Action<'a> {
        let flow = if target.first() == Some(&b'@') {
            self.redirect_to_name(route, target)
        } else if let Some((path, args)) = uri::safe(target) {
            if route.method != b"HEAD" {
                route.method = b"GET";
            }
            self.redirect(route, path, args)
        } else {
            route.note(Severity::Error, format!("unsafe URI \"{}\" was detected", target.escape_ascii()));
            Flow::Status(404)
        };
        self.go_on(route, flow)
    }

    fn go_on(&self, route: &mut Route<'a>, flow: Flow<'a>) -> Action<'a> {
        match flow {
            Flow::Continue | Flow::FindLocation => self.run(route, Entry::Find),
            Flow::Again => self.run(route, Entry::Server),
            Flow::Named(location) => {
                self.enter(route, location);
                self.run(route, Entry::Location)
            }
            Flow::Status(status) => self.finish(route, status),
            Flow::Done(action) => action,
        }
    }

    fn run(&self, route: &mut Route<'a>, entry: Entry) -> Action<'a> {
        let mut entry = entry;
        loop {
            let flow = match entry {
                Entry::Server => self.server_rewrite(route),
                Entry::Find => self.find_location(route),
                Entry::Location => self.serve(route),
            };
            entry = match flow {
                Flow::Continue => match entry {
                    Entry::Server => Entry::Find,
                    Entry::Find | Entry::Location => Entry::Location,
                },
                Flow::FindLocation => Entry::Find,
                Flow::Again => Entry::Server,
                Flow::Named(location) => {
                    self.enter(route, location);
                    Entry::Location
                }
                Flow::Status(status) => return self.finish(route, status),
                Flow::Done(action) => return action,
            };
        }
    }

    fn server_rewrite(&self, route: &mut Route<'a>) -> Flow<'a> {
        self.enter(route, &self.server.outside);
        match rewrite::run(self, route, &self.server.outside.script) {
            // a path that changed here is searched for anyway
            Flow::FindLocation => Flow::Continue,
            flow => flow,
        }
    }

    fn find_location(&self, route: &mut Route<'a>) -> Flow<'a> {
        let found = self.server.locations().find(&route.uri, &route.values);
        let location = match found {
            LocationMatch::Location(location) | LocationMatch::AddSlash(location) => location,
            LocationMatch::None => &self.server.outside,
        };
        self.enter(route, location);
        if location.is_internal && !route.origin.is_internal() {
            return Flow::Status(404);
        }
        let limit = location.config.client_max_body_size;
        if let BodyLength::Sized(length) = self.request.body
            && limit.is_some_and(|limit| length > limit)
            && route.body == RequestBody::Acceptable
        {
            route.body = RequestBody::Refused;
            route.note(Severity::Error, format!("client intended to send too large body: {length} bytes"));
            return Flow::Status(413);
        }
        if let LocationMatch::AddSlash(location) = found {
            let mut target = Vec::new();
            uri::escape(location.path.as_bytes(), &mut target);
            append_args(&mut target, route.args());
            route.redirect = Some(target);
            return Flow::Status(301);
        }
        Flow::Continue
    }

    /// From a location's rewriting to its content.
    fn serve(&self, route: &mut Route<'a>) -> Flow<'a> {
        let location = route.location;
        let is_outside = std::ptr::eq(location, &raw const self.server.outside);
        if !is_outside {
            match rewrite::run(self, route, &location.script) {
                Flow::Continue => {}
                Flow::FindLocation => return self.after_change(route),
                flow => return flow,
            }
        }
        real_ip::apply(self, route);
        match content::try_files(self, route) {
            Flow::Continue => {}
            flow => return flow,
        }
        match route.pass {
            Some(pass) => match proxy_pass::resolve(self, route, pass) {
                Ok(()) => Flow::Done(Action::Pass(pass)),
                Err((status, message)) => {
                    route.note(Severity::Error, message);
                    Flow::Status(status)
                }
            },
            None => content::serve(self, route),
        }
    }

    /// As nginx: a path may change ten times.
    fn after_change(&self, route: &mut Route<'a>) -> Flow<'a> {
        if !route.changes.spend() {
            let path = String::from_utf8_lossy(&route.uri).into_owned();
            route.note(Severity::Error, format!("rewrite or internal redirection cycle while processing \"{path}\""));
            return Flow::Status(500);
        }
        Flow::FindLocation
    }

    /// Redirects the request inside the configuration: from the start, with another path.
    fn redirect(&self, route: &mut Route<'a>, path: Vec<u8>, args: Option<Vec<u8>>) -> Flow<'a> {
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
        Flow::Again
    }

    /// Redirects the request to a named location.
    fn redirect_to_name(&self, route: &mut Route<'a>, name: &[u8]) -> Flow<'a> {
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

    fn enter(&self, route: &mut Route<'a>, location: &'a Location) {
        route.location = location;
        route.pass = location.pass.as_ref();
        route.resolved_pass = None;
    }

    /// What variables see at this point.
    fn scope<'s>(&'s self, route: &'s Route<'s>) -> Scope<'s> {
        Scope {
            connection: self.connection,
            request: Some(self.request),
            refused_line: None,
            route,
            server: self.server,
            pass: route.pass,
            maps: &self.config.maps,
            outcome: self.outcome,
        }
    }
}

/// Appends arguments to a redirect's target, if there are any.
fn append_args(target: &mut Vec<u8>, args: &[u8]) {
    if !args.is_empty() {
        target.push(b'?');
        target.extend_from_slice(args);
    }
}

#[cfg(test)]
mod tests;
