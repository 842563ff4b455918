//! The cost of proxying, of serving files and of a cache: `lab proxy` beside nginx and haproxy, in alternating rounds of one run.
//!
//!     cargo bench --bench peers                             # everything, about ten minutes
//!     cargo bench --bench peers -- --only file,gzip-1       # loads by name, or by the beginning of their names
//!     cargo bench --bench peers -- --rounds 9 --only 1k     # one load, more rounds
//!
//! Every subject is restarted for each round, with one worker, on the first core; wrk and the upstream (an nginx that serves
//! files) are on the second. The figure is the CPU time of the subject's processes per request; compare its ratio to
//! nginx's in the same round. lab and nginx read the same nginx.conf. One load is open: requests arrive at a
//! fixed rate, and response times count from the instants at which requests were due. haproxy serves no files and, here, no
//! TLS. h2load drives HTTP/2.

#[path = "peers/h2load.rs"]
mod h2load;
#[path = "peers/open.rs"]
mod open;
#[path = "peers/resumption.rs"]
mod resumption;
#[path = "setup/selection.rs"]
mod selection;
#[path = "peers/subject.rs"]
mod subject;
#[path = "peers/wrk.rs"]
mod wrk;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use resumption::Resumption;
use selection::Selection;
use subject::{Running, Subject, TlsServer, Upstream};

/// How the subjects are driven.
struct Load {
    name: &'static str,
    path: &'static str,
    connections: usize,
    arrivals: Arrivals,
    /// Fields of every request, beside those that wrk sends.
    fields: &'static [&'static str],
    /// A script of wrk that makes the requests.
    script: Option<&'static str>,
    transport: Transport,
    subjects: &'static [Subject],
}

/// What carries the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Plain,
    Tls(TlsServer),
    /// TLS on new connections, each of which resumes a session.
    Resumed(Resumption),
    /// HTTP/2 over TLS with this many streams on each connection.
    Http2 {
        streams: usize,
    },
}

impl Load {
    const fn proxied(name: &'static str, path: &'static str, connections: usize, arrivals: Arrivals) -> Load {
        let (transport, subjects) = (Transport::Plain, &Subject::ALL);
        Load { name, path, connections, arrivals, fields: &[], script: None, transport, subjects }
    }

    const fn encrypted(name: &'static str, path: &'static str, arrivals: Arrivals, transport: Transport) -> Load {
        let subjects = &[Subject::Nginx, Subject::Lab];
        Load { name, path, connections: 16, arrivals, fields: &[], script: None, transport, subjects }
    }

    /// Connections that resume sessions.
    const fn resumed(name: &'static str, resumption: Resumption) -> Load {
        let transport = Transport::Resumed(resumption);
        Load { connections: 4, ..Load::encrypted(name, "/1k", Arrivals::OneRequestEach, transport) }
    }

    /// A file that the subjects serve themselves.
    const fn file(name: &'static str, path: &'static str, fields: &'static [&'static str]) -> Load {
        let subjects = &[Subject::Nginx, Subject::Lab];
        let (arrivals, transport) = (Arrivals::Closed, Transport::Plain);
        Load { name, path, connections: 16, arrivals, fields, script: None, transport, subjects }
    }
}

/// When the next request is sent.
#[derive(Clone, Copy)]
enum Arrivals {
    /// After the response to the one before it, on the same connection.
    Closed,
    /// The same, on a new connection.
    OneRequestEach,
    /// At this rate per second.
    Open(u32),
}

const GZIP: &[&str] = &["Accept-Encoding: gzip"];

const LOADS: [Load; 28] = [
    Load::proxied("1k", "/1k", 64, Arrivals::Closed),
    Load::proxied("16k", "/16k", 64, Arrivals::Closed),
    Load::proxied("1m", "/1m", 16, Arrivals::Closed),
    Load::proxied("connections", "/1k", 64, Arrivals::OneRequestEach),
    Load::proxied("open", "/1k", 64, Arrivals::Open(5_000)),
    Load::file("file-1k", "/files/1k", &[]),
    Load::file("file-100k", "/files/100k", &[]),
    Load::file("file-10m", "/files/10m", &[]),
    Load::file("file-range", "/files/10m", &["Range: bytes=1000000-1099999"]),
    Load::file("file-304", "/files/1k", &["If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"]),
    Load::file("file-304-tag", "/files/1k", &["If-None-Match: *"]),
    Load::file("gzip-1", "/gzip-1/20k.json", GZIP),
    Load::file("gzip-6", "/gzip-6/20k.json", GZIP),
    Load { script: Some(KEYS), ..Load::file("limit-req", "/limited/1k", &[]) },
    Load::file("cache-hit-1k", "/cached/1k", &[]),
    Load::file("cache-hit-100k", "/cached/100k", &[]),
    Load { script: Some(HITS_AND_MISSES), ..Load::file("cache-mix", "/cached/1k", &[]) },
    Load { script: Some(MISSES), ..Load::file("cache-miss", "/cached/1k", &[]) },
    Load { connections: 1000, ..Load::file("cache-expiring", "/expiring/1k", &[]) },
    Load::encrypted("tls-1k", "/1k", Arrivals::Closed, Transport::Tls(TlsServer::Ecdsa)),
    Load::encrypted("tls-1m", "/1m", Arrivals::Closed, Transport::Tls(TlsServer::Ecdsa)),
    Load::encrypted("handshakes-ecdsa", "/1k", Arrivals::OneRequestEach, Transport::Tls(TlsServer::Ecdsa)),
    Load::encrypted("handshakes-rsa", "/1k", Arrivals::OneRequestEach, Transport::Tls(TlsServer::Rsa)),
    Load::resumed("resumed-psk", Resumption::PreSharedKey),
    Load::resumed("resumed-ticket", Resumption::Ticket),
    Load::resumed("resumed-id", Resumption::SessionId),
    Load { connections: 2, ..Load::encrypted("http2-1k", "/1k", Arrivals::Closed, Transport::Http2 { streams: 32 }) },
    Load { connections: 2, ..Load::encrypted("http2-1m", "/1m", Arrivals::Closed, Transport::Http2 { streams: 32 }) },
];

/// Requests with 100,000 keys in turn, for `limit_req`.
const KEYS: &str = "local key = 0\n\
                    request = function()\n\
                    \x20 key = (key + 7919) % 100000\n\
                    \x20 return wrk.format('GET', '/limited/1k?key=' .. key)\n\
                    end\n";

/// Requests that are all different, also from those of another run.
const MISSES: &str = "local run, number = os.time(), 0\n\
                      request = function()\n\
                      \x20 number = number + 1\n\
                      \x20 return wrk.format('GET', '/cached/1k?' .. run .. '-' .. number)\n\
                      end\n";

/// The same for one request in ten. The others are for 900 responses in turn.
const HITS_AND_MISSES: &str = "local run, number = os.time(), 0\n\
                               request = function()\n\
                               \x20 number = number + 1\n\
                               \x20 if number % 10 == 0 then\n\
                               \x20   return wrk.format('GET', '/cached/1k?' .. run .. '-' .. number)\n\
                               \x20 end\n\
                               \x20 return wrk.format('GET', '/cached/1k?' .. number % 1000)\n\
                               end\n";

/// The number of idle connections that memory is measured with.
const IDLE: usize = 10_000;

/// Idle connections in the clear, and with TLS.
const IDLE_LOADS: [&str; 2] = ["idle", "tls-idle"];
/// Memory for each stored response.
const CACHE_MEMORY: &str = "cache-memory";

struct Options {
    rounds: usize,
    seconds: u64,
    only: Selection,
    is_test: bool,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("peers: {error}");
            return ExitCode::FAILURE;
        }
    };
    let missing: Vec<&str> = subject::NEEDED.into_iter().filter(|program| !Path::new(program).exists()).collect();
    if !missing.is_empty() {
        eprintln!("SKIPPED: the peers are not measured without {}", missing.join(", "));
        return ExitCode::SUCCESS;
    }
    let upstream = Upstream::start();
    if options.is_test {
        for subject in Subject::ALL {
            let running = Running::start(subject, &upstream);
            assert_eq!(subject::get(running.address, "/1k", &[]).len(), 1000, "{subject:?}");
        }
        for load in LOADS.iter().filter(|load| load.script.is_none()) {
            for &subject in load.subjects {
                let running = Running::start(subject, &upstream);
                run(load, &running, &upstream, 1);
            }
        }
        return ExitCode::SUCCESS;
    }
    println!("{} rounds of {} s; {}", options.rounds, options.seconds, subject::machine());
    for load in LOADS.iter().filter(|load| options.only.contains(load.name)) {
        drive(load, &options, &upstream);
    }
    if options.only.contains(IDLE_LOADS[0]) {
        println!("\nidle (connections after a request each)");
        hold(&Subject::ALL, &upstream, |running| subject::ask_and_stay(running.address));
    }
    if options.only.contains(CACHE_MEMORY) {
        println!("\ncache-memory (stored responses of 1 kB)");
        remember(&options, &upstream);
    }
    if options.only.contains(IDLE_LOADS[1]) {
        println!("\ntls-idle (connections with TLS 1.3 after a request each)");
        let client = upstream.tls_client();
        let address = |running: &Running| running.tls_address(TlsServer::Ecdsa);
        hold(&[Subject::Nginx, Subject::Lab], &upstream, |running| client.ask_and_stay(address(running)));
    }
    ExitCode::SUCCESS
}

impl Load {
    fn wrk_options(&self) -> wrk::Options<'_> {
        let is_kept_alive = matches!(self.arrivals, Arrivals::Closed);
        wrk::Options { is_kept_alive, fields: self.fields, script: self.script }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options { rounds: 5, seconds: 3, only: Selection::default(), is_test: false };
    let mut arguments = std::env::args().skip(1);
    // cargo passes options that are meant for its own harness
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--test" => options.is_test = true,
            "--rounds" => {
                options.rounds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(options.rounds);
            }
            "--seconds" => {
                options.seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(options.seconds);
            }
            "--only" => {
                let names: Vec<&str> =
                    LOADS.iter().map(|load| load.name).chain(IDLE_LOADS).chain([CACHE_MEMORY]).collect();
                options.only = Selection::parse("--only", arguments.next().as_deref(), &names)?;
            }
            _ => {}
        }
    }
    Ok(options)
}

/// One round of one subject.
struct Figures {
    cpu_us_per_request: f64,
    requests_per_s: f64,
    /// The median and the 99th percentile of the response times, if the driver reports them.
    times: Option<(Duration, Duration)>,
}

/// Drives a subject. Returns the number of responses, and the figures but for the CPU time.
fn run(load: &Load, running: &Running, upstream: &Upstream, seconds: u64) -> (u64, Figures) {
    let url = |server: Option<TlsServer>| match server {
        None => format!("http://{}{}", running.address, load.path),
        Some(server) => format!("https://{}{}", running.tls_address(server), load.path),
    };
    subject::allow_descriptors(load.connections + 1000);
    let wrk = |url: &str| {
        let result = wrk::run(url, load.connections, &load.wrk_options(), seconds);
        assert_eq!(result.errors, "", "wrk saw errors");
        (result.requests, result.requests_per_s, Some((result.p50, result.p99)))
    };
    let (requests, requests_per_s, times) = match (load.arrivals, load.transport) {
        (Arrivals::Open(rate), _) => {
            let result = open::run(running.address, load.path, load.connections, rate, seconds);
            assert_eq!(result.lost, 0, "requests without a response");
            (result.requests, result.requests_per_s, Some((result.p50, result.p99)))
        }
        (_, Transport::Plain) => wrk(&url(None)),
        (_, Transport::Tls(server)) => wrk(&url(Some(server))),
        (_, Transport::Resumed(resumption)) => {
            let server = match resumption {
                Resumption::PreSharedKey => TlsServer::Ecdsa,
                Resumption::Ticket => TlsServer::Tls12Tickets,
                Resumption::SessionId => TlsServer::Tls12SessionIds,
            };
            let address = running.tls_address(server);
            let requests = resumption::run(resumption, &upstream.roots(), address, load.connections, seconds);
            (requests, requests as f64 / seconds as f64, None)
        }
        (_, Transport::Http2 { streams }) => {
            let requests = h2load::run(&url(Some(TlsServer::Ecdsa)), load.connections, streams, seconds);
            (requests, requests as f64 / seconds as f64, None)
        }
    };
    (requests, Figures { cpu_us_per_request: 0.0, requests_per_s, times })
}

fn drive(load: &Load, options: &Options, upstream: &Upstream) {
    let mut rows: Vec<Vec<Figures>> = load.subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..options.rounds {
        // The order changes from round to round, so that no subject always follows the same one.
        for step in 0..load.subjects.len() {
            let index = (round + step) % load.subjects.len();
            let running = Running::start(load.subjects[index], upstream);
            run(load, &running, upstream, 1);
            let before = running.cpu();
            let (requests, figures) = run(load, &running, upstream, options.seconds);
            let cpu_us_per_request = (running.cpu() - before).as_secs_f64() * 1e6 / requests as f64;
            rows[index].push(Figures { cpu_us_per_request, ..figures });
        }
    }
    println!(
        "\n{} ({} connections{})",
        load.name,
        load.connections,
        match load.arrivals {
            Arrivals::Closed => String::new(),
            Arrivals::OneRequestEach => ", one request each".to_owned(),
            Arrivals::Open(rate) => format!(", {rate} requests/s"),
        }
    );
    let reference = load.subjects.iter().position(|subject| *subject == Subject::Nginx).expect("nginx is one of them");
    for (subject, figures) in load.subjects.iter().zip(&rows) {
        let ratios =
            figures.iter().zip(&rows[reference]).map(|(own, nginx)| own.cpu_us_per_request / nginx.cpu_us_per_request);
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        let size = subject::get(Running::start(*subject, upstream).address, load.path, load.fields).len();
        let times: Option<Vec<_>> = figures.iter().map(|figures| figures.times).collect();
        let times = times.map_or(String::new(), |times| {
            let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
            let p50 = median(times.iter().map(|(p50, _)| milliseconds(*p50)));
            let p99 = median(times.iter().map(|(_, p99)| milliseconds(*p99)));
            format!("p50 {p50:.2} ms  p99 {p99:.2} ms  ")
        });
        println!(
            "  {:8} cpu {:8.2} us/request  {:.3} x nginx ({:.3} to {:.3})  {:9.0} requests/s  {times}{size} bytes",
            format!("{subject:?}").to_lowercase(),
            median(figures.iter().map(|figures| figures.cpu_us_per_request)),
            median(ratios.iter().copied()),
            ratios.first().copied().unwrap_or_default(),
            ratios.last().copied().unwrap_or_default(),
            median(figures.iter().map(|figures| figures.requests_per_s)),
        );
    }
}

/// Memory with many connections that each had one request and wait for the next.
fn hold<C>(subjects: &[Subject], upstream: &Upstream, connect: impl Fn(&Running) -> C) {
    subject::allow_descriptors(IDLE + 1000);
    for subject in subjects {
        let running = Running::start(*subject, upstream);
        let before = running.memory_kib();
        let held: Vec<C> = (0..IDLE.min(subject.most_connections())).map(|_| connect(&running)).collect();
        let after = running.memory_kib();
        let each = (after as f64 - before as f64) * 1024.0 / held.len() as f64;
        println!(
            "  {:8} {:6} connections {after:7} KiB, {each:.0} bytes each",
            format!("{subject:?}").to_lowercase(),
            held.len()
        );
    }
}

/// Memory for each stored response, beside nginx's in the same round.
fn remember(options: &Options, upstream: &Upstream) {
    let load = |name| LOADS.iter().find(|load| load.name == name).expect("a load");
    let subjects = [Subject::Nginx, Subject::Lab];
    let mut bytes: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
    for round in 0..options.rounds {
        for step in 0..subjects.len() {
            let index = (round + step) % subjects.len();
            let running = Running::start(subjects[index], upstream);
            run(load("cache-hit-1k"), &running, upstream, 1);
            let before = running.memory_kib();
            let (entries, _) = run(load("cache-miss"), &running, upstream, options.seconds);
            let grown = running.memory_kib().saturating_sub(before) * 1024;
            bytes[index].push(grown as f64 / entries as f64);
        }
    }
    for (subject, own) in subjects.iter().zip(&bytes) {
        let ratio = median(own.iter().zip(&bytes[0]).map(|(own, nginx)| own / nginx));
        let each = median(own.iter().copied());
        println!("  {:8} {each:.0} bytes each  {ratio:.3} x nginx", format!("{subject:?}").to_lowercase());
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    lab_stats::sample::median(&values.collect::<Vec<_>>()).unwrap_or(0.0)
}
