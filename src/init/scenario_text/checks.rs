//! Writes the checks that follow from the files.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::super::deployment::{App, Deployment};
use super::super::nginx::{Header, Redirect, Server};
use super::site::{Site, request};
use super::{quoted, quoted_literal};

/// Fields that Django's own middleware may add as well.
const FIELDS_OF_DJANGO: [&str; 4] =
    ["x-content-type-options", "x-frame-options", "referrer-policy", "cross-origin-opener-policy"];
/// A host that nobody owns (RFC 2606).
const FORGED_HOST: &str = "forged.invalid";

pub(super) fn write(text: &mut String, deployment: &Deployment, app: &App, site: &Site<'_>) {
    text.push_str("# --- Is it right?\n\n");
    let classes = match site.is_open() {
        true => "[\"2xx\", \"3xx\"]",
        false => "[\"2xx\", \"3xx\", \"4xx\"]",
    };
    let _ = write!(
        text,
        "[[check]]\nname    = \"a page is served\"\n{}expect.status = {classes}\n",
        site.request(&site.page, &[])
    );
    // Those of other locations are not known.
    let added = site.server.filter(|_| site.is_at_root()).map_or(&[][..], |server| &server.headers);
    // Without `always`, only some statuses have the field.
    let sure = added.iter().filter(|header| header.is_always || site.is_open());
    let rules: Vec<String> = sure.map(|header| header_rule(header, app.is_django)).collect();
    if !rules.is_empty() {
        let file = site.nginx.map(|nginx| nginx.file.display().to_string()).unwrap_or_default();
        let _ = writeln!(text, "expect.headers = {{ {} }}   # {file}", rules.join(", "));
    }
    let _ = write!(
        text,
        "\n[[check]]\nname    = \"a page that is not there is no server error\"\n{}expect.status = [\"2xx\", \"3xx\", \"4xx\"]\n",
        site.request(&site.missing_page(), &[])
    );
    let forged = [
        ("X-Forwarded-Host", FORGED_HOST),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Proto", "gopher"),
        ("Forwarded", "for=203.0.113.9;host=forged.invalid"),
    ];
    let _ = write!(
        text,
        "\n[[check]]                                   # a client can send these fields, and nothing may believe them\n\
         name    = \"forged forwarded fields reach no page and no redirect\"\n{}expect.status  = {classes}\n\
         expect.headers = {{ Location = {{ lacks = \"{FORGED_HOST}\" }}, Set-Cookie = {{ lacks = \"{FORGED_HOST}\" }} }}\n\
         expect.body    = {{ lacks = \"{FORGED_HOST}\" }}\n",
        site.request(&site.page, &forged)
    );
    let is_observable = deployment.server.as_ref().is_none_or(|server| !server.is_for_aiohttp());
    // A server without a proxy may trust everybody on purpose.
    if site.is_open() && site.server.is_some() && is_observable {
        let _ = writeln!(
            text,
            "expect.app     = {{ remote_addr = {{ not = \"203.0.113.9\" }}, host = {{ lacks = \"{FORGED_HOST}\" }}, scheme = \
             {{ not = \"gopher\" }} }}"
        );
    }
    for (path, cookie) in &deployment.cookies {
        let Some(path) = site.client_path(path) else { continue };
        let _ = write!(
            text,
            "\n[[check]]\nname    = {}\n{}expect.status  = [\"2xx\", \"3xx\"]\n",
            quoted(&format!("{path} is served, and sets {cookie} for this site only")),
            site.request(&path, &[])
        );
        let _ = writeln!(text, "expect.headers = {{ Set-Cookie = {{ lacks = \"SameSite=None\" }} }}");
    }
    let mut requested: Vec<&str> = site.server.and_then(|server| server.name.as_deref()).into_iter().collect();
    let mut redirected = BTreeSet::new();
    for server in site.nginx.map_or(&[][..], |nginx| &nginx.servers) {
        for redirect in &server.redirects {
            let Some((name, check)) = redirect_check(server, redirect, site) else { continue };
            if redirected.insert(name) {
                text.push_str(&check);
                requested.extend(server.name.as_deref().into_iter().chain(redirect.host.as_deref()));
            }
        }
    }
    let servers = site.nginx.map_or(&[][..], |nginx| &nginx.servers);
    for server in servers.iter().filter(|server| !server.leads_elsewhere()) {
        let Some(name) = server.name.as_deref().filter(|name| !requested.contains(name)) else { continue };
        requested.push(name);
        let _ = write!(
            text,
            "\n[[check]]\nname    = {}\n{}expect.status = [\"2xx\", \"3xx\", \"4xx\"]\n",
            quoted(&format!("{name} responds")),
            request("/", std::iter::once(("Host", name)), server.is_tls && !server.is_plain)
        );
    }
    for (line, page) in site.server.iter().flat_map(|server| &server.status_pages) {
        let file = site.nginx.map(|nginx| nginx.file.display().to_string()).unwrap_or_default();
        for (name, request, status) in [
            (format!("{page} is not for everybody"), site.request(page, &[]), 403),
            (format!("{page} is for this machine"), site.request_from_here(page), 200),
        ] {
            let name = quoted(&name);
            let _ = write!(
                text,
                "\n[[check]]                                   # {file}:{line}\nname    = {name}\n{request}expect.status = {status}\n"
            );
        }
    }
    for (files, sample) in
        site.server.iter().flat_map(|server| &server.files).filter_map(|files| Some((files, files.sample.as_ref()?)))
    {
        let _ = write!(
            text,
            "\n[[check]]\nname    = {}\n{}expect.status  = 200\n",
            quoted(&format!("{sample} is served by the proxy")),
            site.request(sample, &[])
        );
        if let Some(seconds) = files.max_age {
            let _ = writeln!(text, "expect.headers = {{ Cache-Control = {{ contains = \"max-age={seconds}\" }} }}");
        }
    }
    text.push('\n');
}

fn header_rule(header: &Header, is_django: bool) -> String {
    let Header { name, value, .. } = header;
    match is_django && FIELDS_OF_DJANGO.contains(&name.to_lowercase().as_str()) {
        true => format!("{} = {{ present = true }}", quoted(name)),
        false => format!("{} = {}", quoted(name), quoted_literal(value)),
    }
}

/// The check of a redirect, with its name; `None` if only nginx knows the target.
fn redirect_check(server: &Server, redirect: &Redirect, site: &Site<'_>) -> Option<(String, String)> {
    const PATH: &str = "/a/page?of=lab";
    let host = redirect.host.as_deref().or(server.name.as_deref()).or(site.name).unwrap_or("site.example");
    let is_tls = !server.is_plain && !redirect.is_of_plain;
    let target = expanded(&redirect.target, host, PATH, if is_tls { "https" } else { "http" })?;
    let name = format!("{host} is redirected{}", if is_tls { " over TLS" } else { "" });
    let check = format!(
        "\n[[check]]                                   # {}:{}\nname    = {}\n{}expect.status  = {}\nexpect.headers = {{ Location = {} }}\n",
        site.nginx.map(|nginx| nginx.file.display().to_string()).unwrap_or_default(),
        redirect.line,
        quoted(&name),
        request(PATH, std::iter::once(("Host", host)), is_tls),
        redirect.status,
        quoted_literal(&target)
    );
    Some((name, check))
}

/// The target of a redirect for one request; `None` if it has a variable that only nginx knows.
fn expanded(target: &str, name: &str, path: &str, scheme: &str) -> Option<String> {
    let mut text = target.to_owned();
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    // The longer names first.
    for (variable, value) in [
        ("$request_uri", path),
        ("$server_name", name),
        ("$http_host", name),
        ("$scheme", scheme),
        ("$host", name),
        ("$uri", bare),
        ("$args", query),
    ] {
        text = text.replace(variable, value);
    }
    (!text.contains('$') && text.contains("://")).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_expanded() {
        let expand = |target| expanded(target, "example.org", "/a?b=c", "http");
        assert_eq!(expand("https://$host$request_uri").as_deref(), Some("https://example.org/a?b=c"));
        assert_eq!(expand("$scheme://www.example.org$uri").as_deref(), Some("http://www.example.org/a"));
        assert_eq!(expand("https://$upstream_addr"), None);
        assert_eq!(expand("/elsewhere"), None);
    }
}
