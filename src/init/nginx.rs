//! What an nginx configuration does, as far as checks can expect it: names, TLS, redirects, files, header fields.

mod files;
mod passed;
mod redirect;
mod scope;

use std::fmt;
use std::path::{Path, PathBuf};

pub(super) use files::Files;
pub(super) use passed::PassedPrefix;
pub(super) use redirect::Redirect;
pub(super) use scope::ScopedLine;

use lab_nginx_conf::{ConfError, Directive, SourceFile, is_other_protocol, walk};

/// An nginx configuration, whole or of one site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nginx {
    /// Relative to the folder of the deployment.
    pub file: PathBuf,
    /// Whether it has an `http` block, as opposed to a file that such a block includes.
    pub is_whole: bool,
    /// The files that it includes, of those in the folder of the deployment.
    pub parts: Vec<PathBuf>,
    pub servers: Vec<Server>,
    /// Where requests or connections of one client are limited.
    pub limits: Vec<ScopedLine>,
    pub speaks_uwsgi: bool,
    /// The first line with the directive `http2`, which nginx has since 1.25.1.
    pub http2_line: Option<usize>,
    /// The text that `lab init` writes to the file, if it is made from another.
    pub filled: Option<String>,
    pub origin: Option<Origin>,
}

/// The file that a configuration is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub file: PathBuf,
    /// The name of the text in a manifest of Kubernetes.
    pub key: Option<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{} ({key})", self.file.display()),
            None => write!(f, "{}", self.file.display()),
        }
    }
}

impl Nginx {
    /// Whether it passes requests to an application.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.servers.iter().any(|server| server.passes)
    }

    /// Whether some of its locations pass requests to other servers than the application's.
    #[must_use]
    pub fn leads_elsewhere(&self) -> bool {
        self.servers.iter().flat_map(|server| &server.passed).any(|passed| passed.leads_elsewhere)
    }

    /// The file that the project has.
    #[must_use]
    pub fn source_file(&self) -> &Path {
        self.origin.as_ref().map_or(&self.file, |origin| &origin.file)
    }

    /// The first line that limits requests for a path, or may do so.
    #[must_use]
    pub fn limit_of(&self, path: &str) -> Option<usize> {
        self.limits.iter().find(|limit| limit.applies_to(path)).map(|limit| limit.line)
    }
}

/// A `server` block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Server {
    pub line: usize,
    /// The first name that a client can send, rather one that is not redirected.
    pub name: Option<String>,
    pub is_tls: bool,
    pub is_plain: bool,
    /// Whether it passes requests to an application.
    pub passes: bool,
    /// The prefixes of the locations that pass requests on.
    pub passed: Vec<PassedPrefix>,
    pub redirects: Vec<Redirect>,
    /// Where it asks for a password.
    pub protected: Vec<ScopedLine>,
    /// The fields that it adds to responses for `/`.
    pub headers: Vec<Header>,
    pub files: Vec<Files>,
    /// The status pages that only this machine sees, with their lines.
    pub status_pages: Vec<(usize, String)>,
}

impl Server {
    /// The prefixes of the locations that pass requests to the application, as far as that is known.
    pub fn own_passed(&self) -> impl Iterator<Item = &PassedPrefix> {
        self.passed.iter().filter(|passed| !passed.leads_elsewhere)
    }

    /// Whether all its locations pass requests to other servers than the application's.
    #[must_use]
    pub fn leads_elsewhere(&self) -> bool {
        !self.passed.is_empty() && self.own_passed().next().is_none()
    }

    /// The path by which clients reach a page of the application; `None` if it is not known to be passed on.
    #[must_use]
    pub fn client_path(&self, page: &str) -> Option<String> {
        // nginx takes the location with the longest prefix, which may be one of files or of another application.
        let elsewhere = self.passed.iter().filter(|passed| passed.leads_elsewhere).map(|passed| &passed.prefix);
        let others: Vec<&String> = self.files.iter().map(|files| &files.prefix).chain(elsewhere).collect();
        let is_shadowed = |path: &str, prefix: &str| {
            others.iter().any(|other| path.starts_with(*other) && other.len() > prefix.len())
        };
        let reached = self.own_passed().filter_map(|PassedPrefix { prefix, replacement, is_exact, .. }| {
            let path = match replacement {
                Some(replacement) => format!("{prefix}{}", page.strip_prefix(replacement.as_str())?),
                None => page.to_owned(),
            };
            let is_passed = if *is_exact { path == *prefix } else { path.starts_with(prefix) };
            (is_passed && !is_shadowed(&path, prefix)).then_some(path)
        });
        reached.min_by_key(String::len)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
    pub line: usize,
    /// Whether responses of every status have it.
    pub is_always: bool,
}

/// Reads a configuration with what it includes. `file` is relative to the deployment's folder.
///
/// # Errors
/// A file cannot be read, or is malformed.
pub(super) fn read(folder: &Path, file: PathBuf, text: &str) -> Result<Nginx, ConfError> {
    let path = folder.join(&file);
    let is_whole = lab_nginx_conf::parse(text, &path)?.iter().any(|directive| directive.name == "http");
    // The file of a site is included by one in the deployment's folder.
    let home = path.parent().filter(|_| is_whole).unwrap_or(folder);
    let mut loaded = lab_nginx_conf::load_nearby(&path, home, &mut |asked| match asked == path {
        // It may not be written yet.
        true => Ok(SourceFile { file: path.clone(), text: text.to_owned() }),
        false => lab_nginx_conf::read_source(asked),
    })?;
    loaded.tree.retain(|directive| !is_other_protocol(directive));
    let included = loaded.sources.iter().skip(1);
    let parts = included.filter_map(|source| source.file.strip_prefix(folder).ok().map(Path::to_owned)).collect();
    Ok(Nginx { parts, ..from_tree(&loaded.tree, file) })
}

fn from_tree(tree: &[Directive], file: PathBuf) -> Nginx {
    let is_whole = tree.iter().any(|directive| directive.name == "http");
    let http = tree.iter().filter(|directive| directive.name == "http").flat_map(Directive::children);
    let inherited: Vec<&Directive> = http.collect();
    let servers = walk(tree).filter(|directive| directive.name == "server" && !directive.children().is_empty());
    Nginx {
        file,
        is_whole,
        parts: Vec::new(),
        servers: servers.map(|block| server(block, &inherited, tree)).collect(),
        limits: scope::limits(tree),
        speaks_uwsgi: walk(tree).any(|directive| directive.name == "uwsgi_pass"),
        http2_line: walk(tree).find(|directive| directive.name == "http2").map(|directive| directive.line),
        filled: None,
        origin: None,
    }
}

fn server(block: &Directive, http: &[&Directive], tree: &[Directive]) -> Server {
    let own = block.children();
    let listens = named(own, "listen");
    let is_tls = |listen: &&Directive| listen.args.iter().skip(1).any(|arg| arg.value == "ssl");
    let names = named(own, "server_name").into_iter().flat_map(|directive| &directive.args);
    let is_sent = |name: &&str| !name.is_empty() && *name != "_" && !name.contains(['*', '~', '$']);
    let names = names.map(|arg| arg.value.as_str()).filter(is_sent).map(|name| name.trim_start_matches('.').to_owned());
    let mut names: Vec<String> = names.collect();
    let passes = walk(own).any(passed::is_pass);
    let root = named(own, "location").into_iter().find(|location| prefix_of(location) == Some("/"));
    let root_children = root.map_or(&[][..], Directive::children);
    let returns = named(own, "return").first().copied().or_else(|| named(root_children, "return").first().copied());
    let redirects = redirect::redirects(own, returns.filter(|_| !passes));
    names.sort_by_key(|name| redirects.iter().any(|redirect| redirect.host.as_ref() == Some(name)));
    Server {
        line: block.line,
        name: names.into_iter().next(),
        is_tls: listens.iter().any(is_tls),
        is_plain: listens.is_empty() || !listens.iter().all(is_tls),
        passes,
        passed: named(own, "location").into_iter().filter_map(|location| passed::passed(location, own, tree)).collect(),
        redirects,
        protected: scope::protected(own),
        headers: headers(&[root_children.iter().collect(), own.iter().collect(), http.to_vec()]),
        files: named(own, "location").into_iter().filter_map(|location| files::files(location, own)).collect(),
        status_pages: named(own, "location").into_iter().filter_map(status_page).collect(),
    }
}

fn named<'d>(block: &'d [Directive], name: &str) -> Vec<&'d Directive> {
    block.iter().filter(|directive| directive.name == name).collect()
}

/// The prefix of a location that is matched by prefix.
fn prefix_of(location: &Directive) -> Option<&str> {
    match (location.arg(0)?, location.arg(1)) {
        (prefix, None) if prefix.starts_with('/') => Some(prefix),
        ("^~", Some(prefix)) => Some(prefix),
        _ => None,
    }
}

/// The page of `stub_status`, if only 127.0.0.1 is allowed.
fn status_page(location: &Directive) -> Option<(usize, String)> {
    let own = location.children();
    let path = match (location.arg(0)?, location.arg(1)) {
        ("=", Some(path)) => path,
        _ => prefix_of(location)?,
    };
    let is_only = |name: &str, value: &str| {
        let all: Vec<Option<&str>> = named(own, name).into_iter().map(|directive| directive.arg(0)).collect();
        all == [Some(value)]
    };
    let is_status = !named(own, "stub_status").is_empty();
    (is_status && is_only("allow", "127.0.0.1") && is_only("deny", "all")).then(|| (location.line, path.to_owned()))
}

/// The fields of the innermost level that adds any: a level with `add_header` inherits none (ngx_http_headers_module).
fn headers(levels: &[Vec<&Directive>]) -> Vec<Header> {
    let added = |level: &Vec<&Directive>| -> Vec<Header> {
        let all = level.iter().filter(|directive| directive.name == "add_header");
        all.filter_map(|directive| {
            let (name, value) = (directive.arg(0)?.to_owned(), directive.arg(1)?.to_owned());
            Some(Header { name, value, line: directive.line, is_always: directive.arg(2) == Some("always") })
        })
        .collect()
    };
    let innermost = levels.iter().map(added).find(|headers| !headers.is_empty()).unwrap_or_default();
    innermost.into_iter().filter(|header| !header.value.contains('$') && !header.value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviour_of_a_site_is_read() {
        let text = "\
upstream app { server unix:/run/app.sock; }
server {
    listen 80;
    server_name .example.org;
    return 301 https://$host$request_uri;
}
server {
    listen 443 ssl;
    server_name _ example.org;
    add_header X-Frame-Options DENY always;
    location /static/ { alias site/static/; expires 7d; }
    location ^~ /media/ { root site; }
    location ~ \\.php$ { return 404; }
    location / { proxy_pass http://app; limit_req zone=one; }
    location = /status { stub_status; allow 127.0.0.1; deny all; }
    location /open { stub_status; }
}
";
        let tree = lab_nginx_conf::parse(text, Path::new("site.conf")).unwrap();
        let found = from_tree(&tree, "site.conf".into());
        assert!(!found.is_whole && !found.speaks_uwsgi);
        assert_eq!(found.limit_of("/any"), Some(14));
        let [plain, tls] = found.servers.as_slice() else { panic!("{found:?}") };
        let target = "https://$host$request_uri".to_owned();
        let of_all = Redirect { line: 5, status: 301, target, host: None, is_of_plain: false };
        assert_eq!(plain.redirects, [of_all]);
        assert!(plain.is_plain && !plain.is_tls && !plain.passes && tls.is_tls && !tls.is_plain && tls.passes);
        assert_eq!((plain.name.as_deref(), tls.name.as_deref()), (Some("example.org"), Some("example.org")));
        assert_eq!(tls.status_pages, [(15, "/status".to_owned())]);
        assert_eq!(tls.headers.iter().map(|header| header.value.as_str()).collect::<Vec<_>>(), ["DENY"]);
        let files: Vec<_> =
            tls.files.iter().map(|one| (one.prefix.as_str(), one.folder.clone(), one.max_age)).collect();
        assert_eq!(files, [("/static/", "site/static/".into(), Some(604_800)), ("/media/", "site/media".into(), None)]);
    }

    #[test]
    fn paths_of_pages_are_those_of_clients() {
        let text = "\
server {
    location / { root site; }
    location /api/ { proxy_pass http://app:8000/; }
    location /admin { proxy_pass http://unix:/run/app.sock; }
    location /api/files/ { root site; }
    location /old { rewrite ^/old/(.*) /$1 break; proxy_pass http://app; }
    location = /health { proxy_pass http://app:8000/live; }
}
";
        let tree = lab_nginx_conf::parse(text, Path::new("site.conf")).unwrap();
        let server = &from_tree(&tree, "site.conf".into()).servers[0];
        let path = |page| server.client_path(page);
        assert_eq!(path("/notes").as_deref(), Some("/api/notes"));
        assert_eq!(path("/files/a"), None, "a longer location has files");
        assert_eq!(path("/admin/").as_deref(), Some("/admin/"));
        assert_eq!(path("/live").as_deref(), Some("/health"));
        assert_eq!(path("/live/more").as_deref(), Some("/api/live/more"));
    }

    #[test]
    fn locations_have_the_addresses_of_their_upstreams() {
        let text = "\
upstream web { server 127.0.0.1:8000; server unix:/run/web.sock; }
server {
    location / { try_files $uri @web; }
    location @web { proxy_pass http://web; }
    location /api/ { proxy_pass http://api:8001/; }
    location /any { proxy_pass http://$backend; }
}
";
        let tree = lab_nginx_conf::parse(text, Path::new("site.conf")).unwrap();
        let mut server = from_tree(&tree, "site.conf".into()).servers.remove(0);
        let addresses =
            |passed: &PassedPrefix| passed.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let found: Vec<(usize, String)> = server.passed.iter().map(|one| (one.line, addresses(one))).collect();
        let expected = [(3, "127.0.0.1:8000 unix:/run/web.sock"), (5, "api:8001"), (6, "")];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
        server.passed[1].leads_elsewhere = true;
        assert_eq!(server.client_path("/status").as_deref(), Some("/status"));
        assert_eq!(server.client_path("/api/status"), None, "another server has this path");
    }

    #[test]
    fn password_of_a_location_concerns_its_paths() {
        let text =
            "server { location /admin { auth_basic Staff; } location / { auth_basic off; proxy_pass http://app; } }";
        let tree = lab_nginx_conf::parse(text, Path::new("site.conf")).unwrap();
        let protected = &from_tree(&tree, "site.conf".into()).servers[0].protected;
        let concerns = |path| protected.iter().any(|line| line.applies_to(path));
        assert!(concerns("/admin/users") && !concerns("/"));
    }

    #[test]
    fn limit_of_a_location_concerns_its_paths() {
        let limit_of = |text: &str, path: &str| {
            let tree = lab_nginx_conf::parse(text, Path::new("site.conf")).unwrap();
            from_tree(&tree, "site.conf".into()).limit_of(path)
        };
        let text = "server {\nlocation /login { limit_req zone=a; }\nlocation / { proxy_pass http://app; }\n}";
        assert_eq!((limit_of(text, "/login"), limit_of(text, "/")), (Some(2), None));
        let exact = text.replace("/login", "= /login");
        assert_eq!(
            (limit_of(&exact, "/login"), limit_of(&exact, "/login/x"), limit_of(&exact, "/")),
            (Some(2), None, None)
        );
        let of_all = "server {\nlocation / { limit_req zone=a; }\nlocation /live { proxy_pass http://app; }\n}";
        assert_eq!((limit_of(of_all, "/"), limit_of(of_all, "/live")), (Some(2), None));
        let text = "limit_conn a 1; server { location ~ x { limit_req zone=a; } }";
        let tree = lab_nginx_conf::parse(text, Path::new("site.conf")).unwrap();
        assert_eq!(from_tree(&tree, "site.conf".into()).limits.len(), 2);
        assert_eq!(from_tree(&tree, "site.conf".into()).limit_of("/"), Some(1));
    }
}
