//! `lab proxy`, end to end: raw bytes from a client, through the real binary, to an upstream that remembers them.

pub(crate) mod case;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod http2;
pub(crate) mod running;
pub(crate) mod upstream;

pub(crate) mod cases;
mod cache;
mod cache_disk;
mod refusals;
mod command_line;
mod configurations;
mod connections;
mod crowd;
mod files;
mod includes;
mod lifecycle;
mod limits;
mod lingering;
mod logs;
mod odd_folders;
mod reload;
mod stapling;
mod temp_folders;
mod tls;

use running::Proxy;
use upstream::Upstream;

/// The configuration around a location's directives.
pub(crate) fn configuration(http: &str, server: Option<&str>, location: &str, upstream: &Upstream) -> String {
    let default = format!("location / {{ proxy_pass http://app; {location} }}");
    let server = server.unwrap_or(&default);
    upstream.fill_in(&format!(
        "daemon off; worker_processes 1; pid pid; error_log error.log info;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
             log_format case '$status'; access_log access.log case;\n\
             {http}\n\
             upstream app {{ server {{upstream}}; keepalive 4; }}\n\
             server {{ listen {{listen}}; server_name example.org; {server} }}\n\
         }}\n"
    ))
}

/// A proxy with nothing but the settings for kept-alive connections.
fn plain_proxy(upstream: &Upstream) -> Proxy {
    Proxy::start(&configuration("", None, "proxy_http_version 1.1; proxy_set_header Connection '';", upstream))
}

/// The same, but bodies of requests pass through as they come.
fn streaming_proxy(upstream: &Upstream) -> Proxy {
    let location = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_request_buffering off;";
    Proxy::start(&configuration("", None, location, upstream))
}
