//! Relocation: a user's nginx.conf, made to run in a run's own folder and on its own ports.
//!
//! Listen addresses, upstream addresses and paths of logs, certificates and documents are rewritten, in the file and in
//! those that it includes, which get names of their own beside it; every other byte stays as written, and every line
//! where it is. Pure: the addresses and the included files are handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lab_nginx_conf::{Arg, ConfError, ConfErrorKind, Directive, SourceFile, quote};

/// A relocated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocated {
    /// The file's text with what had to be changed.
    pub text: String,
    /// The files it includes, as often as it does.
    pub included: Vec<Included>,
    /// Whether nginx is to load modules.
    pub loads_modules: bool,
    /// Where the first `listen` without TLS went, or if there is none the first: the address clients connect to.
    pub entry: SocketAddr,
    /// Where the first `listen … ssl` went: the address clients connect to that speak TLS.
    pub tls_entry: Option<SocketAddr>,
    /// Directives of the main level that the file leaves to nginx's defaults, which would lead out of the folder or into
    /// the background.
    pub globals: String,
}

/// An included file, relocated for the place where it is included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// Its name in the folder of the relocated file.
    pub name: String,
    /// The file it was.
    pub file: PathBuf,
    /// Its text with what had to be changed.
    pub text: String,
}

/// Where a configuration moves to, and what is needed for that.
pub struct Move<'a> {
    /// What every upstream server becomes: `host:port`.
    pub upstream: &'a str,
    /// Where logs and the pid file go.
    pub folder: &'a Path,
    /// Gives each distinct `listen` address another.
    pub reserve: &'a mut dyn FnMut() -> io::Result<SocketAddr>,
    /// Reads the files that an `include` names.
    pub include: &'a mut dyn FnMut(&Directive) -> Result<Vec<SourceFile>, ConfError>,
}

/// Why a configuration cannot be relocated.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    /// It is not nginx's language.
    #[error(transparent)]
    Syntax(#[from] ConfError),
    /// No server of it listens anywhere.
    #[error("{}: no server has a `listen` directive, so there is no address to ask", .0.display())]
    NoListen(PathBuf),
    /// It listens where lab cannot give it a socket.
    #[error("{}:{line}: cannot relocate `listen {address}`; a port or an address with a port can be", file.display())]
    Listen {
        /// The file.
        file: PathBuf,
        /// The directive's line.
        line: usize,
        /// The address as written.
        address: String,
    },
    /// No port could be reserved.
    #[error("cannot reserve a port")]
    Reserve(#[from] io::Error),
}

/// Rewrites an nginx.conf and what it includes: each distinct `listen` address gets one from `reserve`, every upstream
/// server becomes `upstream`, logs and the pid file move into `folder`.
///
/// # Errors
/// When a text is not nginx's language, none listens anywhere or one does on a unix socket, an included file cannot be
/// read, or no address can be reserved.
pub fn nginx(source: &str, file: &Path, target: Move<'_>) -> Result<Relocated, RelocateError> {
    let tree = lab_nginx_conf::parse(source, file)?;
    let folder = target.folder;
    let mut relocation = Relocation {
        home: file.parent().unwrap_or(Path::new("")),
        file: file.to_owned(),
        depth: 0,
        target,
        listens: BTreeMap::new(),
        plain_entry: None,
        tls_entry: None,
        edits: Vec::new(),
        included: Vec::new(),
        main: BTreeSet::new(),
    };
    relocation.walk(&tree, MAIN)?;
    let tls_entry = relocation.tls_entry;
    let entry = relocation.plain_entry.or(tls_entry).ok_or_else(|| RelocateError::NoListen(file.to_owned()))?;
    let mut globals = String::new();
    for (name, value) in [("daemon", "off"), ("pid", "nginx.pid"), ("error_log", "error.log")] {
        if !relocation.main.contains(name) {
            let value = if name == "daemon" { value.to_owned() } else { folder.join(value).display().to_string() };
            globals.push_str(&format!("{name} {}; ", quote(&value)));
        }
    }
    Ok(Relocated {
        text: edited(source, relocation.edits),
        included: relocation.included,
        loads_modules: relocation.main.contains("load_module"),
        entry,
        tls_entry,
        globals: globals.trim_end().to_owned(),
    })
}

/// Bytes of a file, and what is to stand there.
type Edit = (Range<usize>, String);

fn edited(source: &str, mut edits: Vec<Edit>) -> String {
    let mut text = source.to_owned();
    // From the end, so that earlier positions stay true.
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, replacement) in edits {
        text.replace_range(span, &replacement);
    }
    text
}

/// The level that is in no block.
const MAIN: &str = "main";

/// Directives whose argument is a file, and their twins with `proxy_` in front.
const FILES_OF_TLS: [&str; 9] = [
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_client_certificate",
    "ssl_crl",
    "ssl_dhparam",
    "ssl_password_file",
    "ssl_session_ticket_key",
    "ssl_stapling_file",
    "ssl_trusted_certificate",
];

/// Whether a directive's argument is a file that TLS reads.
pub(super) fn is_file_of_tls(name: &str) -> bool {
    FILES_OF_TLS.contains(&name.strip_prefix("proxy_").unwrap_or(name))
}

struct Relocation<'a, 'm> {
    /// The folder of the first file, to which paths are relative in all.
    home: &'a Path,
    /// The file that is being read, and how deep it is included.
    file: PathBuf,
    depth: usize,
    target: Move<'m>,
    listens: BTreeMap<String, SocketAddr>,
    plain_entry: Option<SocketAddr>,
    tls_entry: Option<SocketAddr>,
    /// Those of the file that is being read.
    edits: Vec<Edit>,
    included: Vec<Included>,
    /// The names of the directives in no block.
    main: BTreeSet<String>,
}

impl Relocation<'_, '_> {
    fn walk(&mut self, directives: &[Directive], context: &str) -> Result<(), RelocateError> {
        for directive in directives {
            if context == MAIN {
                self.main.insert(directive.name.clone());
            }
            if directive.name == "include" {
                self.include(directive, context)?;
                continue;
            }
            let Some(first) = directive.args.first() else {
                self.walk(directive.children(), &directive.name)?;
                continue;
            };
            match (context, directive.name.as_str()) {
                ("server", "listen") => self.listen(directive, first)?,
                ("upstream", "server") => self.replace(first, self.target.upstream),
                (_, "proxy_pass") => self.proxy_pass(first),
                (_, "uwsgi_pass") => self.uwsgi_pass(first),
                (_, "access_log" | "error_log" | "pid") => self.log(first),
                (_, "auth_basic_user_file") => self.file(first),
                (_, name) if is_file_of_tls(name) => self.file(first),
                (_, "root" | "alias") => self.documents(first),
                // Whoever starts it watches over it.
                (MAIN, "daemon") => self.replace(first, "off"),
                _ => {}
            }
            self.walk(directive.children(), &directive.name)?;
        }
        Ok(())
    }

    /// Relocates what is included, and has the directive name what came of it.
    fn include(&mut self, directive: &Directive, context: &str) -> Result<(), RelocateError> {
        let mut said = Vec::new();
        for SourceFile { file, text } in (self.target.include)(directive)? {
            if self.depth == lab_nginx_conf::MAX_DEPTH {
                return Err(directive.error(ConfErrorKind::IncludedTooDeep { file }).into());
            }
            let tree = lab_nginx_conf::parse(&text, &file)?;
            let including = std::mem::replace(&mut self.file, file);
            let edits = std::mem::take(&mut self.edits);
            self.depth += 1;
            self.walk(&tree, context)?;
            self.depth -= 1;
            let edits = std::mem::replace(&mut self.edits, edits);
            let file = std::mem::replace(&mut self.file, including);
            let own = file.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{}.{own}", self.included.len() + 1);
            said.push(format!("include {};", quote(&name)));
            self.included.push(Included { name, text: edited(&text, edits), file });
        }
        self.edits.push((directive.span.clone(), said.join(" ")));
        Ok(())
    }

    fn replace(&mut self, arg: &Arg, value: &str) {
        self.edits.push((arg.span.clone(), quote(value).into_owned()));
    }

    fn listen(&mut self, directive: &Directive, arg: &Arg) -> Result<(), RelocateError> {
        let port = arg.value.rsplit(':').next().unwrap_or_default();
        let is_address = arg.value.contains('.') || arg.value.starts_with('[') || arg.value == "localhost";
        if arg.value.starts_with("unix:") || (port.parse::<u16>().is_err() && !is_address) {
            let (file, line, address) = (self.file.to_owned(), directive.line, arg.value.clone());
            return Err(RelocateError::Listen { file, line, address });
        }
        let address = match self.listens.get(&arg.value) {
            Some(address) => *address,
            None => {
                let address = (self.target.reserve)()?;
                self.listens.insert(arg.value.clone(), address);
                address
            }
        };
        let is_tls = directive.args.iter().skip(1).any(|arg| arg.value == "ssl");
        if is_tls { &mut self.tls_entry } else { &mut self.plain_entry }.get_or_insert(address);
        self.replace(arg, &address.to_string());
        Ok(())
    }

    /// Replaces the address within `scheme://address/uri` where it is one. A name stays: it is that of an upstream
    /// block, or a mistake that must not be mended here.
    fn proxy_pass(&mut self, arg: &Arg) {
        let Some((scheme, rest)) = arg.value.split_once("://") else { return };
        let uri = match rest.strip_prefix("unix:") {
            Some(socket) => socket.split_once(':').map_or("", |(_, uri)| uri),
            None => {
                let (address, uri) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                if !is_address(address) {
                    return;
                }
                uri
            }
        };
        self.replace(arg, &format!("{scheme}://{}{uri}", self.target.upstream));
    }

    /// The same for the address of a uWSGI server, which may have no scheme and has no URI.
    fn uwsgi_pass(&mut self, arg: &Arg) {
        let (scheme, address) = match arg.value.split_once("://") {
            Some((scheme, address)) => (format!("{scheme}://"), address),
            None => (String::new(), arg.value.as_str()),
        };
        if address.starts_with("unix:") || is_address(address) {
            self.replace(arg, &format!("{scheme}{}", self.target.upstream));
        }
    }

    /// A file stays where it is; nginx would look for a relative one beside the configuration, which moves.
    fn file(&mut self, arg: &Arg) {
        let is_elsewhere = ["data:", "engine:", "$"].iter().any(|word| arg.value.contains(word));
        if !is_elsewhere && !Path::new(&arg.value).is_absolute() {
            self.replace(arg, &self.home.join(&arg.value).display().to_string());
        }
    }

    /// Documents stay where they are; what a variable begins with is only known to nginx.
    fn documents(&mut self, arg: &Arg) {
        let is_elsewhere = arg.value.starts_with('$') || Path::new(&arg.value).is_absolute();
        if !is_elsewhere {
            self.replace(arg, &self.home.join(&arg.value).display().to_string());
        }
    }

    fn log(&mut self, arg: &Arg) {
        let elsewhere = ["off", "stderr"].contains(&arg.value.as_str())
            || arg.value.starts_with("syslog:")
            || arg.value.contains('$');
        if let (false, Some(name)) = (elsewhere, Path::new(&arg.value).file_name()) {
            let path = self.target.folder.join(name);
            self.replace(arg, &path.display().to_string());
        }
    }
}

/// Whether `host` or `host:port` is an address of a machine and not a name that only this file knows.
fn is_address(text: &str) -> bool {
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => text,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relocated(source: &str) -> Result<Relocated, String> {
        relocated_with(source, "nginx.conf", &[])
    }

    /// Relocated with ports from 40001 on. What is included is there by the name as written, and none by others.
    fn relocated_with(source: &str, file: &str, files: &[(&str, &str)]) -> Result<Relocated, String> {
        let mut port = 40_000;
        let mut reserve = || {
            port += 1;
            Ok(SocketAddr::from(([127, 0, 0, 1], port)))
        };
        let mut include = |directive: &Directive| {
            let is_it = |(name, _): &&(&str, &str)| *name == directive.args[0].value;
            let source =
                |(name, text): &(&str, &str)| SourceFile { file: PathBuf::from(name), text: (*text).to_owned() };
            Ok(files.iter().filter(is_it).map(source).collect())
        };
        let (upstream, folder) = ("127.0.0.1:50000", Path::new("/run/visit"));
        let target = Move { upstream, folder, reserve: &mut reserve, include: &mut include };
        nginx(source, Path::new(file), target).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_and_paths_move_and_everything_else_stays() {
        let source = "\
# a comment
daemon on;
pid /run/nginx.pid;
error_log logs/error.log warn;
http {
  access_log  off;
  upstream app { server 10.0.0.1:8000 weight=2; server unix:/run/app.sock; }
  server {
    listen 80 default_server;   # the site
    access_log \"/var/log/nginx/a b.log\" combined;
    location / { proxy_pass http://app; }
    location /x { proxy_pass http://10.0.0.2:9000/y; }
    location /u { proxy_pass http://unix:/run/app.sock:/v; }
    location /w { proxy_pass http://unix:/run/app.sock; }
    location /z { proxy_pass http://$backend/; }
    location /l { proxy_pass http://localhost:8000; }
    location /6 { proxy_pass http://[::1]:8000/; }
    location /typo { proxy_pass http://ap; }
    location /wa { uwsgi_pass 10.0.0.2:3031; }
    location /wu { uwsgi_pass uwsgi://unix:/run/app.sock; }
    location /wn { uwsgi_pass app; }
  }
  server { listen [::]:80; listen 80; listen 127.0.0.1:8081; }
}
";
        let expected = "\
# a comment
daemon off;
pid /run/visit/nginx.pid;
error_log /run/visit/error.log warn;
http {
  access_log  off;
  upstream app { server 127.0.0.1:50000 weight=2; server 127.0.0.1:50000; }
  server {
    listen 127.0.0.1:40001 default_server;   # the site
    access_log \"/run/visit/a b.log\" combined;
    location / { proxy_pass http://app; }
    location /x { proxy_pass http://127.0.0.1:50000/y; }
    location /u { proxy_pass http://127.0.0.1:50000/v; }
    location /w { proxy_pass http://127.0.0.1:50000; }
    location /z { proxy_pass http://$backend/; }
    location /l { proxy_pass http://127.0.0.1:50000; }
    location /6 { proxy_pass http://127.0.0.1:50000/; }
    location /typo { proxy_pass http://ap; }
    location /wa { uwsgi_pass 127.0.0.1:50000; }
    location /wu { uwsgi_pass uwsgi://127.0.0.1:50000; }
    location /wn { uwsgi_pass app; }
  }
  server { listen 127.0.0.1:40002; listen 127.0.0.1:40001; listen 127.0.0.1:40003; }
}
";
        let relocated = relocated(source).unwrap();
        assert_eq!(relocated.text, expected);
        assert_eq!(relocated.entry.port(), 40_001);
        assert_eq!(relocated.globals, "");
    }

    #[test]
    fn what_the_file_leaves_to_defaults_is_said() {
        let relocated = relocated("http { server { listen 80; } }").unwrap();
        assert_eq!(relocated.globals, "daemon off; pid /run/visit/nginx.pid; error_log /run/visit/error.log;");
    }

    #[test]
    fn a_listener_with_tls_has_an_entry_of_its_own_and_its_files_stay_where_they_are() {
        let source = "http { server { listen 443 ssl http2; listen 80; ssl_certificate tls/site.pem;\n\
                      ssl_certificate_key /keys/site.pem; ssl_dhparam $dhparam; auth_basic_user_file users; } }";
        let relocated = relocated_with(source, "/project/nginx.conf", &[]).unwrap();
        assert_eq!((relocated.entry.port(), relocated.tls_entry.map(|entry| entry.port())), (40_002, Some(40_001)));
        let expected = "http { server { listen 127.0.0.1:40001 ssl http2; listen 127.0.0.1:40002; \
                        ssl_certificate /project/tls/site.pem;\n\
                        ssl_certificate_key /keys/site.pem; ssl_dhparam $dhparam; \
                        auth_basic_user_file /project/users; } }";
        assert_eq!(relocated.text, expected);
        let only_tls = self::relocated("http { server { listen 443 ssl; } }").unwrap();
        assert_eq!(Some(only_tls.entry), only_tls.tls_entry);
    }

    #[test]
    fn documents_stay_where_they_are() {
        let source = "http { server { listen 80; root site; location /a/ { alias ./a/; } location /v/ { root $r/x; }\n\
                      location /h/ { root hosts/$host; } location /f/ { root /srv; } } }";
        let relocated = relocated_with(source, "/project/nginx.conf", &[]).unwrap();
        let expected = "http { server { listen 127.0.0.1:40001; root /project/site; \
                        location /a/ { alias /project/./a/; } location /v/ { root $r/x; }\n\
                        location /h/ { root /project/hosts/$host; } location /f/ { root /srv; } } }";
        assert_eq!(relocated.text, expected);
    }

    #[test]
    fn what_is_included_moves_as_if_it_stood_there() {
        let files = [
            ("conf.d/*", "upstream app { include servers; }\n"),
            ("servers", "server 10.0.0.1:80;\nserver 10.0.0.2:80;"),
            ("conf.d/*", "server { listen 80; root site; ssl_certificate tls/a.pem; location / { include pass; } }"),
            ("pass", "proxy_pass http://10.0.0.9/x;"),
            ("early", "pid /run/nginx.pid;"),
        ];
        let source = "include early; # first\nhttp {\n  include conf.d/*; include none/*;\n}\n";
        let relocated = relocated_with(source, "/etc/nginx/nginx.conf", &files).unwrap();
        assert_eq!(relocated.text, "include 1.early; # first\nhttp {\n  include 3.*; include 5.*; \n}\n");
        let included: Vec<(&str, &str)> =
            relocated.included.iter().map(|one| (one.name.as_str(), one.text.as_str())).collect();
        let expected = [
            ("1.early", "pid /run/visit/nginx.pid;"),
            ("2.servers", "server 127.0.0.1:50000;\nserver 127.0.0.1:50000;"),
            ("3.*", "upstream app { include 2.servers; }\n"),
            ("4.pass", "proxy_pass http://127.0.0.1:50000/x;"),
            (
                "5.*",
                "server { listen 127.0.0.1:40001; root /etc/nginx/site; ssl_certificate /etc/nginx/tls/a.pem; \
                 location / { include 4.pass; } }",
            ),
        ];
        assert_eq!(included, expected);
        assert_eq!(relocated.globals, "daemon off; error_log /run/visit/error.log;");
    }

    #[test]
    fn what_is_wrong_in_an_included_file_is_said_of_that() {
        let wrong = relocated_with("http {\n include a;\n}", "nginx.conf", &[("a", "\nserver { listen unix:/x; }")]);
        assert_eq!(
            wrong.unwrap_err(),
            "a:2: cannot relocate `listen unix:/x`; a port or an address with a port can be"
        );
        let endless = relocated_with("include a;", "nginx.conf", &[("a", "include a;")]);
        assert_eq!(endless.unwrap_err(), "a:1: include of a nests too deep");
    }

    #[test]
    fn what_cannot_be_relocated_is_said_with_its_line() {
        let unix = relocated("http {\n server { listen unix:/run/x.sock; }\n}").unwrap_err();
        assert_eq!(
            unix,
            "nginx.conf:2: cannot relocate `listen unix:/run/x.sock`; a port or an address with a port can be"
        );
        let none = relocated("http { server { } }").unwrap_err();
        assert_eq!(none, "nginx.conf: no server has a `listen` directive, so there is no address to ask");
    }
}
