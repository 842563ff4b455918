//! The cost of the twins: rewriting a head, expanding variables, and a round trip over loopback through the real
//! processes, beside a hyper server as the peer.
//!
//! `cargo bench --bench twins`. One blocking client makes the round trips on one connection: they are latency, not
//! throughput, and other work of the machine shows in them.

#[path = "setup/proxy.rs"]
mod proxy_setup;

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
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
use lab::stack::recording::Recording;
use lab_proxy::upstream::request_head;
use lab_proxy::variables::{DefinedVariables, Template};
use proxy_setup::{corrected, corrected_conf, grown, head, with_routing, with_scope};

/// From a request to its action.
fn routing(criterion: &mut Criterion) {
    let (grown, corrected) = (grown(), corrected());
    let mut group = criterion.benchmark_group("phases");
    for (name, settings, target) in [
        ("one location that passes", &corrected, "/headers?q=1"),
        ("a prefix among many", &grown, "/api/v2/things"),
        ("a regular expression among many", &grown, "/img/logo.png"),
        ("a rewrite to another location", &grown, "/old/2011/post"),
    ] {
        with_routing(settings, target, |route| {
            group.bench_function(name, |bencher| bencher.iter(route));
        });
    }
    group.finish();
}

fn rewriting(criterion: &mut Criterion) {
    with_scope(|request, pass, scope| {
        let mut group = criterion.benchmark_group("head");
        group.bench_function("parse", |bencher| bencher.iter(|| black_box(head())));
        let mut out = Vec::with_capacity(1024);
        group.bench_function("rewrite for the upstream", |bencher| {
            bencher.iter(|| {
                out.clear();
                request_head::write(request, pass, scope, request.body, &mut out);
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
                    template.write(scope, &mut out);
                    black_box(out.len())
                });
            });
        }
        group.finish();
    });
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

    /// One request for `/pong` and its response, which fits into one segment.
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
        // Servers close a connection after a number of requests, or after some idle time between two benchmarks.
        if length == 0 || self.answer[..length].windows(17).any(|part| part == b"Connection: close") {
            self.stream = connect(self.address);
        }
        length
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    // OK because a benchmark without its server measures nothing
    let stream = TcpStream::connect(address).expect("connect");
    stream.set_nodelay(true).expect("set TCP_NODELAY"); // OK because the socket is ours
    stream
}

/// The peer: hyper's server on a thread of its own, with the responses of the sample app.
fn hyper_peer() -> SocketAddr {
    // OK because a benchmark without its peer measures nothing
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
    // OK because a benchmark without its folder, runtime or stacks measures nothing, here and below
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
        root: folder.path().to_owned(),
        folder: folder.path().to_owned(),
        cores: Vec::new(),
        installed,
        logs_under_load: true,
    };
    let proxy = Proxy { kind: kind(Role::Proxy), config: Some(corrected_conf()), folders: Vec::new(), image: None };
    let start = |stack: Stack| {
        let started = launcher.start(&stack, &stack.name, Recording::NONE, None);
        runtime.block_on(started).expect("a stack") // OK as above
    };
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
