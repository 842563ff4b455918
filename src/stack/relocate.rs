//! Relocation: rewrites a user's nginx.conf to run in a run's folder and on a run's ports.
//!
//! Rewritten are listen addresses, upstream addresses and the paths of logs, certificates and documents, in the file and in
//! the files that it includes, which get new names beside it. Every other byte stays as written, so line numbers do too.
//! Pure: the caller supplies the addresses and the included files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use lab_nginx_conf::{Arg, ConfError, ConfErrorKind, Directive, SourceFile, is_other_protocol, quote};

mod tls_files;

pub use tls_files::CertificateFile;
pub(super) use tls_files::names_tls_file;

/// A relocated configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocated {
    /// The rewritten text.
    pub text: String,
    /// The included files, once for each inclusion.
    pub included: Vec<Included>,
    /// Whether the configuration has a `load_module`.
    pub loads_modules: bool,
    /// The address of clients: that of the first `listen` without TLS, otherwise of the first one.
    pub entry: SocketAddr,
    /// The address of clients with TLS: that of the first `listen … ssl`.
    pub tls_entry: Option<SocketAddr>,
    /// Directives of the main level for `nginx -g`, where the file relies on defaults that would leave the folder or run
    /// nginx in the background.
    pub globals: String,
    /// What is left out.
    pub omitted: Vec<Omission>,
}

/// A directive that a run leaves out, because the file or user that it names is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omission {
    /// Where it is.
    pub file: PathBuf,
    pub line: usize,
    pub directive: String,
    /// What is missing: an absolute path, or `the user NAME`.
    pub missing: String,
}

/// An included file, relocated for the context of its `include`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// The new name, in the folder of the relocated file.
    pub name: String,
    /// The original file.
    pub file: PathBuf,
    /// The rewritten text.
    pub text: String,
}

/// The target of a relocation.
pub struct Target<'a> {
    /// Replaces every upstream server: `host:port`.
    pub upstream: &'a str,
    /// The folder of logs and of the pid file.
    pub folder: &'a Path,
    /// Folders of documents, each with the one that has them here.
    pub folders: &'a [(PathBuf, PathBuf)],
    /// Whether access logs are written.
    pub access_logs: bool,
    /// Reserves an address for each distinct `listen` address.
    pub reserve: &'a mut dyn FnMut() -> io::Result<SocketAddr>,
    /// Reads the files that an `include` names.
    pub include: &'a mut dyn FnMut(&Directive) -> Result<Vec<SourceFile>, ConfError>,
    /// A placeholder for the file of a certificate or key that is not on this machine.
    pub placeholder: &'a mut dyn FnMut(&CertificateFile<'_>) -> io::Result<Option<PathBuf>>,
    /// Whether a file is on this machine.
    pub is_here: &'a dyn Fn(&Path) -> bool,
    /// Whether a user exists where nginx will run.
    pub has_user: &'a dyn Fn(&str) -> bool,
}

/// Why a configuration cannot be relocated.
#[derive(Debug, thiserror::Error)]
pub enum RelocateError {
    #[error(transparent)]
    Syntax(#[from] ConfError),
    #[error("{}: no server has a `listen` directive, so clients have no address to connect to; accepted: `listen 80;`", .0.display())]
    NoListen(PathBuf),
    #[error("{}:{line}: cannot relocate `listen {address}`; accepted: a port, or an address with a port", file.display())]
    Listen {
        file: PathBuf,
        line: usize,
        /// As written.
        address: String,
    },
    #[error("cannot reserve a port")]
    Reserve(#[from] io::Error),
    #[error("cannot make a certificate in place of one that is not here")]
    Certificate(#[source] io::Error),
}

/// Rewrites an nginx.conf and the files that it includes.
///
/// # Errors
/// A text is malformed, no server listens or one listens on a unix socket, an included file cannot be read, or no address
/// can be reserved.
pub fn nginx(source: &str, file: &Path, target: Target<'_>) -> Result<Relocated, RelocateError> {
    let tree = lab_nginx_conf::parse(source, file)?;
    let folder = target.folder;
    let mut relocation = Relocation {
        home: file.parent().unwrap_or(Path::new("")),
        file: file.to_owned(),
        text: source.to_owned(),
        depth: 0,
        target,
        listens: BTreeMap::new(),
        plain_entry: None,
        tls_entry: None,
        edits: Vec::new(),
        included: Vec::new(),
        omitted: Vec::new(),
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
        omitted: relocation.omitted,
    })
}

/// A range of bytes and its replacement.
type Edit = (Range<usize>, String);

fn edited(source: &str, mut edits: Vec<Edit>) -> String {
    let mut text = source.to_owned();
    // From the end, so that earlier positions stay valid.
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    for (span, replacement) in edits {
        text.replace_range(span, &replacement);
    }
    text
}

/// The context outside all blocks.
const MAIN: &str = "main";

struct Relocation<'a, 'm> {
    /// The folder of the first file, which all relative paths refer to.
    home: &'a Path,
    /// The current file, its text and its depth of inclusion.
    file: PathBuf,
    text: String,
    depth: usize,
    target: Target<'m>,
    listens: BTreeMap<String, SocketAddr>,
    plain_entry: Option<SocketAddr>,
    tls_entry: Option<SocketAddr>,
    /// The edits of the current file.
    edits: Vec<Edit>,
    included: Vec<Included>,
    omitted: Vec<Omission>,
    /// The names of the directives outside all blocks.
    main: BTreeSet<String>,
}

impl Relocation<'_, '_> {
    fn walk(&mut self, directives: &[Directive], context: &str) -> Result<(), RelocateError> {
        for directive in directives {
            if context == MAIN {
                self.main.insert(directive.name.clone());
                if is_other_protocol(directive) {
                    self.leave_out(directive);
                    continue;
                }
            }
            if directive.name == "include" {
                self.include(directive, context)?;
                continue;
            }
            let Some(first) = directive.args.first() else {
                let has_log = directive.children().iter().any(|child| child.name == "access_log");
                if directive.name == "http" && !has_log && !self.target.access_logs {
                    // nginx has one by default. Before the closing brace, no line moves.
                    let end = directive.span.end - 1;
                    self.edits.push((end..end, "access_log off; ".to_owned()));
                }
                self.walk(directive.children(), &directive.name)?;
                continue;
            };
            match (context, directive.name.as_str()) {
                (_, name @ ("ssl_certificate" | "ssl_certificate_key")) => {
                    self.certificate(first, name == "ssl_certificate_key", directive.line)?;
                }
                ("server", "listen") => self.listen(directive, first)?,
                ("upstream", "server") => self.replace(first, self.target.upstream),
                (_, "proxy_pass") => self.proxy_pass(first),
                (_, "uwsgi_pass") => self.uwsgi_pass(first),
                (_, "access_log") if !self.target.access_logs => self.turn_off(directive, first),
                (_, "access_log" | "error_log" | "pid") => self.log(first),
                (_, "auth_basic_user_file") => self.file(first),
                (_, "proxy_cache_path" | "uwsgi_cache_path") => self.cache(first),
                (_, name) if names_tls_file(name) => self.tls_file(directive, first),
                (_, "root" | "alias") => self.documents(first),
                (MAIN, "user") if !(self.target.has_user)(&first.value) => {
                    self.omit(directive, format!("the user {}", first.value));
                }
                // lab supervises the process.
                (MAIN, "daemon") => self.replace(first, "off"),
                _ => {}
            }
            self.walk(directive.children(), &directive.name)?;
        }
        Ok(())
    }

    /// Relocates the included files and replaces the directive by one `include` for each of them.
    fn include(&mut self, directive: &Directive, context: &str) -> Result<(), RelocateError> {
        let mut replacement = Vec::new();
        for SourceFile { file, text } in (self.target.include)(directive)? {
            if self.depth == lab_nginx_conf::MAX_DEPTH {
                return Err(directive.error(ConfErrorKind::IncludeTooDeep { file }).into());
            }
            let tree = lab_nginx_conf::parse(&text, &file)?;
            let including = std::mem::replace(&mut self.file, file);
            let text_of_including = std::mem::replace(&mut self.text, text.clone());
            let edits = std::mem::take(&mut self.edits);
            self.depth += 1;
            self.walk(&tree, context)?;
            self.depth -= 1;
            let edits = std::mem::replace(&mut self.edits, edits);
            let file = std::mem::replace(&mut self.file, including);
            self.text = text_of_including;
            let own = file.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{}.{own}", self.included.len() + 1);
            replacement.push(format!("include {};", quote(&name)));
            self.included.push(Included { name, text: edited(&text, edits), file });
        }
        self.edits.push((directive.span.clone(), replacement.join(" ")));
        Ok(())
    }

    /// Leaves a directive out that names something which is not here.
    fn omit(&mut self, directive: &Directive, missing: String) {
        let (file, line, name) = (self.file.clone(), directive.line, directive.name.clone());
        self.omitted.push(Omission { file, line, directive: name, missing });
        self.leave_out(directive);
    }

    /// Leaves a directive or a block out. No line moves.
    fn leave_out(&mut self, directive: &Directive) {
        let lines = self.text[directive.span.clone()].matches('\n').count();
        self.edits.push((directive.span.clone(), "\n".repeat(lines)));
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
        // One socket outside is one here, however it is written.
        let written = arg.value.strip_prefix("*:").or_else(|| arg.value.strip_prefix("0.0.0.0:"));
        let written = written.filter(|port| !port.is_empty()).unwrap_or(&arg.value);
        let address = match self.listens.get(written) {
            Some(address) => *address,
            None => {
                let address = (self.target.reserve)()?;
                self.listens.insert(written.to_owned(), address);
                address
            }
        };
        let is_tls = directive.args.iter().skip(1).any(|arg| arg.value == "ssl");
        if is_tls { &mut self.tls_entry } else { &mut self.plain_entry }.get_or_insert(address);
        self.replace(arg, &address.to_string());
        // It belongs to the address that was there.
        for parameter in directive.args.iter().filter(|arg| arg.value.starts_with("ipv6only=")) {
            self.edits.push((parameter.span.clone(), String::new()));
        }
        Ok(())
    }

    /// Replaces the address in `scheme://address/uri`. A name without a port stays: it refers to an upstream block, or is a
    /// mistake that must not be hidden. One with a port, such as that of a compose service, is an address.
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

    /// Makes the path of a file absolute, because nginx resolves it relative to the configuration, which moves.
    fn file(&mut self, arg: &Arg) {
        let is_elsewhere = ["data:", "engine:", "$"].iter().any(|word| arg.value.contains(word));
        if !is_elsewhere && !Path::new(&arg.value).is_absolute() {
            self.replace(arg, &self.home.join(&arg.value).display().to_string());
        }
    }

    /// Moves a cache into the folder of the run, so that a run neither finds responses of others nor leaves any.
    fn cache(&mut self, arg: &Arg) {
        let name = arg.value.trim_matches('/').replace('/', "-");
        let folder = self.target.folder.join(format!("cache-{name}"));
        self.replace(arg, &folder.display().to_string());
    }

    /// Makes a folder of documents absolute, unless it starts with a variable, whose value only nginx knows.
    fn documents(&mut self, arg: &Arg) {
        let named = self.target.folders.iter().filter(|(named, _)| Path::new(&arg.value).starts_with(named));
        if let Some((named, here)) = named.max_by_key(|(named, _)| named.as_os_str().len()) {
            // The rest keeps its final slash.
            let rest = arg.value.strip_prefix(&*named.to_string_lossy()).unwrap_or_default();
            let here = here.to_string_lossy();
            self.replace(arg, &format!("{}{rest}", here.trim_end_matches('/')));
            return;
        }
        let is_elsewhere = arg.value.starts_with('$') || Path::new(&arg.value).is_absolute();
        if !is_elsewhere {
            self.replace(arg, &self.home.join(&arg.value).display().to_string());
        }
    }

    /// Replaces the arguments of a directive by `off`.
    fn turn_off(&mut self, directive: &Directive, first: &Arg) {
        let end = directive.args.last().map_or(first.span.end, |last| last.span.end);
        self.edits.push((first.span.start..end, "off".to_owned()));
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

/// Whether `host` is an IP address or `localhost`, or `host:port` has a port, as opposed to the name of an upstream block.
fn is_address(text: &str) -> bool {
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => return !host.contains('$'),
        _ => text,
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
