//! The access record of a request to a native application. The access log's atoms are defined by WSGI variables, so these
//! are derived from the head. Pure.

use std::time::SystemTime;

use http::HeaderMap;
use lab_http::message::extensions::ConnectionInfo;
use lab_worker::access_record::{AccessRecord, basic_auth_user};
use lab_worker::bootstrap::AccessLogSettings;
use lab_worker::native::observer::CompletedRequest;

/// Makes the record of a request, with the optional parts that `settings` name.
#[must_use]
pub(crate) fn access_record(request: &CompletedRequest<'_>, settings: &AccessLogSettings) -> AccessRecord {
    let lines = request.arrived.lines();
    let target = request.arrived.target();
    let (path, query) = split_target(&target);
    let pairs = |names: &[String], find: &dyn Fn(&str) -> Option<String>| {
        names.iter().filter_map(|name| Some((name.clone(), find(name)?))).collect()
    };
    let mut record = AccessRecord {
        remote_addr: remote_address(request.info).0,
        user: joined_value(&lines, "authorization").and_then(|value| basic_auth_user(value.as_bytes())),
        time_us: SystemTime::UNIX_EPOCH
            .elapsed()
            .map(|now| u64::try_from(now.saturating_sub(request.duration).as_micros()).unwrap_or(u64::MAX))
            .unwrap_or_default(),
        method: request.arrived.method(),
        path: latin1(percent_encoding::percent_decode_str(path).collect::<Vec<u8>>().as_slice()),
        query: query.to_owned(),
        protocol: request.arrived.version_text().to_owned(),
        status: request.status.as_u16(),
        sent_bytes: request.sent_bytes,
        duration_us: u64::try_from(request.duration.as_micros()).unwrap_or(u64::MAX),
        referer: joined_value(&lines, "referer"),
        user_agent: joined_value(&lines, "user-agent"),
        request_headers: pairs(&settings.request_headers, &|name| joined_value(&lines, name)),
        response_headers: pairs(&settings.response_headers, &|name| last_value(request.headers, name)),
        ..AccessRecord::default()
    };
    record.target = target;
    record.environ = pairs(&settings.environ, &|name| variable(&record, request.info, &lines, name));
    record
}

/// The value of a request field. Repeated fields are joined as in a WSGI environ.
fn joined_value(lines: &[(String, String)], name: &str) -> Option<String> {
    let values: Vec<&str> =
        lines.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str()).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// The last of several fields counts, as in gunicorn's dictionary of atoms.
fn last_value(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get_all(name).iter().next_back().map(|value| latin1(value.as_bytes()))
}

fn remote_address(info: &ConnectionInfo) -> (String, String) {
    match info {
        ConnectionInfo::Tcp { peer, .. } => (peer.ip().to_string(), peer.port().to_string()),
        ConnectionInfo::Unix => (String::new(), String::new()),
    }
}

/// A variable of the environ that a WSGI application would get.
fn variable(record: &AccessRecord, info: &ConnectionInfo, lines: &[(String, String)], name: &str) -> Option<String> {
    match name.to_ascii_uppercase().as_str() {
        "REQUEST_METHOD" => Some(record.method.clone()),
        "RAW_URI" => Some(record.target.clone()),
        "PATH_INFO" => Some(record.path.clone()),
        "QUERY_STRING" => Some(record.query.clone()),
        "SERVER_PROTOCOL" => Some(record.protocol.clone()),
        "REMOTE_ADDR" => Some(remote_address(info).0),
        "REMOTE_PORT" => Some(remote_address(info).1),
        "CONTENT_TYPE" => joined_value(lines, "content-type"),
        "CONTENT_LENGTH" => joined_value(lines, "content-length"),
        name => joined_value(lines, &name.strip_prefix("HTTP_")?.replace('_', "-")),
    }
}

/// The path and the query of a target in any of its forms (RFC 9112 §3.2).
fn split_target(target: &str) -> (&str, &str) {
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
    use lab_http::message::extensions::RawHead;

    use super::*;

    #[test]
    fn record_holds_wsgi_variables() {
        let lines =
            [("Host", "h"), ("X-A", "1"), ("x-a", "2"), ("Authorization", "Basic YW5uOnM="), ("User-Agent", "curl")];
        let arrived = RawHead::new("GET", "/a%20b?c=%20", "HTTP/1.1", &lines);
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "text/plain".parse().unwrap());
        let info = ConnectionInfo::Tcp { peer: "10.0.0.1:7".parse().unwrap(), local: "10.0.0.2:80".parse().unwrap() };
        let duration = Duration::from_micros(1500);
        let request = CompletedRequest {
            arrived: &arrived,
            info: &info,
            status: StatusCode::OK,
            headers: &headers,
            sent_bytes: 5,
            duration,
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let settings = AccessLogSettings {
            request_headers: names(&["x-a", "x-b"]),
            response_headers: names(&["content-type"]),
            environ: names(&["http_x_a", "remote_port", "raw_uri", "other"]),
            ..AccessLogSettings::default()
        };
        let record = access_record(&request, &settings);
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
            assert_eq!(split_target(target), expected, "{target}");
        }
    }
}
