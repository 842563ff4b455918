//! Every way in which a worker leaves, with kept and new connections, without a proxy and behind two: no
//! request is lost.
//!
//! `cargo xtask storms` waits for 200,000 responses for each way, in equal parts from all traffics and routes. An ordinary
//! test run has half of the traffics, and waits for a few hundred responses from each.

use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::python::Folder;
use super::retirement::{storm, wait_for_responses};
use super::server::{Server, get, send_signal, workers};
use super::traffic::TRAFFICS;
use crate::proxy::running::{Program, Proxy};
use crate::soak::disturbance::upgrade_or_return;
use crate::support::{Tool, wait_until};

/// How many responses there are for each way, from `cargo xtask storms`.
const RESPONSES: &str = "LAB_STORM_RESPONSES";

const APP: &str = r#"
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        time.sleep(60)
    content = environ["wsgi.input"].read() or b"Pong!"
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
"#;

/// Why workers leave.
struct Departure {
    name: &'static str,
    arguments: &'static [&'static str],
    /// Between two actions.
    pause: Duration,
    action: fn(&Server, u64),
}

const DEPARTURES: [Departure; 6] = [
    Departure {
        name: "max_requests",
        arguments: &["--threads", "4", "--max-requests", "50"],
        pause: Duration::from_millis(100),
        action: |_, _| (),
    },
    Departure {
        name: "SIGHUP",
        arguments: &["--threads", "4"],
        pause: Duration::from_millis(500),
        action: |server, _| server.signal(Signal::HUP),
    },
    Departure {
        name: "SIGTTIN and SIGTTOU",
        arguments: &["--threads", "4"],
        pause: Duration::from_millis(300),
        action: |server, count| server.signal(if count.is_multiple_of(2) { Signal::TTIN } else { Signal::TTOU }),
    },
    Departure {
        name: "SIGTERM of a worker",
        arguments: &["--threads", "4"],
        pause: Duration::from_millis(300),
        action: |server, _| workers(server.id()).first().into_iter().for_each(|pid| send_signal(*pid, Signal::TERM)),
    },
    Departure {
        name: "SIGTERM of an arbiter after SIGUSR2",
        arguments: &["--threads", "4"],
        pause: Duration::from_millis(500),
        action: |server, _| upgrade_or_return(server.id()),
    },
    Departure {
        name: "timeout of another request",
        arguments: &["--timeout", "1"],
        pause: Duration::from_millis(200),
        // It is the request that loses its response.
        action: |server, _| _ = get(TcpStream::connect(&server.address).expect("a connection"), "/hang"),
    },
];

/// A proxy in front of the server.
fn start_proxy(program: Program, server: &Server) -> Proxy {
    let configuration = format!(
        "daemon off; worker_processes 1; pid pid; error_log error.log notice;\n\
         events {{ worker_connections 512; }}\n\
         http {{ access_log off; keepalive_requests 1000000; proxy_http_version 1.1; proxy_set_header Connection '';\n\
         upstream app {{ server {}; keepalive 16; }}\n\
         server {{ listen {{listen}}; location / {{ proxy_pass http://app; }} }} }}\n",
        server.address,
    );
    let proxy = Proxy::start_as(program, &configuration, |_, _| ());
    wait_until("the file with the process id", || !proxy.read("pid").is_empty());
    proxy
}

/// Repeats the departure until there are that many responses.
fn disturb(departure: &Departure, server: &Server, responses: &AtomicU64, wanted: u64) {
    for count in 0.. {
        let before = responses.load(Ordering::Relaxed);
        if before >= wanted {
            return;
        }
        (departure.action)(server, count);
        std::thread::sleep(departure.pause);
        wait_for_responses(responses, before + 1);
    }
}

#[test]
fn departing_workers_lose_no_request() {
    let wanted: Option<u64> =
        std::env::var(RESPONSES).ok().map(|text| text.parse().expect("LAB_STORM_RESPONSES is a number"));
    let Some(folder) = Folder::new() else { return };
    folder.write("storm.py", APP);
    let traffics = if wanted.is_some() { &TRAFFICS[..] } else { &TRAFFICS[1..3] };
    for departure in DEPARTURES {
        let mut command = folder.lab();
        command.args(["--bind", "127.0.0.1:0"]).args(departure.arguments);
        let server = Server::of(&mut command, 2, "storm:app");
        let nginx = Tool::Nginx.is_available_for_part().then_some(Program::Nginx);
        let proxies: Vec<_> = [Some(Program::Lab), nginx].into_iter().flatten().collect();
        let proxies: Vec<_> = proxies.into_iter().map(|program| (program, start_proxy(program, &server))).collect();
        let mut routes = vec![("no proxy".to_owned(), server.address.clone())];
        routes.extend(proxies.iter().map(|(program, proxy)| (format!("{program:?}"), proxy.address.to_string())));
        let storms = (routes.len() * traffics.len()) as u64;
        let wanted = wanted.map_or(300, |wanted| wanted.div_ceil(storms));
        for (proxy, address) in routes {
            for &traffic in traffics {
                let (started, name) = (Instant::now(), departure.name);
                storm(&address, traffic, |responses| {
                    disturb(&departure, &server, responses, wanted);
                });
                eprintln!("storm: {name}, {proxy}, {traffic:?}: none lost in {:.1?}", started.elapsed());
            }
        }
    }
}
