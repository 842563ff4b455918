//! A request on its way through the proxy, for benchmarks of times and of instructions.

use std::hint::black_box;
use std::path::{Path, PathBuf};

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
use lab_proxy::variables::VariableValues;
use lab_proxy::{CommandLine, read_configuration, read_configuration_text};

const REQUEST: &[u8] = b"GET /headers?q=1 HTTP/1.1\r\nHost: shop.example:8080\r\nUser-Agent: bench/1.0\r\n\
    Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\nCookie: a=1; b=2\r\n\
    X-Forwarded-For: 203.0.113.9\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\n\r\n";

/// Locations of every kind, as a server collects them over the years.
const LOCATIONS: &str = "events {} http { server { root /srv; \
    location / { return 200; } location = /health { return 200; } location /static/ { index a b; } \
    location /api/ { return 200; location /api/v2/ { return 200; } } location ^~ /assets/ { return 200; } \
    location ~ \\.php$ { return 404; } location ~* \\.(?:png|jpe?g|css|js)$ { return 200; } \
    location /old/ { rewrite ^/old/([0-9]+)/(.*)$ /new/$2?year=$1 last; } location /new/ { return 200; } } }";

pub(crate) fn corrected_conf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/nginx/corrected.conf")
}

/// The head of a request, parsed.
pub(crate) fn head() -> RequestHead {
    let parsed = RequestParser::default().advance(REQUEST, &Limits::default());
    // OK because the benchmark's own request is whole and valid
    parsed.expect("a valid request").expect("a whole request").0
}

/// The corrected file.
pub(crate) fn corrected() -> Config {
    let nginx_version = NginxVersion::default();
    let line = CommandLine { file: &corrected_conf(), prefix: None, error_log: None, directives: "", nginx_version };
    // OK because a test holds that the corrected file is valid
    read_configuration(line).expect("the corrected file").0
}

/// A configuration with many locations.
pub(crate) fn grown() -> Config {
    // OK because the benchmark's own configuration is valid
    read_configuration_text(LOCATIONS, Path::new("nginx.conf")).expect("a valid configuration")
}

/// Where the corrected file sends every request.
fn pass(settings: &Config) -> &ProxyPass {
    match settings.servers[0].locations().find(b"/", &VariableValues::default()) {
        // OK because the corrected file's only location passes to its upstream
        LocationMatch::Location(location) => location.pass.as_ref().expect("a location that passes"),
        found => panic!("the corrected file has a location for everything, not {found:?}"),
    }
}

fn connection() -> ClientConnection {
    ClientConnection::new(1, Some(([192, 0, 2, 1], 4711).into()), Address::Internet(([192, 0, 2, 2], 80).into()))
}

/// Passes `measure` a function from a request to its action.
pub(crate) fn with_routing(settings: &Config, target: &str, measure: impl FnOnce(&dyn Fn())) {
    let (connection, outcome) = (connection(), RequestOutcome::default());
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
    measure(&|| {
        let mut route = Route::new(Some(&request), &server.outside, VariableValues::new(&settings.variables));
        black_box(phases.begin(&mut route));
    });
}

/// Passes `measure` a request of the corrected file, its destination, and everything that variables can read.
pub(crate) fn with_scope(measure: impl FnOnce(&Request<'_>, &ProxyPass, &Scope<'_>)) {
    let settings = corrected();
    let (pass, head, connection, outcome) = (pass(&settings), head(), connection(), RequestOutcome::default());
    // OK because the benchmark's own request is valid
    let request = Request::validate(&head, true).expect("a valid request");
    let route = Route::new(Some(&request), &settings.servers[0].outside, VariableValues::default());
    let scope = Scope {
        connection: &connection,
        request: Some(&request),
        refused_line: None,
        route: &route,
        derived: &settings.derived,
        pending: None,
        hidden_attempts: 0,
        server: &settings.servers[0],
        pass: Some(pass),
        outcome: &outcome,
    };
    measure(&request, pass, &scope);
}
