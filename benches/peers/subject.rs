//! The proxies, their upstream, and the CPU time and memory that they use.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lab_net::tls::{ServerTrust, client_config};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process, setrlimit};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

const NGINX: &str = "/usr/sbin/nginx";
const HAPROXY: &str = "/usr/sbin/haproxy";
pub(super) const NEEDED: [&str; 5] = [NGINX, HAPROXY, super::wrk::WRK, super::h2load::H2LOAD, "/usr/bin/taskset"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Nginx,
    Haproxy,
    Lab,
}

impl Subject {
    pub(super) const ALL: [Subject; 3] = [Subject::Nginx, Subject::Haproxy, Subject::Lab];

    /// The most connections it can hold. haproxy counts two descriptors for each, and many systems allow 20,000.
    pub(super) fn most_connections(self) -> usize {
        if self == Subject::Haproxy { 9_800 } else { usize::MAX }
    }
}

/// An nginx with files, beside wrk. Its folder has the certificates of the subjects, too.
pub(super) struct Upstream {
    address: SocketAddr,
    process: Process,
}

/// The names and sizes of the files.
const FILES: [(&str, usize); 5] =
    [("1k", 1_000), ("16k", 16_000), ("100k", 100_000), ("1m", 1_000_000), ("10m", 10_000_000)];

impl Upstream {
    pub(super) fn start() -> Upstream {
        let address = free_address();
        let folder = tempfile::tempdir().expect("a folder");
        for (name, size) in FILES {
            fs::write(folder.path().join(name), "x".repeat(size)).expect("a file");
        }
        fs::write(folder.path().join("20k.json"), json_document(20_000)).expect("a file");
        Certificate::ALL.into_iter().for_each(|certificate| certificate.write(folder.path()));
        let configuration = format!(
            "daemon off; pid pid; worker_processes 1; error_log stderr; events {{ worker_connections 4096; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; open_file_cache max=10; keepalive_requests 100000000;\n\
             server {{ listen {address} backlog=4096; root .; }} }}\n"
        );
        let command = nginx(&folder, &configuration);
        Upstream { address, process: Process::start(&command, "1", address, folder) }
    }

    fn folder(&self) -> &Path {
        self.process.folder.path()
    }

    /// The certificates of the subjects.
    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        for certificate in Certificate::ALL {
            let file = self.folder().join(format!("{}.pem", certificate.name()));
            roots.add(CertificateDer::from_pem_file(file).expect("a certificate")).expect("a root");
        }
        roots
    }

    /// A client that trusts the certificates of the subjects. Each of its connections is that of a new client.
    pub(super) fn tls_client(&self) -> TlsClient {
        let trust = ServerTrust::Roots(self.roots());
        TlsClient(client_config(trust, &[]).expect("a client"))
    }
}

/// A client of TLS, with one configuration for all its connections.
pub(super) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// A connection that has had a response, and stays open.
    pub(super) fn ask_and_stay(&self, address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
        let name = "localhost".try_into().expect("a name");
        let connection = ClientConnection::new(Arc::clone(&self.0), name).expect("a client");
        let stream = TcpStream::connect(address).expect("a connection");
        let mut stream = StreamOwned::new(connection, stream);
        ask(&mut stream);
        stream
    }
}

/// A list of records like those of an API, about this long.
fn json_document(length: usize) -> String {
    let mut text = "[".to_owned();
    // A multiplier of a linear congruential generator: the names and numbers must not repeat, or gzip has too little to do.
    let mut seed = 1_u64;
    while text.len() < length {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (id, name) = (seed >> 40, format!("{:x}", seed >> 20));
        text.push_str(&format!(
            "{{\"id\": {id}, \"name\": \"{name}\", \"email\": \"{name}@example.org\", \"is_active\": {}, \"tags\": []}},\n",
            id % 3 == 0
        ));
    }
    text.push_str("null]");
    text
}

/// The key of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certificate {
    /// On the curve P-256.
    Ecdsa,
    /// With 2,048 bits.
    Rsa,
}

impl Certificate {
    const ALL: [Certificate; 2] = [Certificate::Ecdsa, Certificate::Rsa];

    fn name(self) -> &'static str {
        match self {
            Certificate::Ecdsa => "ecdsa",
            Certificate::Rsa => "rsa",
        }
    }

    /// Writes the certificate, signed by itself, and its key.
    fn write(self, folder: &Path) {
        let algorithm = match self {
            Certificate::Ecdsa => &rcgen::PKCS_ECDSA_P256_SHA256,
            Certificate::Rsa => &rcgen::PKCS_RSA_SHA256,
        };
        let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
        let parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        let file = |extension: &str| folder.join(format!("{}.{extension}", self.name()));
        fs::write(file("pem"), certificate.pem()).expect("a certificate");
        fs::write(file("key"), key.serialize_pem()).expect("a key");
    }
}

/// A server of the subjects with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsServer {
    Ecdsa,
    Rsa,
    /// TLS 1.2, whose sessions are resumed by tickets.
    Tls12Tickets,
    /// TLS 1.2, whose sessions are resumed by identifiers.
    Tls12SessionIds,
}

impl TlsServer {
    const ALL: [TlsServer; 4] = [TlsServer::Ecdsa, TlsServer::Rsa, TlsServer::Tls12Tickets, TlsServer::Tls12SessionIds];

    fn certificate(self) -> Certificate {
        if self == TlsServer::Rsa { Certificate::Rsa } else { Certificate::Ecdsa }
    }

    fn directives(self) -> &'static str {
        match self {
            TlsServer::Ecdsa | TlsServer::Rsa => "ssl_protocols TLSv1.3;",
            TlsServer::Tls12Tickets => "ssl_protocols TLSv1.2;",
            TlsServer::Tls12SessionIds => {
                "ssl_protocols TLSv1.2; ssl_session_tickets off; ssl_session_cache shared:sessions:10m;"
            }
        }
    }
}

/// A running subject, on the first core.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    tls: [SocketAddr; 4],
    process: Process,
}

impl Running {
    pub(super) fn start(subject: Subject, upstream: &Upstream) -> Running {
        let address = free_address();
        let folder = tempfile::tempdir().expect("a folder");
        let (files, upstream) = (upstream.folder().display(), upstream.address);
        let tls = TlsServer::ALL.map(|_| free_address());
        let listeners = TlsServer::ALL.into_iter().zip(tls).map(|(server, address)| {
            let (name, directives) = (server.certificate().name(), server.directives());
            format!(
                "server {{ listen {address} ssl http2 backlog=4096; ssl_certificate {files}/{name}.pem;\n\
                 ssl_certificate_key {files}/{name}.key; {directives} location / {{ proxy_pass http://app;\n\
                 proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host; }} }}\n"
            )
        });
        let listeners: String = listeners.collect();
        let configuration = format!(
            "daemon off; pid pid; worker_processes 1; error_log error.log;\n\
             events {{ worker_connections 22000; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;\n\
             limit_req_zone $arg_key zone=keys:32m rate=100000r/s;\n\
             proxy_cache_path cache levels=1:2 keys_zone=cache:64m max_size=1g use_temp_path=off;\n\
             proxy_cache_key $request_uri;\n\
             upstream app {{ server {upstream}; keepalive 64; }}\n\
             server {{ listen {address} backlog=4096; location / {{ proxy_pass http://app;\n\
             proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;\n\
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n\
             proxy_set_header X-Forwarded-Proto $scheme; }}\n\
             location /cached/ {{ proxy_pass http://app/; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
             proxy_cache cache; proxy_cache_valid 1h; }}\n\
             location /expiring/ {{ proxy_pass http://app/; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
             proxy_cache cache; proxy_cache_valid 1s; proxy_cache_lock on;\n\
             proxy_cache_use_stale updating; proxy_cache_background_update on; }}\n\
             default_type application/json; gzip_types application/json;\n\
             location /files/ {{ alias {files}/; if_modified_since before; }}\n\
             location /gzip-1/ {{ alias {files}/; gzip on; gzip_comp_level 1; }}\n\
             location /gzip-6/ {{ alias {files}/; gzip on; gzip_comp_level 6; }}\n\
             location /limited/ {{ alias {files}/; limit_req zone=keys burst=100 nodelay; }} }}\n{listeners} }}\n"
        );
        let command = match subject {
            Subject::Nginx => nginx(&folder, &configuration),
            Subject::Lab => {
                fs::write(folder.path().join("nginx.conf"), configuration).expect("a configuration");
                let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
                command.args(["proxy", "-p"]).arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
                command
            }
            Subject::Haproxy => {
                let configuration = format!(
                    "global\n  nbthread 1\n  maxconn 9900\n\
                     defaults\n  mode http\n  timeout connect 60s\n  timeout client 60s\n  timeout server 60s\n\
                     listen app\n  bind {address} backlog 4096\n  option forwardfor\n  http-reuse always\n\
                     http-request set-header X-Forwarded-Proto http\n  server app {upstream} pool-max-conn 64\n"
                );
                fs::write(folder.path().join("haproxy.cfg"), configuration).expect("a configuration");
                let mut command = Command::new(HAPROXY);
                command.args(["-db", "-f"]).arg(folder.path().join("haproxy.cfg"));
                command
            }
        };
        Running { address, tls, process: Process::start(&command, "0", address, folder) }
    }

    /// Where a server with TLS listens. Haproxy has none.
    pub(super) fn tls_address(&self, server: TlsServer) -> SocketAddr {
        self.tls[server as usize]
    }

    /// CPU time of all its threads, as the scheduler counts it.
    pub(super) fn cpu(&self) -> Duration {
        let of_thread = |thread: &fs::DirEntry| {
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0)
        };
        let threads = self
            .process
            .family()
            .into_iter()
            .flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten());
        Duration::from_nanos(threads.map(|thread| of_thread(&thread)).sum())
    }

    /// Its share of memory, in KiB.
    pub(super) fn memory_kib(&self) -> u64 {
        let of_process = |pid: u32| -> u64 {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        self.process.family().into_iter().map(of_process).sum()
    }
}

/// A running program and its folder.
struct Process {
    child: Child,
    folder: TempDir,
}

impl Process {
    fn start(command: &Command, core: &str, address: SocketAddr, folder: TempDir) -> Process {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", core]).arg(command.get_program()).args(command.get_args());
        pinned.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = pinned.spawn().expect("a program starts");
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{:?} does not listen", command.get_program());
            std::thread::yield_now();
        }
        Process { child, folder }
    }

    /// The process and its children: no subject has grandchildren.
    fn family(&self) -> Vec<u32> {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        [pid].into_iter().chain(children.split_whitespace().filter_map(|child| child.parse().ok())).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        _ = self.child.wait();
    }
}

fn nginx(folder: &TempDir, configuration: &str) -> Command {
    fs::write(folder.path().join("nginx.conf"), configuration).expect("a configuration");
    let mut command = Command::new(NGINX);
    if rustix::process::geteuid().is_root() {
        // its worker must be able to read the folder
        command.args(["-g", "user root;"]);
    }
    command.arg("-p").arg(folder.path()).arg("-c").arg(folder.path().join("nginx.conf"));
    command
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port")
}

/// The body of the response to a GET, as it is sent.
pub(super) fn get(address: SocketAddr, path: &str, fields: &[&str]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n{fields}Connection: close\r\n\r\n").expect("a request");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("a response");
    let head = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    all.split_off(head + 4)
}

/// A connection that has had a response, and stays open.
pub(super) fn ask_and_stay(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    ask(&mut stream);
    stream
}

fn ask(stream: &mut (impl Read + Write)) {
    stream.write_all(b"GET /1k HTTP/1.1\r\nHost: a\r\n\r\n").expect("a request");
    let mut got = 0;
    while got < 1_000 {
        let read = stream.read(&mut [0; 4096]).expect("a response");
        assert!(read > 0, "the connection ended");
        got += read;
    }
}

/// Raises the limit of open files, for this process and its children.
pub(super) fn allow_descriptors(count: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = (count as u64 * 2).min(limit.maximum.unwrap_or(u64::MAX));
    limit.current = limit.current.map(|current| current.max(wanted));
    setrlimit(Resource::Nofile, limit).expect("the bound can be raised as far as allowed");
}

/// The cores, and how busy they are.
pub(super) fn machine() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{cores} cores, load {}", load.split(' ').next().unwrap_or("?"))
}
