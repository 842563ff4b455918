//! The variables of a request, as it arrived and as it was rewritten.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use lab_http::Version;
use lab_http::h1::write::decimal;

use super::lookup::{self, JOINED_REQUEST_FIELDS};
use super::scope::{Scope, append};
use crate::routing::request::Request;
use crate::variables::Variable;

impl Scope<'_> {
    /// Variables of a request that even a refused one has.
    pub(super) fn write_refused_request_variable(&self, variable: &Variable, out: &mut Vec<u8>) -> bool {
        match variable {
            Variable::Host => append(out, Some(self.server.first_name.as_bytes())),
            _ => false,
        }
    }

    /// Variables that need a complete request.
    pub(super) fn write_request_variable(&self, request: &Request<'_>, variable: &Variable, out: &mut Vec<u8>) -> bool {
        let headers = &request.head.headers;
        let start = out.len();
        match variable {
            Variable::Argument(name) => {
                return append(out, lookup::argument(self.route.args.as_deref().unwrap_or_default(), name));
            }
            Variable::Args => return append(out, self.route.args.as_deref()),
            Variable::IsArgs => {
                out.extend_from_slice(if self.route.has_args() { b"?" } else { b"" });
                return true;
            }
            Variable::ContentLength => match headers.get("content-length") {
                Some(length) => out.extend_from_slice(length),
                // as in nginx: the length of a body that was collected from chunks
                None if self.outcome.request_body_bytes > 0 => decimal(out, self.outcome.request_body_bytes),
                None => return false,
            },
            Variable::ContentType => return append(out, headers.get("content-type")),
            Variable::Cookie(name) => return append(out, lookup::cookie(headers, name)),
            Variable::DocumentRoot => self.route.location.root.write(self, out),
            Variable::RealpathRoot => {
                let root = std::fs::canonicalize(Path::new(std::ffi::OsStr::from_bytes(&self.root())));
                return append(out, root.ok().as_ref().map(|root| root.as_os_str().as_bytes()));
            }
            Variable::RequestFilename => {
                if let Some(path) = self.route.location.root.file_path(self) {
                    out.extend_from_slice(&path.bytes);
                }
            }
            Variable::Host => match &request.host {
                Some(host) => out.extend_from_slice(host),
                None => return append(out, Some(self.server.first_name.as_bytes())),
            },
            Variable::Http2 => {
                let name = if self.connection.tls.is_some() { "h2" } else { "h2c" };
                let is_http2 = request.head.version == Version::Http2;
                return append(out, is_http2.then_some(name.as_bytes()));
            }
            // the host of the target replaces the field (RFC 9112 §3.2.2)
            Variable::HttpField(name) if name == "host" => return append(out, request.target.host),
            Variable::HttpField(name) => return lookup::write_field(headers.iter(), name, JOINED_REQUEST_FIELDS, out),
            Variable::ProxyAddXForwardedFor => {
                lookup::write_field(headers.iter(), "x_forwarded_for", JOINED_REQUEST_FIELDS, out);
                if out.len() > start {
                    out.extend_from_slice(b", ");
                }
                out.extend_from_slice(self.client_address().as_bytes());
            }
            Variable::ProxyHost => match (&self.route.resolved_pass, self.pass) {
                (Some(proxied), _) => out.extend_from_slice(&proxied.host),
                (None, Some(pass)) => out.extend_from_slice(pass.host.as_bytes()),
                (None, None) => {}
            },
            Variable::ProxyPort => match (&self.route.resolved_pass, self.pass) {
                (Some(proxied), _) => decimal(out, u64::from(proxied.port)),
                (None, Some(pass)) => decimal(out, u64::from(pass.port)),
                (None, None) => {}
            },
            Variable::RemoteUser => {
                let user = headers.get("authorization").and_then(lookup::basic_user);
                return append(out, user.as_deref());
            }
            Variable::Request => {
                out.extend_from_slice(request.head.method());
                out.push(b' ');
                out.extend_from_slice(request.head.target());
                out.push(b' ');
                out.extend_from_slice(request.head.version.text().as_bytes());
            }
            Variable::RequestBody => out.extend_from_slice(&self.outcome.request_body),
            Variable::RequestBodyFile => {
                let file = self.outcome.request_body_file.as_ref();
                return append(out, file.map(|file| file.as_os_str().as_bytes()));
            }
            Variable::RequestLength => decimal(out, request.head_bytes + self.outcome.request_body_bytes),
            Variable::RequestMethod => out.extend_from_slice(self.route.request_method()),
            Variable::RequestUri => out.extend_from_slice(&request.target.origin_form(request.head)),
            Variable::ServerProtocol => out.extend_from_slice(request.head.version.text().as_bytes()),
            Variable::Uri => out.extend_from_slice(&self.route.uri),
            _ => {}
        }
        out.len() > start
    }
}
