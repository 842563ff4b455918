//! Lines of logs, in nginx's formats.

use std::io::Read as _;

use super::running::{Program, Proxy, STUCK};
use super::upstream::Upstream;
use crate::support::{DeadAddress, requires, wait_until};

fn first_line(proxy: &Proxy, file: &str) -> String {
    let text = wait_until(file, || Some(proxy.read(file)).filter(|text| text.ends_with('\n')));
    text.lines().next().expect("a line").to_owned()
}

#[test]
fn access_log_formats() {
    let upstream = Upstream::start(Vec::new());
    let proxy = Proxy::start(&format!(
        r#"events {{ }} http {{
            log_format timed '$remote_addr:$remote_port $request_time $upstream_addr $upstream_status '
                             '$upstream_response_time $bytes_sent $http_x_none $connection_requests "$http_x_quote"';
            access_log combined.log;
            access_log timed.log timed;
            server {{ listen {{listen}}; location / {{ proxy_pass http://{}; }} }} }}"#,
        upstream.address
    ));
    proxy.converse(
        b"GET /a?b=c HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: test/1\r\nReferer: http://b/\r\n\
          Authorization: Basic dXNlcjpzZWNyZXQ=\r\nX-Quote: \"\xe9\r\n\r\n",
    );
    let combined = first_line(&proxy, "combined.log");
    let pattern = r#"^127\.0\.0\.1 - user \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /a\?b=c HTTP/1\.1" 200 5 "http://b/" "test/1"$"#;
    assert!(regex::Regex::new(pattern).unwrap().is_match(&combined), "{combined}");
    let timed = first_line(&proxy, "timed.log");
    let pattern = format!(
        r#"^127\.0\.0\.1:\d+ \d\.\d{{3}} {} 200 \d\.\d{{3}} \d+ - 1 "\\x22\\xE9"$"#,
        regex::escape(&upstream.address.to_string())
    );
    assert!(regex::Regex::new(&pattern).unwrap().is_match(&timed), "{timed}");
}

#[test]
fn error_log_names_request_and_upstream() {
    let dead = DeadAddress::new();
    let proxy = Proxy::start(&format!(
        "events {{ }} error_log error.log; http {{ server {{ listen {{listen}}; server_name example.org; \
         location / {{ proxy_pass http://{dead}; }} }} }}"
    ));
    proxy.converse(b"GET /a HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n");
    let line = first_line(&proxy, "error.log");
    let pattern = format!(
        r#"^\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d \[error\] \d+#\d+: \*1 connect\(\) failed \(.*\) while connecting to upstream, client: 127\.0\.0\.1, server: example\.org, request: "GET /a HTTP/1\.1", upstream: "http://{dead}/a", host: "other"$"#
    );
    assert!(regex::Regex::new(&pattern).unwrap().is_match(&line), "{line}");
}

#[test]
fn client_cannot_inject_log_lines() {
    let upstream = Upstream::start(Vec::new());
    let proxy = Proxy::start(&format!(
        "events {{ }} error_log error.log info; http {{ log_format uri '$uri'; access_log access.log uri; \
         server {{ listen {{listen}}; location / {{ proxy_pass http://{}; }} }} }}",
        upstream.address
    ));
    proxy.converse(b"GET /%0aforged HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    proxy.converse(b"GET /\x1bred HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(first_line(&proxy, "access.log"), "/\\x0Aforged");
    let line = wait_until("a line", || {
        proxy.read("error.log").lines().find(|line| line.contains("[info]")).map(str::to_owned)
    });
    assert!(line.contains("request: \"GET /?red HTTP/1.1\""), "{line}");
}

#[test]
fn buffered_log_is_flushed() {
    let mut proxy = Proxy::start(
        "events { } http { log_format uri '$uri'; access_log waits.log uri buffer=64k; \
         access_log full.log uri buffer=20; access_log waited.log uri buffer=64k flush=1ms; \
         server { listen {listen}; return 204; } }",
    );
    proxy.converse(b"GET /0123456789 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(first_line(&proxy, "waited.log"), "/0123456789");
    assert_eq!(proxy.read("full.log"), "");
    proxy.converse(b"GET /9876543210 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    wait_until("two lines", || Some(()).filter(|()| proxy.read("full.log").lines().count() == 2));
    assert_eq!(proxy.read("waits.log"), "");
    proxy.signal(rustix::process::Signal::TERM);
    proxy.wait();
    assert_eq!(proxy.read("waits.log"), "/0123456789\n/9876543210\n");
}

#[test]
fn log_path_may_have_variables() {
    requires!(Nginx);
    for program in [Program::Nginx, Program::Lab] {
        let proxy = Proxy::start_as(
            program,
            "daemon off; pid pid; events { } error_log error.log; http { log_format uri '$uri';\n\
             server { listen {listen}; root .; access_log logs/$arg_name.log uri; return 204; }\n\
             server { listen {listen}; server_name lost; root nowhere; access_log lost.log$arg_name uri; return 204; } }",
            |folder, _| std::fs::create_dir(folder.join("logs")).unwrap(),
        );
        let get = |target: &str, host: &str| {
            let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            proxy.converse(request.as_bytes());
        };
        for target in ["/1?name=a", "/2?name=b", "/3?name=a", "/4?name=none/a"] {
            get(target, "example.org");
        }
        get("/5", "lost");
        let errors = wait_until("two errors", || Some(proxy.read("error.log")).filter(|log| log.lines().count() == 2));
        assert!(
            errors.contains("[crit]") && errors.contains("logs/none/a.log\" failed (2: No such file or directory)")
        );
        assert!(errors.contains("nowhere\" existence failed (2: No such file or directory)"), "{errors}");
        assert_eq!((proxy.read("logs/a.log"), proxy.read("logs/b.log")), ("/1\n/3\n".to_owned(), "/2\n".to_owned()));
        assert!(!proxy.path().join("lost.log").exists());
    }
}

#[test]
fn lines_go_to_syslog() {
    requires!(Nginx);
    let messages = [Program::Nginx, Program::Lab].map(|program| {
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(STUCK)).unwrap();
        let address = server.local_addr().unwrap();
        let configuration = format!(
            "daemon off; pid pid; events {{ }} error_log syslog:server={address},tag=errors,nohostname notice;\n\
             http {{ log_format uri '$uri'; server {{ listen {{listen}}; root nowhere;\n\
             access_log syslog:server=unix:{{folder}}/log,facility=local3,severity=warn uri;\n\
             location /a {{ access_log off; error_log syslog:server={address},facility=mail,tag=files; }}\n\
             location /b {{ return 204; }} }} }}"
        );
        let mut unix = None;
        let proxy = Proxy::start_as(program, &configuration, |folder, _| {
            unix = Some(std::os::unix::net::UnixDatagram::bind(folder.join("log")).unwrap());
        });
        let unix = unix.unwrap();
        unix.set_read_timeout(Some(STUCK)).unwrap();
        for target in ["/a", "/b"] {
            proxy.converse(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
        }
        let mut message = [0; 2048];
        let text = |length: usize, message: &[u8; 2048]| String::from_utf8_lossy(&message[..length]).into_owned();
        let length = unix.recv(&mut message).unwrap();
        let access = text(length, &message);
        let file = loop {
            let length = server.recv(&mut message).unwrap();
            let received = text(length, &message);
            assert!(received.starts_with("<1"), "{received}");
            if received.contains(" files: ") {
                break received;
            }
            // nginx announces its workers, lab as well
            assert!(received.contains(" errors: ") && received.starts_with("<189>"), "{received}");
        };
        (access, file)
    });
    let time = r"\w{3} [ \d]\d \d\d:\d\d:\d\d";
    let host = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    let expected_access = regex::Regex::new(&format!("^<156>{time} {host} nginx: /b$")).unwrap();
    let expected_file = regex::Regex::new(&format!(
        r#"^<19>{time} {host} files: \d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d \[error\] .*nowhere/a" failed \(2: No such file or directory\), client: .*, host: "a"$"#
    ))
    .unwrap();
    for (access, file) in messages {
        assert!(expected_access.is_match(&access), "{access}");
        assert!(expected_file.is_match(&file), "{file}");
    }
}

#[test]
fn compression_ratio_is_logged() {
    requires!(Nginx);
    let words: String = (0..400_u32).map(|number| format!("{:x} ", number.wrapping_mul(2_654_435_761))).collect();
    let ratios = [Program::Nginx, Program::Lab].map(|program| {
        let proxy = Proxy::start_as(
            program,
            &format!(
                "daemon off; pid pid; events {{ }} http {{ log_format ratio '$gzip_ratio'; access_log access.log ratio;\n\
                 gzip on; gzip_types *; server {{ listen {{listen}}; return 200 \"{words}\"; }} }}"
            ),
            |_, _| (),
        );
        for encoding in ["gzip", "identity"] {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n");
            proxy.converse(request.as_bytes());
        }
        let log = wait_until("two lines", || Some(proxy.read("access.log")).filter(|log| log.lines().count() == 2));
        let (ratio, rest) = log.split_once('\n').unwrap();
        assert_eq!(rest, "-\n");
        assert!(regex::Regex::new(r"^\d+\.\d\d$").unwrap().is_match(ratio), "{ratio}");
        ratio.parse::<f64>().unwrap()
    });
    assert!((ratios[1] / ratios[0] - 1.0).abs() < 0.2, "{ratios:?}");
}

#[test]
fn compressed_log_has_every_line() {
    requires!(Nginx);
    for program in [Program::Nginx, Program::Lab] {
        let mut proxy = Proxy::start_as(
            program,
            "daemon off; pid pid; events { } http { log_format uri '$uri'; server { listen {listen}; return 204;\n\
             access_log soon.gz uri gzip flush=1ms; access_log late.gz uri gzip=9 buffer=8k; } }",
            |_, _| (),
        );
        let read = |proxy: &Proxy, file: &str| {
            let compressed = std::fs::read(proxy.path().join(file)).unwrap();
            let mut text = String::new();
            flate2::read::MultiGzDecoder::new(&*compressed).read_to_string(&mut text).map(|_| text).unwrap_or_default()
        };
        for target in ["/1", "/2"] {
            proxy.converse(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
            let lines = if target == "/1" { "/1\n" } else { "/1\n/2\n" };
            wait_until("a member for the line", || read(&proxy, "soon.gz") == lines);
        }
        assert_eq!(read(&proxy, "late.gz"), "");
        proxy.signal(rustix::process::Signal::QUIT);
        proxy.wait();
        assert_eq!(read(&proxy, "late.gz"), "/1\n/2\n");
    }
}

#[test]
fn error_logs_have_separate_levels() {
    let proxy = Proxy::start(
        "events { } error_log all.log info; error_log few.log crit; http { server { listen {listen}; root nowhere; \
         location / { error_log own.log; error_log own-info.log info; } } }",
    );
    proxy.converse(b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let line = first_line(&proxy, "own.log");
    assert!(line.contains("[error]") && line.contains("nowhere/a\" failed (2: No such file or directory)"), "{line}");
    assert!(first_line(&proxy, "own-info.log").contains("nowhere/a"));
    assert!(!proxy.read("all.log").contains("nowhere/a"));
    assert_eq!(proxy.read("few.log"), "");
}

#[test]
fn upstream_variables_are_logged() {
    let upstream = Upstream::start(Vec::new());
    let proxy = Proxy::start(&format!(
        "events {{ }} http {{ log_format up '$upstream_connect_time $upstream_header_time $upstream_bytes_sent \
         $upstream_bytes_received $upstream_response_length $upstream_http_content_length $sent_http_content_length \
         $request_length $connection_time $request_id $request_completion $pipe'; access_log access.log up; \
         server {{ listen {{listen}}; location / {{ proxy_pass http://{}; }} }} }}",
        upstream.address
    ));
    proxy.converse(b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
    let line = first_line(&proxy, "access.log");
    let received = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlegit".len();
    let pattern = format!(
        r"^\d\.\d{{3}} \d\.\d{{3}} \d+ {received} 5 5 5 {} \d\.\d{{3}} [0-9a-f]{{32}} OK \.$",
        b"POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc".len()
    );
    assert!(regex::Regex::new(&pattern).unwrap().is_match(&line), "{line} is not {pattern}");
}
