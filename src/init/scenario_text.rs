//! The scenario of a deployment, as a commented TOML file. Pure.

use std::fmt::Write as _;
use std::path::Path;

use super::deployment::{App, Deployment, Packages, ServerCommand};
use super::nginx::{Header, Nginx, Redirect, Server};

/// Why a twin cannot take the place of its original; `None` if it can.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Twin {
    pub proxy_refusal: Option<String>,
    pub server_refusal: Option<String>,
}

/// Fields that Django's own middleware may add as well.
const FIELDS_OF_DJANGO: [&str; 4] =
    ["x-content-type-options", "x-frame-options", "referrer-policy", "cross-origin-opener-policy"];
/// A host that nobody owns (RFC 2606).
const FORGED_HOST: &str = "forged.invalid";

/// The configuration that includes a site's file, as Debian's nginx.conf does. `site` is relative to it.
#[must_use]
pub fn site_wrapper(site: &Path, has_mime_types: bool) -> String {
    let mime_types = if has_mime_types { "    include /etc/nginx/mime.types;\n" } else { "" };
    format!(
        "# Written by `lab init`: what stands around the files of sites in /etc/nginx/nginx.conf.\n\
         worker_processes auto;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n{mime_types}    default_type application/octet-stream;\n    include {};\n}}\n",
        site.display()
    )
}

/// The scenario. `config` is the path of the nginx configuration that it names, relative to the folder.
#[must_use]
pub fn scenario_text(deployment: &Deployment, app: &App, config: Option<&Path>, twin: &Twin) -> String {
    let mut text = format!(
        "# Written by `lab init` from the files of this folder. Everything here may be changed.\n\
         #\n\
         #     lab provision lab.toml     makes the environments of the servers, once\n\
         #     lab check lab.toml         starts the deployment and checks its behaviour\n\
         #     lab run lab.toml           checks and measures it; --gate compares with the committed snapshot\n\
         \n\
         schema = 1\n\
         name   = {}\n\
         title  = {}\n\
         \n",
        quoted(&deployment.name),
        quoted(&format!("{}: the deployment and its twins", deployment.name)),
    );
    write_app(&mut text, deployment, app);
    write_stacks(&mut text, deployment, config, twin);
    let site = Site::new(deployment);
    write_checks(&mut text, deployment, app, &site);
    write_loads(&mut text, &site);
    text
}

/// A string of TOML.
fn quoted(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

/// The same in a text with placeholders, in which braces are doubled.
fn quoted_literal(value: &str) -> String {
    quoted(&value.replace('{', "{{").replace('}', "}}"))
}

fn quoted_path(path: &Path) -> String {
    match path.to_str() {
        Some("") => quoted("."),
        _ => quoted(&path.display().to_string()),
    }
}

fn write_app(text: &mut String, deployment: &Deployment, app: &App) {
    let _ = writeln!(text, "[app]");
    let interface = if app.is_asgi { "asgi" } else { "wsgi" };
    let _ = writeln!(text, "{interface} = {}", quoted(&app.name));
    let _ =
        writeln!(text, "path = {}                                  # the folder of its module", quoted_path(&app.path));
    let _ =
        writeln!(text, "cwd  = {}                                  # where the servers start", quoted_path(&app.path));
    match &deployment.packages {
        Packages::Venv(venv) => {
            let _ = writeln!(
                text,
                "venv = {}                              # its own packages, with its own gunicorn if it has one",
                quoted_path(venv)
            );
        }
        Packages::File(file) => {
            let _ = writeln!(
                text,
                "requirements = {}           # what it pins is installed, also of the server",
                quoted_path(file)
            );
        }
        Packages::NotFound => {
            let _ = writeln!(
                text,
                "# venv = \".venv\"                            # or requirements = \"requirements.txt\": none was found"
            );
        }
    }
    if let Some(file) = &deployment.env_file {
        let _ = writeln!(text, "env_file = {}", quoted_path(file));
    }
    if !app.variables.is_empty() {
        let pairs = app.variables.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)));
        let _ = writeln!(text, "env = {{ {} }}", pairs.collect::<Vec<_>>().join(", "));
    }
    if let Some((command, is_safe)) = &app.setup {
        let (mark, note) = match is_safe {
            true => ("", "before each start"),
            false => ("# ", "not run unless you say so: it changes the database that is there"),
        };
        let _ = writeln!(text, "{mark}setup = {}   # {note}", quoted(command));
    }
    text.push('\n');
}

fn write_stacks(text: &mut String, deployment: &Deployment, config: Option<&Path>, twin: &Twin) {
    text.push_str("# --- The deployment, and the same files on lab's twins of nginx and gunicorn\n\n");
    let Some(server) = &deployment.server else { return };
    let proxy = |kind: &str| {
        config.map(|config| format!("proxy     = {{ kind = {}, config = {} }}\n", quoted(kind), quoted_path(config)))
    };
    let is_uwsgi = deployment.nginx.as_ref().is_some_and(|nginx| nginx.speaks_uwsgi);
    let original = if is_uwsgi { "nginx/uwsgi" } else { "nginx" };
    let own = server_line(server, &server.kind);
    let lab = server_line(server, "lab");
    let _ = write!(
        text,
        "[[stack]]\nname      = \"original\"\n{}{own}reference = true\n\n",
        proxy(original).unwrap_or_default()
    );
    let is_asgi = deployment.app.as_ref().is_some_and(|app| app.is_asgi);
    if server.kind.starts_with("gunicorn") && is_asgi {
        text.push_str("# lab serve, the twin of gunicorn, runs WSGI applications only.\n\n");
    }
    let mut stack = |name: &str, refusals: [&Option<String>; 2], proxy: Option<String>, server: &str| {
        let lines = format!("[[stack]]\nname      = \"{name}\"\n{}{server}\n", proxy.unwrap_or_default());
        let reasons: Vec<&str> = refusals.iter().filter_map(|reason| reason.as_deref()).collect();
        if reasons.is_empty() {
            text.push_str(&lines);
            return;
        }
        for reason in reasons.iter().flat_map(|reason| reason.lines()) {
            let _ = writeln!(text, "# {reason}");
        }
        for line in lines.trim_end().lines() {
            let _ = writeln!(text, "# {line}");
        }
        text.push('\n');
    };
    let is_gunicorn = server.kind.starts_with("gunicorn") && !is_asgi;
    if config.is_some() && !is_uwsgi {
        stack("lab-proxy", [&twin.proxy_refusal, &None], proxy("lab"), &own);
    }
    if is_gunicorn {
        stack("lab-serve", [&None, &twin.server_refusal], proxy(original), &lab);
    }
    if config.is_some() && is_gunicorn {
        stack("lab", [&twin.proxy_refusal, &twin.server_refusal], proxy("lab"), &lab);
    }
}

fn server_line(server: &ServerCommand, kind: &str) -> String {
    let mut keys = format!("kind = {}", quoted(kind));
    if let Some(config) = &server.config {
        let _ = write!(keys, ", config = {}", quoted_path(config));
    }
    if let Some(workers) = server.workers {
        let _ = write!(keys, ", workers = {workers}");
    }
    if let Some(threads) = server.threads {
        let _ = write!(keys, ", threads = {threads}");
    }
    if !server.arguments.is_empty() {
        let arguments: Vec<String> = server.arguments.iter().map(|argument| quoted(argument)).collect();
        let _ = write!(keys, ", arguments = [{}]", arguments.join(", "));
    }
    format!("server    = {{ {keys} }}\n")
}

/// How clients reach the application.
struct Site<'d> {
    nginx: Option<&'d Nginx>,
    /// The server that passes requests to it.
    server: Option<&'d Server>,
    is_tls: bool,
    /// The name that requests must have.
    name: Option<&'d str>,
    page: &'d str,
    is_page_known: bool,
}

impl Site<'_> {
    fn new(deployment: &Deployment) -> Site<'_> {
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
    fn request(&self, path: &str, lines: &[(&str, &str)]) -> String {
        let host = self.name.map(|name| ("Host", name));
        request(path, host.into_iter().chain(lines.iter().copied()), self.is_tls)
    }
}

fn request<'l>(path: &str, lines: impl Iterator<Item = (&'l str, &'l str)>, is_tls: bool) -> String {
    let lines: Vec<String> =
        lines.map(|(name, value)| format!("[{}, {}]", quoted(name), quoted_literal(value))).collect();
    let headers = if lines.is_empty() { String::new() } else { format!(", headers = [{}]", lines.join(", ")) };
    let tls = if is_tls { ", tls = true" } else { "" };
    format!("request = {{ path = {}{headers}{tls} }}\n", quoted(path))
}

fn write_checks(text: &mut String, deployment: &Deployment, app: &App, site: &Site<'_>) {
    text.push_str("# --- Is it right?\n\n");
    let is_protected = site.server.is_some_and(|server| server.is_protected);
    let classes = match site.is_page_known && !is_protected {
        true => "[\"2xx\", \"3xx\"]",
        false => "[\"2xx\", \"3xx\", \"4xx\"]",
    };
    let _ = write!(
        text,
        "[[check]]\nname    = \"a page is served\"\n{}expect.status = {classes}\n",
        site.request(site.page, &[])
    );
    let added = site.server.map_or(&[][..], |server| &server.headers);
    // Without `always`, only some statuses have the field.
    let sure = added.iter().filter(|header| header.is_always || (site.is_page_known && !is_protected));
    let rules: Vec<String> = sure.map(|header| header_rule(header, app.is_django)).collect();
    if !rules.is_empty() {
        let file = site.nginx.map(|nginx| nginx.file.display().to_string()).unwrap_or_default();
        let _ = writeln!(text, "expect.headers = {{ {} }}   # {file}", rules.join(", "));
    }
    let _ = write!(
        text,
        "\n[[check]]\nname    = \"a page that is not there is no server error\"\n{}expect.status = [\"2xx\", \"3xx\", \"4xx\"]\n",
        site.request("/no-such-page-of-lab", &[])
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
        site.request(site.page, &forged)
    );
    // Without a proxy, lab's client would be the one that servers trust.
    if site.is_page_known && !is_protected && site.server.is_some_and(|server| server.passes_root) {
        let _ = writeln!(
            text,
            "expect.app     = {{ remote_addr = {{ not = \"203.0.113.9\" }}, host = {{ lacks = \"{FORGED_HOST}\" }}, \
             scheme = {{ not = \"gopher\" }} }}"
        );
    }
    for (path, cookie) in &deployment.cookies {
        let _ = write!(
            text,
            "\n[[check]]\nname    = {}\n{}expect.status  = [\"2xx\", \"3xx\"]\n",
            quoted(&format!("{path} is served, and sets {cookie} for this site only")),
            site.request(path, &[])
        );
        let _ = writeln!(text, "expect.headers = {{ Set-Cookie = {{ lacks = \"SameSite=None\" }} }}");
    }
    let mut requested: Vec<&str> = site.name.into_iter().collect();
    for server in site.nginx.map_or(&[][..], |nginx| &nginx.servers) {
        if let (Some(redirect), true) = (&server.redirect, server.is_plain)
            && write_redirect(text, server, redirect, site)
        {
            requested.extend(server.name.as_deref());
        }
    }
    for server in site.nginx.map_or(&[][..], |nginx| &nginx.servers) {
        let Some(name) = server.name.as_deref().filter(|name| !requested.contains(name)) else { continue };
        requested.push(name);
        let _ = write!(
            text,
            "\n[[check]]\nname    = {}\n{}expect.status = [\"2xx\", \"3xx\", \"4xx\"]\n",
            quoted(&format!("{name} responds")),
            request("/", std::iter::once(("Host", name)), server.is_tls && !server.is_plain)
        );
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

/// Returns whether its target is known.
fn write_redirect(text: &mut String, server: &Server, redirect: &Redirect, site: &Site<'_>) -> bool {
    const PATH: &str = "/a/page?of=lab";
    let name = server.name.as_deref().or(site.name).unwrap_or("site.example");
    let Some(target) = expanded(&redirect.target, name, PATH) else { return false };
    let _ = write!(
        text,
        "\n[[check]]                                   # {}:{}\nname    = {}\n{}expect.status  = {}\nexpect.headers = {{ Location = {} }}\n",
        site.nginx.map(|nginx| nginx.file.display().to_string()).unwrap_or_default(),
        redirect.line,
        quoted(&format!("{name} is redirected")),
        request(PATH, std::iter::once(("Host", name)), false),
        redirect.status,
        quoted_literal(&target)
    );
    true
}

/// The target of a redirect for one request; `None` if it has a variable that only nginx knows.
fn expanded(target: &str, name: &str, path: &str) -> Option<String> {
    let mut text = target.to_owned();
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    // The longer names first.
    for (variable, value) in [
        ("$request_uri", path),
        ("$server_name", name),
        ("$http_host", name),
        ("$scheme", "http"),
        ("$host", name),
        ("$uri", bare),
        ("$args", query),
    ] {
        text = text.replace(variable, value);
    }
    (!text.contains('$') && text.contains("://")).then_some(text)
}

fn write_loads(text: &mut String, site: &Site<'_>) {
    text.push_str("# --- How fast is it?\n\n");
    if let Some((nginx, line)) = site.nginx.and_then(|nginx| Some((nginx, nginx.limit_line?))) {
        let _ = write!(
            text,
            "# {}:{line} limits the requests of one client, and a load driver is one: it would measure the limit. Without it,\n\
             # in a copy of that file, a load is\n#\n\
             #     [[load]]\n#     name        = \"page\"\n#     driver      = \"closed\"\n#     connections = 4\n#     path        = {}\n#     duration    = \"5s\"\n",
            nginx.file.display(),
            quoted(site.page)
        );
        text.push_str(
            "\n# Facts alone are gated: what the checks saw, compared with the committed snapshot.\n[gate]\n",
        );
        return;
    }
    text.push_str(&load(site));
    text.push_str(
        "\n[rounds]\ncount  = 8\nwarmup = \"1s\"\n\n\
         [quick]                                     # lab run --quick\nrounds   = 1\nduration = \"2s\"\n\n\
         [gate]                                      # what lab run --gate fails for, beside changed facts\n\
         margins = { cpu_per_request = \"15%\", throughput = \"15%\" }\n",
    );
}

/// A closed loop on the page. Only the requests of journeys can have another host without TLS.
fn load(site: &Site<'_>) -> String {
    let page = quoted(site.page);
    let closed = |tls: &str| {
        format!(
            "[[load]]\nname        = \"page\"\n\
             driver      = \"closed\"                      # a fixed number of clients, one request at a time each\n\
             connections = 4\npath        = {page}\n{tls}duration    = \"5s\"\n"
        )
    };
    match (site.is_tls, site.name) {
        (true, Some(name)) => closed(&format!("tls         = {{ insecure = true, server_name = {} }}\n", quoted(name))),
        (true, None) => closed("tls         = { insecure = true }\n"),
        (false, None) => closed(""),
        (false, Some(name)) => format!(
            "[[load]]\nname     = \"page\"\n\
             driver   = \"goose\"                          # a fixed number of users, one request at a time each\n\
             users    = 4\nduration = \"5s\"\n\n[[load.step]]\nname    = \"page\"\npath    = {page}\nheaders = [[\"Host\", {}]]\n",
            quoted(name)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_expanded() {
        let expand = |target| expanded(target, "example.org", "/a?b=c");
        assert_eq!(expand("https://$host$request_uri").as_deref(), Some("https://example.org/a?b=c"));
        assert_eq!(expand("$scheme://www.example.org$uri").as_deref(), Some("http://www.example.org/a"));
        assert_eq!(expand("https://$upstream_addr"), None);
        assert_eq!(expand("/elsewhere"), None);
    }

    #[test]
    fn sites_file_gets_a_configuration_around_it() {
        let text = site_wrapper(Path::new("deploy/site.conf"), false);
        let tree = lab_nginx_conf::parse(&text, Path::new("nginx.conf")).unwrap();
        assert!(tree.iter().any(|directive| directive.name == "http"), "{text}");
        assert!(text.contains("include deploy/site.conf;"));
    }
}
