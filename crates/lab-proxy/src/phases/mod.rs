//! nginx's phases, from a request to an action.
//!
//! The server's rewriting, the search for a location, the location's rewriting, access, `try_files` and content follow
//! each other. If rewriting changes the path, the search starts again. The result is an [`Action`], which needs only
//! I/O. Nothing here waits, and files are only accessed through [`FileSystem`].

mod rewrite;
mod limits;
mod access;
mod password;
mod autoindex;
mod content;
mod gzip_negotiation;
mod error_page;
mod internal_redirect;
mod proxy_pass;
mod readable_files;
mod real_ip;
mod unmodified;

pub mod conditional;
pub mod file_system;

use std::borrow::Cow;
use std::fs::File;
use std::io;

use lab_http::BodyLength;

use crate::config::Config;
use crate::config::location::access::AuthRequest;
use crate::config::location::mirror::MirrorConfig;
use crate::config::location::{Location, LocationMatch};
use crate::config::logs::Severity;
use crate::config::proxy::pass::ProxyPass;
use crate::config::server::Server;
use crate::eval::{ClientConnection, RequestOutcome, Scope};
use crate::routing::request::Request;
use crate::routing::route::{BodyAdmission, ConnectionReuse, Route, UriOrigin};
use crate::routing::uri;
use file_system::{FileMetadata, FileSystem, Symlinks};

pub(crate) use content::media_type;
pub(crate) use file_system::error_text;
pub(crate) use gzip_negotiation::{accepts_coding, accepts_gzip};

/// How to respond to a request.
#[derive(Debug)]
pub enum Action<'a> {
    /// Pass it to an upstream.
    Pass(&'a ProxyPass),
    /// Respond with the page of a status, and with [`Route::redirect`] if there is one.
    Page(u16),
    /// Respond with a text of the configuration.
    Text {
        status: u16,
        text: Vec<u8>,
    },
    File(file_system::OpenedFile<'a>),
    Generated(GeneratedContent),
    /// Ask for access by a subrequest, and continue with [`Phases::resume_authorized`].
    Authorize(&'a AuthRequest),
    /// Send copies of the request, and continue with [`Phases::resume_mirrored`].
    Mirror(&'a MirrorConfig),
    /// Close the connection without a response, and log this status (`return 444`).
    Drop(u16),
}

/// Content that comes neither from a file nor from the configuration.
#[derive(Debug)]
pub struct GeneratedContent {
    pub media_type: &'static str,
    pub content: Vec<u8>,
    /// `Last-Modified`, in seconds since 1970.
    pub modified: Option<i64>,
    /// As in nginx, the length of a listing is not announced.
    pub hides_length: bool,
}

/// The state that does not change while a request goes through the phases.
#[derive(Debug, Clone, Copy)]
pub struct Phases<'a, 'o> {
    pub config: &'a Config,
    pub server: &'a Server,
    pub connection: &'a ClientConnection,
    /// The request as it arrived.
    pub request: &'a Request<'a>,
    pub outcome: &'o RequestOutcome,
    pub files: &'o dyn FileSystem,
}

/// The result of a phase.
enum Flow<'a> {
    Continue,
    /// The path changed: search for a location again.
    FindLocation,
    /// An internal redirect: start again with the server's rewriting.
    Restart,
    /// Continue with the rewriting of this named location.
    Named(&'a Location),
    Done(Action<'a>),
    /// A status, which may have an error page.
    Status(u16),
}

/// The phase to start with.
#[derive(Clone, Copy)]
enum Entry {
    Server,
    Find,
    Location,
    /// After the access phase.
    Content,
    /// After the copies of [`Action::Mirror`] were begun.
    Mirrored,
}

impl<'a> Phases<'a, '_> {
    /// Takes a request through all phases.
    pub fn begin(&self, route: &mut Route<'a>) -> Action<'a> {
        real_ip::apply(self, route);
        // TRACE would echo fields that only proxies may see
        if self.request.head.method() == b"TRACE" {
            route.connection = ConnectionReuse::Forbidden;
            return self.finish(route, 405);
        }
        self.run(route, Entry::Server)
    }

    /// Takes a subrequest through the phases.
    pub fn begin_subrequest(&self, route: &mut Route<'a>, target: &[u8]) -> Action<'a> {
        let (path, args) = uri::split_args(target);
        let args = args.map(|args| Cow::Owned(args.to_vec()));
        self.begin_subrequest_with_args(route, path, args)
    }

    /// As [`begin_subrequest`](Phases::begin_subrequest), for a path and its arguments.
    pub fn begin_subrequest_with_args(
        &self,
        route: &mut Route<'a>,
        path: &[u8],
        args: Option<Cow<'a, [u8]>>,
    ) -> Action<'a> {
        route.uri = Cow::Owned(path.to_vec());
        route.args = args;
        route.origin = UriOrigin::Configuration;
        self.run(route, Entry::Server)
    }

    /// As [`begin_subrequest`](Phases::begin_subrequest), in a named location.
    pub fn begin_named_subrequest(&self, route: &mut Route<'a>, name: &str) -> Action<'a> {
        let flow = self.redirect_to_name(route, name.as_bytes());
        self.resume(route, flow)
    }

    /// Continues after the copies of [`Action::Mirror`] were begun.
    pub fn resume_mirrored(&self, route: &mut Route<'a>) -> Action<'a> {
        self.run(route, Entry::Mirrored)
    }

    /// Continues after the subrequest of [`Action::Authorize`], which had this status.
    pub fn resume_authorized(&self, route: &mut Route<'a>, status: u16) -> Action<'a> {
        match access::check_authorized(route, status) {
            Flow::Continue => self.run(route, Entry::Content),
            flow => self.resume(route, flow),
        }
    }

    /// Continues with a status: with its error page, or to the end.
    pub fn finish(&self, route: &mut Route<'a>, status: u16) -> Action<'a> {
        let flow = error_page::apply(self, route, status);
        self.resume(route, flow)
    }

    /// Continues with the path or the named location of an upstream's `X-Accel-Redirect`.
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
        self.resume(route, flow)
    }

    fn resume(&self, route: &mut Route<'a>, flow: Flow<'a>) -> Action<'a> {
        match flow {
            Flow::Continue | Flow::FindLocation => self.run(route, Entry::Find),
            Flow::Restart => self.run(route, Entry::Server),
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
                Entry::Location => self.authorize(route),
                Entry::Content => self.mirror(route),
                Entry::Mirrored => self.serve(route),
            };
            // as in nginx: the request must not go where the expression might have kept it from going
            if let Some(pattern) = route.values.take_failed_match() {
                route.note(Severity::Alert, format!("matching \"{pattern}\" failed: too many steps"));
                return self.finish(route, 500);
            }
            entry = match flow {
                Flow::Continue => match entry {
                    Entry::Server => Entry::Find,
                    Entry::Find => Entry::Location,
                    Entry::Location => Entry::Content,
                    Entry::Content | Entry::Mirrored => Entry::Mirrored,
                },
                Flow::FindLocation => Entry::Find,
                Flow::Restart => Entry::Server,
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
            // the search comes next anyway
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
            && route.body == BodyAdmission::Acceptable
        {
            route.body = BodyAdmission::Refused;
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

    /// From the location's rewriting to the check of access.
    fn authorize(&self, route: &mut Route<'a>) -> Flow<'a> {
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
        match limits::check(self, route) {
            Flow::Continue => access::check(self, route),
            flow => flow,
        }
    }

    fn mirror(&self, route: &Route<'a>) -> Flow<'a> {
        match &route.location.config.mirror {
            Some(mirror) if !route.is_subrequest => Flow::Done(Action::Mirror(mirror)),
            _ => Flow::Continue,
        }
    }

    /// From `try_files` to the content.
    fn serve(&self, route: &mut Route<'a>) -> Flow<'a> {
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

    fn enter(&self, route: &mut Route<'a>, location: &'a Location) {
        // as in nginx: methods that `limit_except` does not exempt have a location of their own
        let location = match &location.limit_except {
            Some(limit) if !limit.allows(route.method) => &limit.location,
            _ => location,
        };
        route.location = location;
        route.pass = location.pass.as_ref();
        route.resolved_pass = None;
    }

    /// The metadata of a path, within `disable_symlinks`.
    fn metadata(&self, route: &Route<'a>, path: &[u8]) -> io::Result<FileMetadata> {
        self.files.metadata(path, self.symlinks(route, path))
    }

    /// Opens a file for reading, within `disable_symlinks`.
    fn open(&self, route: &Route<'a>, path: &[u8]) -> io::Result<(Option<File>, FileMetadata)> {
        self.files.open(path, self.symlinks(route, path))
    }

    /// `disable_symlinks`, for a path.
    fn symlinks(&self, route: &Route<'a>, path: &[u8]) -> Symlinks {
        let Some(rules) = &route.location.config.symlinks else { return Symlinks::Followed };
        let from = rules.from.as_ref().map(|from| from.value(&self.scope(route))).unwrap_or_default();
        let start = match path.strip_prefix(&*from) {
            Some([]) => return Symlinks::Followed,
            Some([b'/', ..]) => from.len(),
            Some(_) if from.last() == Some(&b'/') => from.len() - 1,
            // as in nginx: a path that does not begin like this is checked as a whole
            _ => 0,
        };
        Symlinks::Checked { start, allows_owner: rules.allows_owner }
    }

    /// The state that variables read at this point.
    fn scope<'s>(&'s self, route: &'s Route<'s>) -> Scope<'s> {
        Scope {
            connection: self.connection,
            request: Some(self.request),
            refused_line: None,
            route,
            server: self.server,
            pass: route.pass,
            derived: &self.config.derived,
            outcome: self.outcome,
            pending: None,
            hidden_attempts: 0,
        }
    }
}

/// Appends arguments to the target of a redirect.
fn append_args(target: &mut Vec<u8>, args: &[u8]) {
    if !args.is_empty() {
        target.push(b'?');
        target.extend_from_slice(args);
    }
}

#[cfg(test)]
mod tests;
