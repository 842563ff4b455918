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
    pub(super) page: &'d str,
    pub(super) is_page_known: bool,
}

impl Site<'_> {
    pub(super) fn new(deployment: &Deployment) -> Site<'_> {
        let nginx = deployment.nginx.as_ref();
        let servers = nginx.map_or(&[][..], |nginx| &nginx.servers);
        let passing = servers.iter().filter(|server| server.passes);
        let server = passing.clone().find(|server| server.is_tls).or_else(|| passing.clone().next());
        Site {
            nginx,
            server,
            is_tls: server.is_some_and(|server| server.is_tls && !server.is_plain),
            name: server.and_then(|server| server.name.as_deref()),
            page: deployment.page.as_deref().unwrap_or("/"),
            is_page_known: deployment.page.is_some(),
        }
    }

    /// A request for a path, with further header lines.
    pub(super) fn request(&self, path: &str, lines: &[(&str, &str)]) -> String {
        let host = self.name.map(|name| ("Host", name));
        request(path, host.into_iter().chain(lines.iter().copied()), self.is_tls)
    }
}

/// A request for a path, with header lines.
pub(super) fn request<'l>(path: &str, lines: impl Iterator<Item = (&'l str, &'l str)>, is_tls: bool) -> String {
    let lines: Vec<String> =
        lines.map(|(name, value)| format!("[{}, {}]", quoted(name), quoted_literal(value))).collect();
    let headers = if lines.is_empty() { String::new() } else { format!(", headers = [{}]", lines.join(", ")) };
    let tls = if is_tls { ", tls = true" } else { "" };
    format!("request = {{ path = {}{headers}{tls} }}\n", quoted(path))
}
