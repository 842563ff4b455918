//! How clients reach the application, as checks and loads need it.

use super::super::deployment::Deployment;
use super::super::nginx::{Nginx, Server};
use super::{quoted, quoted_literal};

/// How clients reach the application.
pub(super) struct Site<'d> {
    pub(super) nginx: Option<&'d Nginx>,
    /// The server that passes requests to it.
    pub(super) server: Option<&'d Server>,
    pub(super) is_tls: bool,
    /// The name that requests must have.
    pub(super) name: Option<&'d str>,
    /// The path of a page, as clients have it.
    pub(super) page: String,
    is_page_known: bool,
    /// The prefix of the location that passes it on.
    prefix: &'d str,
}

impl Site<'_> {
    pub(super) fn new(deployment: &Deployment) -> Site<'_> {
        let nginx = deployment.nginx.as_ref();
        let servers = nginx.map_or(&[][..], |nginx| &nginx.servers);
        let passing = servers.iter().filter(|server| server.passes && !server.leads_elsewhere());
        let server = passing.clone().find(|server| server.is_tls).or_else(|| passing.clone().next());
        let passed = || server.into_iter().flat_map(Server::own_passed).filter(|passed| !passed.is_exact);
        let passed = || passed().map(|passed| passed.prefix.as_str());
        let known = deployment.pages.iter().find_map(|page| client_path(server, page));
        let is_page_known = known.is_some();
        let page = known.unwrap_or_else(|| passed().min_by_key(|prefix| prefix.len()).unwrap_or("/").to_owned());
        let prefix = passed().filter(|prefix| page.starts_with(prefix)).max_by_key(|prefix| prefix.len());
        Site {
            nginx,
            server,
            is_tls: server.is_some_and(|server| server.is_tls && !server.is_plain),
            name: server.and_then(|server| server.name.as_deref()).or(deployment.host.as_deref()),
            page,
            is_page_known,
            prefix: prefix.unwrap_or("/"),
        }
    }

    /// Whether the page is known, and is there for everybody.
    pub(super) fn is_open(&self) -> bool {
        let is_protected = |server: &Server| server.protected.iter().any(|line| line.applies_to(&self.page));
        self.is_page_known && !self.server.is_some_and(is_protected)
    }

    /// Whether the location of the page is `/`.
    pub(super) fn is_at_root(&self) -> bool {
        self.prefix == "/"
    }

    /// The path of a page that the application does not have.
    pub(super) fn missing_page(&self) -> String {
        format!("{}/no-such-page-of-lab", self.prefix.trim_end_matches('/'))
    }

    /// The path by which clients reach a page of the application.
    pub(super) fn client_path(&self, page: &str) -> Option<String> {
        client_path(self.server, page)
    }

    /// A request for a path, with further header lines.
    pub(super) fn request(&self, path: &str, lines: &[(&str, &str)]) -> String {
        let host = self.name.map(|name| ("Host", name));
        request(path, host.into_iter().chain(lines.iter().copied()), self.is_tls)
    }

    /// The same from 127.0.0.1, where the proxy and the server are.
    pub(super) fn request_from_here(&self, path: &str) -> String {
        let request = self.request(path, &[]);
        let end = request.rfind(" }").unwrap_or(request.len());
        format!("{}, client = \"127.0.0.1\"{}", &request[..end], &request[end..])
    }
}

/// Without a proxy, the application has its own paths.
fn client_path(server: Option<&Server>, page: &str) -> Option<String> {
    server.map_or_else(|| Some(page.to_owned()), |server| server.client_path(page))
}

/// A request for a path, with header lines.
pub(super) fn request<'l>(path: &str, lines: impl Iterator<Item = (&'l str, &'l str)>, is_tls: bool) -> String {
    let lines: Vec<String> =
        lines.map(|(name, value)| format!("[{}, {}]", quoted(name), quoted_literal(value))).collect();
    let headers = if lines.is_empty() { String::new() } else { format!(", headers = [{}]", lines.join(", ")) };
    let tls = if is_tls { ", tls = true" } else { "" };
    format!("request = {{ path = {}{headers}{tls} }}\n", quoted(path))
}
