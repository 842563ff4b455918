//! What the twins cost: rewriting a head and expanding variables by themselves, and a round trip over loopback through
//! the real processes, beside a hyper server as the peer.
//!
//! `cargo bench --bench twins`. The round trips are those of one blocking client on one connection: latency, not
//! throughput, and of a machine whose other work shows in them.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lab::catalog::kind::Interface;
use lab::catalog::{Catalog, KindRef, Role};
use lab::provision::{AppPackages, Installed, RequiredKind, ToolPaths};
use lab::scenario::model::{App, Backend, Proxy, Server, Stack};
use lab::stack::process::ProcessLauncher;
use lab_http::h1::parse::RequestParser;
use lab_http::{Limits, RequestHead};
use lab_proxy::config::Config;
use lab_proxy::config::address::Address;
use lab_proxy::config::location::LocationMatch;
use lab_proxy::config::nginx_version::NginxVersion;
use lab_proxy::config::proxy::pass::ProxyPass;
use lab_proxy::eval::{ClientConnection, RequestOutcome, Scope};
use lab_proxy::phases::Phases;
use lab_proxy::phases::file_system::Disk;
use lab_proxy::routing::request::Request;
use lab_proxy::routing::route::Route;
use lab_proxy::upstream::request_head;
use lab_proxy::variables::{DefinedVariables, Template, VariableValues};
use lab_proxy::{CommandLine, read_configuration, read_configuration_text};

const REQUEST: &[u8] = b"GET /headers?q=1 HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: bench/1.0\r\n\
    Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\nCookie: a=1; b=2\r\n\
    X-Forwarded-For: 203.0.113.9\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\n\r\n";

/// Locations of every kind, as a server has them that grew over the years.
const LOCATIONS: &str = "events {} http { server { root /srv; \
    location / { return 200; } location = /health { return 200; } location /static/ { index a b; } \
    location /api/ { return 200; location /api/v2/ { return 200; } } location ^~ /assets/ { return 200; } \
    location ~ \\.php$ { return 404; } location ~* \\.(?:png|jpe?g|css|js)$ { return 200; } \
    location /old/ { rewrite ^/old/([0-9]+)/(.*)$ /new/$2?year=$1 last; } location /new/ { return 200; } } }";

fn corrected_conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nginx/corrected.conf")
}

fn head() -> RequestHead {
    let parsed = RequestParser::default().advance(REQUEST, &Limits::default());
    // OK because the benchmark's own request is whole and valid
    parsed.expect("a valid request").expect("a whole request").0
}

/// Where the corrected file sends every request.
fn pass(settings: &Config) -> &ProxyPass {
    match settings.servers[0].locations().find(b"/", &VariableValues::default()) {
        // OK because the corrected file's only location passes to its upstream
        LocationMatch::Location(location) => location.pass.as_ref().expect("a location that passes"),
        found => panic!("the corrected file has a location for everything, not {found:?}"),
    }
}

fn corrected() -> Config {
    let nginx_version = NginxVersion::default();
    let line = CommandLine { file: &corrected_conf(), prefix: None, error_log: None, directives: "", nginx_version };
    // OK because a test holds that the corrected file is valid
    read_configuration(line).expect("the corrected file").0
}

/// From a request to what is left to do for it.
fn routing(criterion: &mut Criterion) {
    // OK because the benchmark's own configuration is valid
    let grown = read_configuration_text(LOCATIONS, Path::new("nginx.conf")).expect("a valid configuration");
    let corrected = corrected();
    let connection =
        ClientConnection::new(1, Some(([192, 0, 2, 1], 4711).into()), Address::Internet(([192, 0, 2, 2], 80).into()));
    let outcome = RequestOutcome::default();
    let mut group = criterion.benchmark_group("phases");
    for (name, settings, target) in [
        ("one location that passes", &corrected, "/headers?q=1"),
        ("a prefix among many", &grown, "/api/v2/things"),
        ("a regular expression among many", &grown, "/img/logo.png"),
        ("a rewrite to another location", &grown, "/old/2011/post"),
    ] {
        let mut head = RequestHead::new("GET", target, lab_http::Version::Http11);
        head.headers.push("Host", "shop.example");
        // OK because the benchmark's own request is valid
        let request = Request::validate(&head, true).expect("a valid request");
        let server = &settings.servers[0];
        let phases = Phases {
            config: settings,
            server,
            connection: &connection,
            request: &request,
            outcome: &outcome,
            files: &Disk,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut route = Route::new(Some(&request), &server.outside, VariableValues::new(&settings.variables));
                black_box(phases.begin(&mut route));
            });
        });
    }
    group.finish();
}

fn rewriting(criterion: &mut Criterion) {
    let settings = corrected();
    let pass = pass(&settings);
    let head = head();
    // OK because the benchmark's own request is valid
    let request = Request::validate(&head, true).expect("a valid request");
    let connection =
        ClientConnection::new(1, Some(([192, 0, 2, 1], 4711).into()), Address::Internet(([192, 0, 2, 2], 80).into()));
    let outcome = RequestOutcome::default();
    let route = Route::new(Some(&request), &settings.servers[0].outside, VariableValues::default());
    let scope = Scope {
        connection: &connection,
        request: Some(&request),
        refused_line: None,
        route: &route,
        derived: &settings.derived,
        pending: None,
        server: &settings.servers[0],
        pass: Some(pass),
        outcome: &outcome,
    };
    let mut group = criterion.benchmark_group("head");
    group.bench_function("parse", |bencher| bencher.iter(|| black_box(self::head())));
    let mut out = Vec::with_capacity(1024);
    group.bench_function("rewrite for the upstream", |bencher| {
        bencher.iter(|| {
            out.clear();
            request_head::write(&request, pass, &scope, request.body, &mut out);
            black_box(out.len())
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("variables");
    for text in ["$proxy_add_x_forwarded_for", "$scheme://$host$request_uri", "$http_user_agent"] {
        // OK because the benchmark's own templates are valid
        let template = Template::compile(text, &DefinedVariables::default()).expect("a valid template");
        group.bench_function(text, |bencher| {
            bencher.iter(|| {
                out.clear();
                template.write(&scope, &mut out);
                black_box(out.len())
            });
        });
    }
    group.finish();
}

/// A client that keeps its connection for as long as the server does.
struct Client {
    address: SocketAddr,
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    fn new(address: SocketAddr) -> Client {
        Client { address, stream: connect(address), answer: vec![0; 4096] }
    }

    /// One request for `/pong` and its answer, which fits into one segment.
    fn round_trip(&mut self) -> usize {
        let request = b"GET /pong HTTP/1.1\r\nHost: bench\r\n\r\n";
        let mut length = 0;
        if self.stream.write_all(request).is_ok() {
            while !self.answer[..length].ends_with(b"Pong!") {
                match self.stream.read(&mut self.answer[length..]) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => length += read,
                }
            }
        }
        // Servers close a connection after so many requests, or after so much idle time between two benchmarks.
        if length == 0 || self.answer[..length].windows(17).any(|part| part == b"Connection: close") {
            self.stream = connect(self.address);
        }
        length
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    // OK because a benchmark without its server has nothing to say
    let stream = TcpStream::connect(address).expect("connect");
    stream.set_nodelay(true).expect("set TCP_NODELAY"); // OK because the socket is ours
    stream
}

/// The peer: hyper's server on a thread of its own, answering as the sample app does.
fn hyper_peer() -> SocketAddr {
    // OK because a benchmark without its peer has nothing to say
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = listener.local_addr().expect("a bound address"); // OK because it is bound
    listener.set_nonblocking(true).expect("set O_NONBLOCK"); // OK because the socket is ours
    std::thread::spawn(move || answer_pong(listener));
    address
}

fn answer_pong(listener: std::net::TcpListener) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let answer = service_fn(|_| async {
                let pong = Full::new(Bytes::from_static(b"Pong!"));
                http::Response::builder().header("Content-Type", "text/plain").body(pong)
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    })
}

fn stack(name: &str, proxy: Option<Proxy>) -> Stack {
    let server = Server::new(kind(Role::Server));
    let (app, backend) = (Interface::Native, Backend::Process);
    Stack {
        name: name.to_owned(),
        proxy,
        server,
        backend,
        app,
        apps: App::Native("hello".to_owned()),
        reference: false,
        measured: true,
        is_optional: false,
        impossible: None,
        version: None,
    }
}

/// lab itself, in that role.
fn kind(role: Role) -> KindRef {
    Catalog::builtin().choose(role, "lab").expect("a kind") // OK because lab knows itself
}

fn round_trips(criterion: &mut Criterion) {
    // OK because a benchmark without its folder, runtime or stacks has nothing to say, here and below
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let lab = PathBuf::from(env!("CARGO_BIN_EXE_lab"));
    let no_python = Err("no Python is needed".to_owned());
    let paths = ToolPaths { lab: lab.clone(), cache: folder.path().to_owned(), python: no_python };
    let mut installed = Installed::default();
    let mut find = |deployment, role: Role| {
        let app = (role == Role::Server).then_some(Interface::Native);
        installed
            .probe(RequiredKind { deployment, kind: kind(role).kind(), app, packages: &AppPackages::None }, &paths);
    };
    find("direct", Role::Server);
    find("proxied", Role::Server);
    find("proxied", Role::Proxy);
    let launcher = ProcessLauncher {
        lab: PathBuf::from(env!("CARGO_BIN_EXE_lab")),
        folder: folder.path().to_owned(),
        cores: Vec::new(),
        installed,
    };
    let proxy = Proxy { kind: kind(Role::Proxy), config: Some(corrected_conf()), image: None };
    let start = |stack: Stack| runtime.block_on(launcher.start(&stack, &stack.name)).expect("a stack"); // OK as above
    let (direct, proxied) = (start(stack("direct", None)), start(stack("proxied", Some(proxy))));

    let mut group = criterion.benchmark_group("round trip");
    for (name, address) in
        [("hyper", hyper_peer()), ("lab serve", direct.entry()), ("lab proxy and lab serve", proxied.entry())]
    {
        let mut client = Client::new(address);
        group.bench_function(name, |bencher| bencher.iter(|| client.round_trip()));
    }
    group.finish();
    for running in [direct, proxied] {
        runtime.block_on(running.stop()).expect("a stopped stack"); // OK as above
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = routing, rewriting, round_trips
}
criterion_main!(benches);
