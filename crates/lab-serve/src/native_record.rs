//! What a native app's answer looks like in the access log: in the words of WSGI, which the log speaks. Pure.

use std::time::SystemTime;

use http::HeaderMap;
use lab_http::extensions::ConnectionInfo;
use lab_worker::access_record::{self, AccessRecord};
use lab_worker::observer::Answered;
use lab_worker::worker_settings::AccessLog;

/// The record of an answer, with what is `wanted` beyond the common.
#[must_use]
pub(super) fn record(answered: &Answered<'_>, wanted: &AccessLog) -> AccessRecord {
    let lines = answered.arrived.lines();
    let target = answered.arrived.target();
    let (path, query) = split(&target);
    let pairs = |names: &[String], find: &dyn Fn(&str) -> Option<String>| {
        names.iter().filter_map(|name| Some((name.clone(), find(name)?))).collect()
    };
    let mut record = AccessRecord {
        remote_addr: remote(answered.info).0,
        user: find(&lines, "authorization").and_then(|value| access_record::user(value.as_bytes())),
        time_us: SystemTime::UNIX_EPOCH
            .elapsed()
            .map(|now| u64::try_from(now.saturating_sub(answered.took).as_micros()).unwrap_or(u64::MAX))
            .unwrap_or_default(),
        method: answered.arrived.method(),
        path: latin1(percent_encoding::percent_decode_str(path).collect::<Vec<u8>>().as_slice()),
        query: query.to_owned(),
        protocol: answered.arrived.version_text().to_owned(),
        status: answered.status.as_u16(),
        sent_bytes: answered.sent_bytes,
        duration_us: u64::try_from(answered.took.as_micros()).unwrap_or(u64::MAX),
        referer: find(&lines, "referer"),
        user_agent: find(&lines, "user-agent"),
        request_headers: pairs(&wanted.request_headers, &|name| find(&lines, name)),
        response_headers: pairs(&wanted.response_headers, &|name| of_response(answered.headers, name)),
        ..AccessRecord::default()
    };
    record.target = target;
    record.environ = pairs(&wanted.environ, &|name| variable(&record, answered.info, &lines, name));
    record
}

/// Repeated fields are joined as in a WSGI environ.
fn find(lines: &[(String, String)], name: &str) -> Option<String> {
    let values: Vec<&str> =
        lines.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn of_response(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get_all(name).iter().next_back().map(|value| latin1(value.as_bytes()))
}

fn remote(info: &ConnectionInfo) -> (String, String) {
    match info {
        ConnectionInfo::Tcp { peer, .. } => (peer.ip().to_string(), peer.port().to_string()),
        ConnectionInfo::Unix => (String::new(), String::new()),
    }
}

/// A variable of the environ that a WSGI application would have got.
fn variable(record: &AccessRecord, info: &ConnectionInfo, lines: &[(String, String)], name: &str) -> Option<String> {
    match name.to_ascii_uppercase().as_str() {
        "REQUEST_METHOD" => Some(record.method.clone()),
        "RAW_URI" => Some(record.target.clone()),
        "PATH_INFO" => Some(record.path.clone()),
        "QUERY_STRING" => Some(record.query.clone()),
        "SERVER_PROTOCOL" => Some(record.protocol.clone()),
        "REMOTE_ADDR" => Some(remote(info).0),
        "REMOTE_PORT" => Some(remote(info).1),
        "CONTENT_TYPE" => find(lines, "content-type"),
        "CONTENT_LENGTH" => find(lines, "content-length"),
        name => find(lines, &name.strip_prefix("HTTP_")?.replace('_', "-")),
    }
}

/// The path and the query of a target, whatever its form.
fn split(target: &str) -> (&str, &str) {
    let behind = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("", |at| &rest[at..]),
        _ => target,
    };
    behind.split_once('?').unwrap_or((behind, ""))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use lab_http::extensions::ArrivedHead;

    use super::*;

    #[test]
    fn an_answer_is_recorded_in_the_words_of_wsgi() {
        let lines =
            [("Host", "h"), ("X-A", "1"), ("x-a", "2"), ("Authorization", "Basic YW5uOnM="), ("User-Agent", "curl")];
        let arrived = ArrivedHead::new("GET", "/a%20b?c=%20", "HTTP/1.1", &lines);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/plain".parse().unwrap());
        let info = ConnectionInfo::Tcp { peer: "10.0.0.1:7".parse().unwrap(), local: "10.0.0.2:80".parse().unwrap() };
        let took = Duration::from_micros(1500);
        let answered =
            Answered { arrived: &arrived, info: &info, status: StatusCode::OK, headers: &headers, sent_bytes: 5, took };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let wanted = AccessLog {
            fd: 0,
            request_headers: names(&["x-a", "x-b"]),
            response_headers: names(&["content-type"]),
            environ: names(&["http_x_a", "remote_port", "raw_uri", "other"]),
        };
        let record = record(&answered, &wanted);
        assert_eq!((record.path.as_str(), record.query.as_str()), ("/a b", "c=%20"));
        assert_eq!((record.user.as_deref(), record.user_agent.as_deref()), (Some("ann"), Some("curl")));
        assert_eq!((record.status, record.sent_bytes, record.duration_us), (200, 5, 1500));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(record.request_headers, [pair("x-a", "1,2")]);
        assert_eq!(record.response_headers, [pair("content-type", "text/plain")]);
        let environ = [pair("http_x_a", "1,2"), pair("remote_port", "7"), pair("raw_uri", "/a%20b?c=%20")];
        assert_eq!(record.environ, environ);
    }

    #[test]
    fn targets_of_every_form_have_a_path() {
        let cases =
            [("/a?b?c", ("/a", "b?c")), ("http://h/a?b", ("/a", "b")), ("*", ("*", "")), ("/x://y", ("/x://y", ""))];
        for (target, expected) in cases {
            assert_eq!(split(target), expected, "{target}");
        }
    }
}
