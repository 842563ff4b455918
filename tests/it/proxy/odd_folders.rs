//! Configurations in folders with odd names, and listings of such names, beside nginx.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::time::{Duration, UNIX_EPOCH};

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

/// The listing of ten thousand files.
fn listing(program: Program, directives: &str) -> Vec<u8> {
    const ODD: [&[u8]; 9] =
        [b"", b" a b", b"\"q\"", b"<b>&amp;", b"\xc3\xa4", b"\xff\xfe", b"%20#?;", b"\\n\n", &[b'x'; 80]];
    let configuration = format!(
        "daemon off; worker_processes 1; pid pid; error_log error.log; events {{ }} http {{ access_log off;\n\
         server {{ listen {{listen}}; root html; autoindex on; {directives} }} }}\n"
    );
    let mut proxy = Proxy::start_as(program, &configuration, |folder, _| {
        let folder = folder.join("html/list");
        std::fs::create_dir_all(&folder).expect("a folder");
        for index in 0..10_000 {
            let name = [format!("{index:04}").as_bytes(), ODD[index % ODD.len()]].concat();
            let file = std::fs::File::create(folder.join(OsStr::from_bytes(&name))).expect("a file");
            file.set_len(index as u64 * 1000).expect("a size");
            file.set_modified(UNIX_EPOCH + Duration::from_secs(1_300_000_000)).expect("a file has an age");
        }
    });
    // without chunks
    let mut received = proxy.converse(b"GET /list/ HTTP/1.0\r\n\r\n");
    proxy.signal(rustix::process::Signal::QUIT);
    proxy.wait();
    let head = received.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    received.split_off(head + 4)
}

#[test]
fn listings_of_many_odd_names_are_those_of_nginx() {
    requires!(Nginx);
    for directives in
        ["", "charset utf-8;", "autoindex_exact_size off;", "autoindex_format json;", "autoindex_format xml;"]
    {
        let [nginx, lab] = [Program::Nginx, Program::Lab].map(|program| listing(program, directives));
        let lines = |text: &[u8]| {
            text.split(|byte| *byte == b'\n').map(|line| line.escape_ascii().to_string()).collect::<Vec<_>>()
        };
        let (nginx, lab) = (lines(&nginx), lines(&lab));
        let differs = nginx.iter().zip(&lab).find(|(nginx, lab)| nginx != lab);
        assert_eq!(differs, None, "{directives}");
        assert_eq!(nginx.len(), lab.len(), "{directives}");
        assert!(nginx.len() > 10_000, "{directives}");
    }
}
