//! `/environ`: the request as a WSGI environ (PEP 3333).

use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::environ::latin1;
use crate::headers_report::ReceivedRequest;
use crate::{Environ, HttpException, Request, Response, jsonify};

/// The response of `/environ`.
#[derive(Debug, Serialize)]
struct EnvironView {
    /// The request line and the header lines, in order and with duplicates.
    arrived: ReceivedRequest,
    /// The app's environ, with `werkzeug.proxy_fix.orig` behind ProxyFix.
    environ: Map<String, Value>,
    /// The environ before ProxyFix.
    before_proxy_fix: Map<String, Value>,
}

pub(super) fn environ(request: &Request) -> Result<Response, HttpException> {
    let environ = request.environ();
    let mut after = wsgi(request, environ);
    if let Some(original) = &environ.proxy_fix_orig {
        let original: Map<String, Value> =
            original.items().map(|(key, value)| (key.to_owned(), value.into())).collect();
        after.insert("werkzeug.proxy_fix.orig".to_owned(), original.into());
    }
    let before_proxy_fix = wsgi(request, environ.before_proxy_fix());
    jsonify(&EnvironView { arrived: request.received(), environ: after, before_proxy_fix })
}

/// All keys that describe the request, without those of the server (`wsgi.input`, `wsgi.multithread` …).
fn wsgi(request: &Request, environ: &Environ) -> Map<String, Value> {
    let arrived = request.received();
    let raw_path = request.raw_path();
    let path_info: Vec<u8> = percent_decode_str(raw_path).collect();
    let mut keys = Map::new();
    let mut set = |key: &str, value: String| {
        keys.insert(key.to_owned(), value.into());
    };
    set("REQUEST_METHOD", arrived.method);
    set("PATH_INFO", latin1(&path_info).into_owned());
    set("QUERY_STRING", request.query_string().to_owned());
    set("RAW_URI", arrived.target);
    set("SERVER_PROTOCOL", arrived.version);
    for name in request.headers().keys() {
        let key = match name.as_str() {
            "content-type" => "CONTENT_TYPE".to_owned(),
            "content-length" => "CONTENT_LENGTH".to_owned(),
            name => format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_")),
        };
        set(&key, request.header(name.as_str()).unwrap_or_default().into_owned());
    }
    for (key, value) in environ.items() {
        set(key, value.into_owned());
    }
    keys
}
