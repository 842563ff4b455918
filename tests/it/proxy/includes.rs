//! Pages of `ssi` that include each other without end.

use super::running::{Program, Proxy};

#[test]
fn page_that_includes_itself_twice_ends() {
    let configuration = "daemon off; worker_processes 1; pid pid; error_log error.log; events { }\n\
        http { server { listen {listen}; root html; ssi on; ssi_silent_errors on; } }";
    let proxy = Proxy::start_as(Program::Lab, configuration, |folder, _| {
        std::fs::create_dir(folder.join("html")).expect("a folder");
        let include = "<!--#include virtual=\"/a.html\" -->";
        std::fs::write(folder.join("html/a.html"), [include, include, "."].concat()).expect("a file");
    });
    let response = proxy.converse(b"GET /a.html HTTP/1.0\r\n\r\n");
    assert!(response.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", response.escape_ascii());
    // the page itself, and what it includes
    assert_eq!(response.iter().rev().take_while(|byte| **byte == b'.').count(), 1 + 64_535);
    let log = proxy.read("error.log");
    assert!(log.contains("too many subrequests while processing \"/a.html\""), "{} lines", log.lines().count());
}
