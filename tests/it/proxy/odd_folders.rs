//! Configurations in folders with odd names, beside nginx.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use super::running::{Program, Proxy, StartOptions};
use crate::support::requires;

/// Everything that is relative to the folder.
const CONFIGURATION: &str = "daemon off; worker_processes 1; pid pid; error_log error.log; events { }\n\
    http { include more.conf; log_format case escape=none '$status $request_filename'; access_log access.log case;\n\
    client_body_temp_path bodies; proxy_temp_path responses;\n\
    server { listen {listen}; root html; add_header X-File $request_filename;\n\
    location /alias/ { alias html/; } location /try/ { try_files /none /a.txt; } location /list/ { autoindex on; }\n\
    location /password/ { auth_basic a; auth_basic_user_file users; alias html/; } } }\n";

const PATHS: [&str; 6] = ["/a.txt", "/alias/a.txt", "/try/x", "/list/", "/list", "/password/a.txt"];

/// The responses of a proxy in a folder with this name, and its log, without what differs from run to run.
fn responses(program: Program, name: &OsStr) -> String {
    let options = StartOptions { folder_name: name.to_owned(), ..StartOptions::default() };
    let mut proxy = Proxy::start_with(program, &options, CONFIGURATION, |folder, _| {
        std::fs::create_dir_all(folder.join("html/list")).expect("a folder");
        std::fs::write(folder.join("html/a.txt"), "content").expect("a file");
        std::fs::write(folder.join("more.conf"), "server_tokens off;").expect("a file");
        std::fs::write(folder.join("users"), "a:{PLAIN}b\n").expect("a file");
    });
    let requests: String = PATHS
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\n\r\n"))
        .chain(["GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned()])
        .collect();
    let received = proxy.converse(requests.as_bytes());
    proxy.signal(rustix::process::Signal::QUIT);
    proxy.wait();
    let seen = [received, std::fs::read(proxy.path().join("access.log")).expect("a log")].concat();
    let folder = proxy.path().as_os_str().as_bytes().escape_ascii().to_string();
    // a page with the name of its server has another length
    let own = r"(Date|Server|Last-Modified|ETag|Content-Length): .*?\\r\\n|<center>.*?</center>|:\d{4,5}/";
    let own = regex::Regex::new(own).expect("a pattern");
    own.replace_all(&seen.escape_ascii().to_string().replace(&folder, "{folder}"), "").into_owned()
}

fn names() -> Vec<OsString> {
    let names: [&[u8]; 6] = [b"plain", b"s\xff", b"with space", b"quote\"d", b"semi;colon", b"{x}"];
    names.into_iter().map(|name| OsStr::from_bytes(name).to_owned()).collect()
}

#[test]
fn odd_folder_name_changes_no_response() {
    let plain = responses(Program::Lab, OsStr::new("plain"));
    assert!(plain.contains("content") && plain.contains("{folder}/html/a.txt"), "{plain}");
    for name in names().into_iter().chain(["a$b".into(), "${x}".into()]) {
        assert_eq!(responses(Program::Lab, &name), plain, "{}", name.display());
    }
}

#[test]
fn responses_in_odd_folders_are_those_of_nginx() {
    requires!(Nginx);
    for name in names() {
        let [nginx, lab] = [Program::Nginx, Program::Lab].map(|program| responses(program, &name));
        assert_eq!(lab, nginx, "{}", name.display());
    }
}
