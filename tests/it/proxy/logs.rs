//! Lines of logs, in nginx's formats.

use super::running::{Proxy, wait_for};
use super::upstream::Upstream;

fn first_line(proxy: &Proxy, file: &str) -> String {
    let text = wait_for(file, || Some(proxy.read(file)).filter(|text| text.ends_with('\n')));
    text.lines().next().expect("a line").to_owned()
}

#[test]
fn access_logs_have_the_combined_format_or_their_own() {
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
fn error_logs_say_what_where_and_for_whom() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
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
fn a_client_cannot_write_lines_of_its_own() {
    let upstream = Upstream::start(Vec::new());
    let proxy = Proxy::start(&format!(
        "events {{ }} error_log error.log info; http {{ log_format uri '$uri'; access_log access.log uri; \
         server {{ listen {{listen}}; location / {{ proxy_pass http://{}; }} }} }}",
        upstream.address
    ));
    proxy.converse(b"GET /%0aforged HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    proxy.converse(b"GET /\x1bred HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(first_line(&proxy, "access.log"), "/\\x0Aforged");
    let line =
        wait_for("a line", || proxy.read("error.log").lines().find(|line| line.contains("[info]")).map(str::to_owned));
    assert!(line.contains("request: \"GET /?red HTTP/1.1\""), "{line}");
}
