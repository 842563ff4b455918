//! The files in `cases/`: a configuration, the bytes of the client, and the responses of the upstream.
//!
//! ```text
//! --- http | server | location      directives, put into that block of the configuration; `server` replaces the
//!                                    default location, `location` is put into it
//! --- modules                       names of nginx's dynamic modules, such as `http_brotli_static`, that are loaded
//! --- ports                         how many ports in a row `{listen}` stands for beside the first
//! --- listen                        parameters of `listen`. With `ssl`, clients speak TLS, the files of
//!                                    `certificates.rs` are there, and `rsa.pem` is the certificate unless the case
//!                                    has an `ssl_certificate`
//! --- client [alone] [reconnect] [port=N] [plain] [http2] [TLS=…] [after TEXT]
//!                                    the bytes of the client, one section after the other; `alone` sends no
//!                                    legitimate request behind the last; `reconnect` sends on another connection, once
//!                                    the one before has ended, and `port=` to the port that is this far behind the
//!                                    first; `plain` without TLS; `http2` is a script of frames,
//!                                    see `http2/script.rs`, for a connection of its own; `version=`, `sni=`,
//!                                    `certificate=`, `alpn=`, `ciphers=` with TLS as `ClientTls` describes it;
//!                                    `after` waits until TEXT was received
//! --- link PATH TARGET              a symbolic link in the configuration's folder
//! --- file PATH                     a file in the configuration's folder. A path may have escapes
//! --- upstream [early] [close|reset]  the bytes of one response, one section after the other; `early` does not wait
//!                                    for the request's body; `close` and `reset` end the connection behind it
//! ```
//!
//! Each line stands for itself and CRLF. `\` at the end of a line takes the CRLF away; `\r`, `\n`, `\t`, `\0`, `\xNN` and `\\`
//! are what they are in Rust, and `\*N(text)` is the text N times. In directives `{upstream}`, `{second}` and `{third}`
//! are the upstream's addresses, `{unix}` its unix socket, `{tls}` its address with TLS, `{dead}` an address without a listener,
//! and for the twins `{dns}` a name server.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::certificates;
use super::client::ClientTls;
use super::running::StartOptions;
use super::upstream::Upstream;

#[derive(Debug, Default)]
pub(crate) struct Case {
    pub(crate) modules: Vec<String>,
    pub(crate) further_ports: u16,
    pub(crate) listen: String,
    pub(crate) http: String,
    pub(crate) server: Option<String>,
    pub(crate) location: String,
    pub(crate) client: Vec<Step>,
    pub(crate) is_alone: bool,
    pub(crate) responses: Vec<UpstreamResponse>,
    /// Paths inside the configuration's folder, with contents.
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
    /// Paths inside the configuration's folder, with the targets of symbolic links.
    pub(crate) links: Vec<(String, String)>,
}

/// What the client sends in one go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    pub(crate) bytes: Vec<u8>,
    /// The frames to send, if the client speaks HTTP/2.
    pub(crate) frames: Option<String>,
    /// Whether it goes out on a connection of its own.
    pub(crate) reconnects: bool,
    /// How far the port of its connection is behind the first one.
    pub(crate) port: u16,
    /// How its connection speaks TLS; None if it does not. Set for the first step of a connection.
    pub(crate) tls: Option<ClientTls>,
    /// What must have been received before.
    pub(crate) after: Option<String>,
}

/// Follows a case's own bytes on the same connection, and shows whether the proxy found their end.
const LEGITIMATE: &[u8] = b"GET /legitimate HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n";

/// The upstream's reaction to one request.
#[derive(Debug, Clone, Default)]
pub(crate) struct UpstreamResponse {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_early: bool,
    pub(crate) end: End,
}

/// The connection's state after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum End {
    #[default]
    KeepOpen,
    Close,
    Reset,
}

impl Case {
    pub(crate) fn read(file: &Path) -> Case {
        let text = std::fs::read_to_string(file).expect("a case");
        let mut case = Case::default();
        for section in text.split("--- ").skip(1) {
            let (title, body) = section.split_once('\n').expect("a section with a title and a body");
            let mut words = title.split_whitespace();
            match words.next() {
                Some("modules") => case.modules = body.split_whitespace().map(str::to_owned).collect(),
                Some("ports") => case.further_ports = body.trim().parse().expect("a number of ports"),
                Some("listen") => case.listen = body.trim().to_owned(),
                Some("http") => case.http = body.to_owned(),
                Some("server") => case.server = Some(body.to_owned()),
                Some("location") => case.location = body.to_owned(),
                Some("client") => {
                    let tls = case.has_tls().then(ClientTls::default);
                    let mut step = Step { bytes: bytes(body), tls, ..Step::default() };
                    while let Some(word) = words.next() {
                        match word {
                            "alone" => case.is_alone = true,
                            "reconnect" => step.reconnects = true,
                            word if word.starts_with("port=") => {
                                step.port = word["port=".len()..].parse().expect("a distance of ports");
                            }
                            "plain" => step.tls = None,
                            "http2" => {
                                step.frames = Some(body.to_owned());
                                step.reconnects = true;
                                if let Some(tls) = &mut step.tls {
                                    tls.alpn = Some("h2".to_owned());
                                }
                            }
                            word if step.tls.as_mut().is_some_and(|tls| tls.read(word)) => {}
                            "after" => step.after = Some(words.by_ref().collect::<Vec<_>>().join(" ")),
                            other => panic!("unknown word {other:?} in {}", file.display()),
                        }
                    }
                    case.client.push(step);
                }
                Some("file") => {
                    let mut path = Vec::new();
                    unescape(words.next().expect("a path"), &mut path);
                    case.files.push((OsString::from_vec(path).into(), bytes(body)));
                }
                Some("link") => {
                    let mut word = || words.next().expect("a path and a target").to_owned();
                    case.links.push((word(), word()));
                }
                Some("upstream") => {
                    let mut response = UpstreamResponse { bytes: bytes(body), ..UpstreamResponse::default() };
                    for word in words {
                        match word {
                            "early" => response.is_early = true,
                            "close" => response.end = End::Close,
                            "reset" => response.end = End::Reset,
                            other => panic!("unknown word {other:?} in {}", file.display()),
                        }
                    }
                    case.responses.push(response);
                }
                other => panic!("unknown section {other:?} in {}", file.display()),
            }
        }
        if let Some(last) = case.client.last_mut().filter(|last| !case.is_alone && last.frames.is_none()) {
            last.bytes.extend_from_slice(LEGITIMATE);
        }
        case
    }

    /// Whether clients speak TLS.
    fn has_tls(&self) -> bool {
        self.listen.split(' ').any(|word| word == "ssl") || self.http.contains("ssl on;")
    }

    /// The configuration with the case's directives, on an upstream's addresses.
    pub(crate) fn configuration(&self, upstream: &Upstream) -> String {
        let server = self.server.as_deref();
        let modules = self.modules.iter().map(|module| format!("load_module {};\n", module_file(module).display()));
        let text = super::configuration(&self.http, server, &self.location, upstream);
        let text = modules.collect::<String>() + &text;
        let names_certificate = text.contains("ssl_certificate ") || text.contains("ssl_reject_handshake on");
        let certificate = match self.has_tls() && !names_certificate {
            true => " ssl_certificate rsa.pem; ssl_certificate_key rsa.key;",
            false => "",
        };
        text.replacen("listen {listen};", &format!("listen {{listen}} {};{certificate}", self.listen), 1)
    }

    /// Where a proxy starts for it.
    pub(crate) fn start_options(&self) -> StartOptions {
        StartOptions { further_ports: self.further_ports, ..StartOptions::default() }
    }

    /// Puts the case's files into `folder`, all of the same age.
    pub(crate) fn write_files(&self, folder: &Path) {
        let uses_tls = |text: &str| text.contains("_ssl_") || text.contains("https://");
        if self.has_tls()
            || uses_tls(&self.http)
            || uses_tls(&self.location)
            || self.server.as_deref().is_some_and(uses_tls)
        {
            certificates::write_to(folder);
        }
        let age = UNIX_EPOCH + Duration::from_secs(1_300_000_000);
        for (path, content) in &self.files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let mut file = std::fs::File::create(path).expect("a file");
            file.write_all(content).expect("a file is written");
            file.set_modified(age).expect("a file has an age");
        }
        for (path, target) in &self.links {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::os::unix::fs::symlink(target, path).expect("a link");
        }
    }
}

/// Where Debian's packages put a dynamic module of nginx.
pub(crate) fn module_file(module: &str) -> PathBuf {
    format!("/usr/lib/nginx/modules/ngx_{module}_module.so").into()
}

/// The bytes a section stands for.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.lines() {
        let (line, line_end) = match line.strip_suffix('\\') {
            Some(line) if !line.ends_with('\\') => (line, &b""[..]),
            _ => (line, &b"\r\n"[..]),
        };
        unescape(line, &mut out);
        out.extend_from_slice(line_end);
    }
    out
}

fn unescape(mut rest: &str, out: &mut Vec<u8>) {
    while let Some(backslash) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..backslash]);
        let escape = rest[backslash + 1..].chars().next().expect("something behind a backslash");
        rest = &rest[backslash + 2..];
        match escape {
            'r' => out.push(b'\r'),
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            '0' => out.push(0),
            '\\' => out.push(b'\\'),
            'x' => {
                out.push(u8::from_str_radix(&rest[..2], 16).expect("two hexadecimal digits"));
                rest = &rest[2..];
            }
            '*' => {
                let (count, behind) = rest.split_once('(').expect("a repetition: \\*N(text)");
                let (text, behind) = behind.split_once(')').expect("a repetition: \\*N(text)");
                out.extend(text.as_bytes().repeat(count.parse().expect("a number")));
                rest = behind;
            }
            other => panic!("unknown escape \\{other}"),
        }
    }
    out.extend_from_slice(rest.as_bytes());
}
