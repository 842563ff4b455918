//! TLS and HTTP/2 with real nginx and a certificate of the test's own.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use lab::catalog::kind::Protocol;
use lab::stack::guarded::{FIRST_INHERITED_FD, Guarded, ListeningSocket, Output, Program as Started};
use lab::stack::relocate::{self, Target};
use lab::stack::{Role, ready};
use lab_load::wire::Program as Other;
use lab_load::wire::{Arrival, DriveOutcome, DrivePlan, ErrorClass, Http, Mode, Stage, Tls, Trust};

use super::driver::{drive, number, open, plan};
use super::servers::{PONG, runtime, send, serve};
use crate::proxy::running::{NGINX, Program, Proxy};
use crate::support::{Tool, requires};

const SECOND: Duration = Duration::from_secs(1);
const SITE: &str = "site.example";

/// nginx with a certificate for [`SITE`], which a file of the test's vouches for.
struct Site {
    nginx: Proxy,
    ca: PathBuf,
    _folder: tempfile::TempDir,
}

impl Site {
    /// Listening with these words behind the address; `further` stands in the server.
    fn start(words: &str, further: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([SITE.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let (ca, key) = (folder.path().join("site.pem"), folder.path().join("site.key"));
        std::fs::write(&ca, cert.pem()).unwrap();
        std::fs::write(&key, signing_key.serialize_pem()).unwrap();
        let configuration = format!(
            "daemon off; worker_processes 1; pid nginx.pid; error_log error.log; events {{ }}\n\
             http {{ access_log off; server {{ listen {{listen}} {words}; {further}\n\
             ssl_certificate {}; ssl_certificate_key {};\n\
             location = /pong {{ return 200 \"Pong!\"; }} }} }}\n",
            ca.display(),
            key.display()
        );
        Site { nginx: Proxy::start_as(Program::Nginx, &configuration, |_, _| ()), ca, _folder: folder }
    }

    fn plan(&self, mode: Mode) -> DrivePlan {
        let tls = Tls { trust: Trust::Ca(self.ca.clone()), server_name: Some(SITE.to_owned()) };
        let plan = plan(self.nginx.address, mode);
        DrivePlan { url: plan.url.replace("http://", "https://"), tls: Some(tls), ..plan }
    }
}

fn http2(streams: u32) -> Http {
    Http::Two { streams: number(streams) }
}

fn sessions(calls: u32) -> Mode {
    Mode::Open(open(50, SECOND, Arrival::Session { calls: number(calls) }))
}

fn pool(connections: u32) -> Mode {
    Mode::Open(open(200, SECOND, Arrival::Pooled { connections: number(connections) }))
}

fn closed(connections: u32) -> Mode {
    Mode::Closed { connections: number(connections) }
}

/// No failure, every body whole; returns the outcome.
fn sound(plan: &DrivePlan) -> DriveOutcome {
    let outcome = drive(plan);
    let ledger = &outcome.ledger;
    assert_eq!(ledger.failed, BTreeMap::new(), "{plan:?}: {:?}", outcome.unclassified);
    assert!(ledger.ok > 0 && ledger.body_bytes == Some(5 * ledger.ok), "{plan:?}: {ledger:?}");
    outcome
}

/// Every failure is of this class.
fn failing(plan: &DrivePlan, class: ErrorClass) -> DriveOutcome {
    let outcome = drive(plan);
    assert_eq!(outcome.ledger.failed.keys().collect::<Vec<_>>(), [&class], "{plan:?}: {:?}", outcome.unclassified);
    outcome
}

#[test]
fn own_drivers_speak_tls_and_http2_to_nginx() {
    requires!(Nginx);
    let both = Site::start("ssl http2", "keepalive_requests 1000000;");
    let in_the_clear = Site::start("http2", "keepalive_requests 1000000;");
    let http1 = DrivePlan { http: Http::OneOne, ..both.plan(closed(3)) };
    for (name, of) in [
        ("HTTP/1.1 over TLS", http1.clone()),
        ("HTTP/2 over TLS", DrivePlan { http: http2(1), ..http1.clone() }),
        ("HTTP/2 with prior knowledge", DrivePlan { http: http2(1), ..plan(in_the_clear.nginx.address, closed(3)) }),
    ] {
        let opened = |mode: Mode, http: Http| {
            let outcome = sound(&DrivePlan { mode, http, ..of.clone() });
            (outcome.ledger.ok, outcome.connections_opened)
        };
        assert_eq!(opened(closed(3), of.http).1, Some(3), "{name}");
        assert_eq!(opened(sessions(3), of.http), (150, Some(50)), "{name}: a session is a connection");
        let (ok, connections) = opened(pool(2), of.http);
        assert!(ok == 200 && connections.is_some_and(|opened| opened <= 2), "{name}: {connections:?}");
        if of.http != Http::OneOne {
            assert_eq!(opened(closed(2), http2(10)).1, Some(2), "{name}: ten streams share a connection");
            assert_eq!(opened(pool(2), http2(10)), (200, Some(2)), "{name}");
        }
    }
}

#[test]
fn certificates_are_verified() {
    requires!(Nginx);
    let site = Site::start("ssl", "");
    let other = Site::start("ssl", "");
    let goose = Mode::Goose { users: NonZeroU32::MIN, steps: Vec::new() };
    for mode in [sessions(1), closed(1), goose] {
        let trusting = |trust: Trust, server_name: Option<&str>| {
            let tls = Tls { trust, server_name: server_name.map(str::to_owned) };
            DrivePlan { tls: Some(tls), ..site.plan(mode.clone()) }
        };
        sound(&trusting(Trust::Ca(site.ca.clone()), Some(SITE)));
        sound(&trusting(Trust::Ca(site.ca.clone()), None));
        sound(&trusting(Trust::Insecure, Some("elsewhere.example")));
        let untrusted = failing(&trusting(Trust::Ca(other.ca.clone()), Some(SITE)), ErrorClass::TlsCertificate);
        assert!(!untrusted.unclassified.is_empty(), "the reason is reported");
        failing(&trusting(Trust::Ca(site.ca.clone()), Some("elsewhere.example")), ErrorClass::TlsCertificate);
    }
}

/// A server that sends plain text instead of TLS.
fn speaks_first() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            _ = stream.unwrap().write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n");
        }
    });
    address
}

#[test]
fn failed_handshakes_are_classified() {
    requires!(Nginx);
    let site = Site::start("ssl", "");
    for mode in [sessions(1), closed(1)] {
        // It does not offer HTTP/2.
        failing(&DrivePlan { http: http2(1), ..site.plan(mode.clone()) }, ErrorClass::TlsHandshake);
        let insecure = |address| {
            let tls = Some(Tls { trust: Trust::Insecure, server_name: None });
            let plan = plan(address, mode.clone());
            DrivePlan { url: plan.url.replace("http://", "https://"), tls, timeout: SECOND / 5, ..plan }
        };
        failing(&insecure(speaks_first()), ErrorClass::TlsHandshake);
        // It waits for the end of a head that never comes.
        let runtime = runtime();
        let (silent, _) = serve(&runtime, |_, _| send(PONG));
        failing(&insecure(silent), ErrorClass::TimeoutConnect);
    }
}

#[test]
fn orderly_close_differs_from_failure() {
    requires!(Nginx);
    let site = Site::start("ssl http2", "keepalive_requests 20;");
    // With one stream the end of a connection is known before the next request, which opens another.
    let one = sound(&DrivePlan { http: http2(1), ..site.plan(pool(1)) });
    assert_eq!((one.ledger.ok, one.connections_opened), (200, Some(10)));
    // With several streams, GOAWAY leaves some of them unprocessed.
    let several = drive(&DrivePlan { http: http2(10), ..site.plan(closed(1)) });
    let refused = several.ledger.failed.get(&ErrorClass::StreamRefused).copied().unwrap_or_default();
    assert_eq!(several.ledger.failures(), refused, "{:?}", several.ledger.failed);
    assert!(refused > 0 && several.ledger.ok >= 2 * refused, "{refused} refused, {} good", several.ledger.ok);
}

/// As a scenario's stack is started: on ports that lab has bound, from a configuration that has moved and whose
/// certificate lies beside the original.
fn relocated_proxy_is_driven_over_tls(program: &[&str], http: Http) {
    let project = Site::start("ssl", "");
    let configuration = "events { }\nhttp { access_log off; server { listen 80; listen 443 ssl http2;\n\
                         ssl_certificate site.pem; ssl_certificate_key site.key; keepalive_requests 1000000;\n\
                         location = /pong { return 200 \"Pong!\"; } } }\n";
    let run = tempfile::tempdir().unwrap();
    let (original, moved) = (project.ca.with_file_name("nginx.conf"), run.path().join("nginx.conf"));
    let mut sockets = Vec::new();
    let mut reserve = || {
        sockets.push(ListeningSocket::loopback()?);
        Ok(sockets[sockets.len() - 1].address())
    };
    let (upstream, folder) = ("127.0.0.1:1", run.path());
    let (include, placeholder) = (&mut |_: &_| Ok(Vec::new()), &mut |_: &relocate::CertificateFile<'_>| Ok(None));
    let (reserve, is_here, has_user) = (&mut reserve, &std::path::Path::exists, &|_: &str| true);
    let target =
        Target { access_logs: true, upstream, folder, folders: &[], reserve, include, placeholder, is_here, has_user };
    let relocated = relocate::nginx(configuration, &original, target).unwrap();
    std::fs::write(&moved, &relocated.text).unwrap();
    let inherited: String = (FIRST_INHERITED_FD..).zip(&sockets).map(|(fd, _)| format!("{fd};")).collect();
    let (moved, folder) = (moved.display().to_string(), run.path().display().to_string());
    let globals = format!("{} user root;", relocated.globals);
    let arguments = ["-p", &folder, "-c", &moved, "-g", &globals];
    let command = program.iter().chain(&arguments).map(|word| (*word).to_owned()).collect();
    let program = Started {
        command,
        environment: vec![("NGINX".to_owned(), inherited)],
        folder: None,
        cores: Vec::new(),
        grace: SECOND,
        sockets,
        input: None,
        output: Output::File(run.path().join("proxy.log")),
    };
    let tls_entry = relocated.tls_entry.unwrap();
    runtime().block_on(async {
        let mut proxy = Guarded::start(env!("CARGO_BIN_EXE_lab").as_ref(), program).unwrap();
        for address in [relocated.entry, tls_entry] {
            let question = ready::Probe {
                role: Role::Proxy,
                address,
                protocol: Protocol::Http,
                path: "/",
                binds_itself: false,
                originals: &[],
            };
            ready::wait(&question, &mut proxy, 10 * SECOND).await.unwrap();
        }
        let plan = |url: String, plan: DrivePlan| DrivePlan { url, ..plan };
        let secure = plan(format!("https://{tls_entry}/pong"), project.plan(closed(2)));
        assert_eq!(sound(&DrivePlan { http, ..secure }).connections_opened, Some(2));
        let plain = DrivePlan { tls: None, ..project.plan(closed(2)) };
        sound(&plan(format!("http://{}/pong", relocated.entry), plain));
        proxy.stop().await.unwrap();
    });
}

#[test]
fn relocated_nginx_is_driven_over_tls() {
    requires!(Nginx);
    relocated_proxy_is_driven_over_tls(&[NGINX], http2(4));
}

#[test]
fn relocated_twin_is_driven_over_tls() {
    requires!(Nginx);
    relocated_proxy_is_driven_over_tls(&[env!("CARGO_BIN_EXE_lab"), "proxy"], Http::default());
}

#[test]
fn external_drivers_get_the_protocol_they_speak() {
    requires!(Nginx);
    let site = Site::start("ssl http2", "keepalive_requests 1000000;");
    let connections = number(2);
    let rates = vec![Stage { rate_per_s: number(20), lasts: Duration::from_secs(1) }];
    let httperf = Other::Httperf { rates, calls: number(2), is_poisson: false };
    for (program, spoken) in [
        (Other::Wrk { connections }, Http::OneOne),
        (Other::H2load { connections }, Http::OneOne),
        (Other::H2load { connections }, http2(4)),
        (httperf, Http::OneOne),
    ] {
        if !Tool::from_driver(program.name()).is_available_for_part() {
            continue;
        }
        let tls = Some(Tls { trust: Trust::Insecure, server_name: None });
        let plan = DrivePlan { tls, http: spoken, ..site.plan(Mode::External { program }) };
        let outcome = drive(&plan);
        assert_eq!(outcome.ledger.failed, BTreeMap::new(), "{plan:?}");
        assert!(outcome.ledger.ok >= 40, "{plan:?}: {}", outcome.ledger.ok);
    }
}
