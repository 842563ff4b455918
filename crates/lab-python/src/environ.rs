//! The environ of a request (PEP 3333: "environ Variables"): [`Variables`] as a Python dictionary.
//!
//! A worker has one dictionary with the variables that never change. Each connection has a copy with its addresses, and
//! each request a copy of that. Keys are interned, so a lookup compares pointers instead of text.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use lab_http::RequestHead;
use lab_http::message::extensions::ConnectionInfo;
use lab_net::proxy_protocol::Addresses;
use lab_worker::wsgi::environ::{Variables, variable_name};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt as _;
use pyo3::types::{PyDict, PyString};

use crate::file_wrapper::FileWrapper;
use crate::latin1;

/// The name of the server, in environs and in the environment of the process (RFC 3875 §4.1.17). Applications that look for
/// gunicorn find it, by the version that lab follows, and lab in the comment.
pub(crate) const SERVER_SOFTWARE: &str = concat!("gunicorn/27.0.1 (lab/", env!("CARGO_PKG_VERSION"), ")");

/// The most field names whose keys are cached. Clients can invent any number of names.
const MOST_CACHED_KEYS: usize = 512;

/// The variables that every request sets.
const REQUEST_VARIABLES: [&str; 8] = [
    "REQUEST_METHOD",
    "SCRIPT_NAME",
    "PATH_INFO",
    "QUERY_STRING",
    "RAW_URI",
    "SERVER_PROTOCOL",
    "wsgi.url_scheme",
    "wsgi.input",
];

/// Builds the environs of one worker.
pub(crate) struct EnvironBuilder {
    base: Py<PyDict>,
    /// Cached keys by the field names as received.
    keys: Mutex<HashMap<Box<[u8]>, Py<PyString>>>,
}

impl EnvironBuilder {
    pub(crate) fn new(py: Python<'_>, multithread: bool, multiprocess: bool) -> PyResult<EnvironBuilder> {
        let base = PyDict::new(py);
        base.set_item(intern!(py, "wsgi.version"), (1, 0))?;
        base.set_item(intern!(py, "wsgi.errors"), py.import("sys")?.getattr("stderr")?)?;
        base.set_item(intern!(py, "wsgi.multithread"), multithread)?;
        base.set_item(intern!(py, "wsgi.multiprocess"), multiprocess)?;
        base.set_item(intern!(py, "wsgi.run_once"), false)?;
        base.set_item(intern!(py, "wsgi.file_wrapper"), py.get_type::<FileWrapper>())?;
        // Reading stops at the end of the body, even without CONTENT_LENGTH.
        base.set_item(intern!(py, "wsgi.input_terminated"), true)?;
        base.set_item(intern!(py, "SERVER_SOFTWARE"), SERVER_SOFTWARE)?;
        // With these keys in place, the dictionary of a request does not have to grow for them.
        for name in REQUEST_VARIABLES {
            base.set_item(PyString::intern(py, name), py.None())?;
        }
        Ok(EnvironBuilder { base: base.unbind(), keys: Mutex::new(HashMap::new()) })
    }

    /// The variables that all requests of a connection share.
    pub(crate) fn for_connection(
        &self,
        py: Python<'_>,
        info: &ConnectionInfo,
        proxied: Option<Addresses>,
    ) -> PyResult<Py<PyDict>> {
        let environ = self.base.bind(py).copy()?;
        match info {
            ConnectionInfo::Tcp { peer, local } => {
                environ.set_item(intern!(py, "REMOTE_ADDR"), peer.ip().to_string())?;
                environ.set_item(intern!(py, "REMOTE_PORT"), peer.port().to_string())?;
                environ.set_item(intern!(py, "SERVER_NAME"), local.ip().to_string())?;
                environ.set_item(intern!(py, "SERVER_PORT"), local.port().to_string())?;
            }
            // As in gunicorn. SERVER_NAME then comes from each request.
            ConnectionInfo::Unix => environ.set_item(intern!(py, "REMOTE_ADDR"), "")?,
        }
        // gunicorn sets these for the first request of a connection only.
        if let Some(addresses) = proxied {
            let Addresses { source: client, destination: proxy } = addresses;
            environ.set_item(intern!(py, "PROXY_PROTOCOL"), addresses.protocol())?;
            environ.set_item(intern!(py, "REMOTE_ADDR"), client.ip().to_string())?;
            environ.set_item(intern!(py, "REMOTE_PORT"), client.port().to_string())?;
            environ.set_item(intern!(py, "PROXY_ADDR"), proxy.ip().to_string())?;
            environ.set_item(intern!(py, "PROXY_PORT"), proxy.port().to_string())?;
        }
        Ok(environ.unbind())
    }

    /// The environ of one request.
    pub(crate) fn for_request<'py>(
        &self,
        connection: &Bound<'py, PyDict>,
        head: &RequestHead,
        variables: &Variables<'_>,
        input: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let py = connection.py();
        let environ = connection.copy()?;
        environ.set_item(intern!(py, "REQUEST_METHOD"), method(py, head.method())?)?;
        environ.set_item(intern!(py, "SCRIPT_NAME"), often_empty(py, &variables.script_name)?)?;
        environ.set_item(intern!(py, "PATH_INFO"), latin1::decode(py, &variables.path_info)?)?;
        environ.set_item(intern!(py, "QUERY_STRING"), often_empty(py, variables.query)?)?;
        environ.set_item(intern!(py, "RAW_URI"), latin1::decode(py, head.target())?)?;
        let protocol = match head.version {
            lab_http::Version::Http10 => intern!(py, "HTTP/1.0"),
            lab_http::Version::Http11 => intern!(py, "HTTP/1.1"),
            lab_http::Version::Http2 => intern!(py, "HTTP/2.0"),
        };
        environ.set_item(intern!(py, "SERVER_PROTOCOL"), protocol)?;
        let scheme = if variables.is_https { intern!(py, "https") } else { intern!(py, "http") };
        environ.set_item(intern!(py, "wsgi.url_scheme"), scheme)?;
        environ.set_item(intern!(py, "wsgi.input"), input)?;
        for (name, value) in &variables.fields {
            environ.set_item(self.key(py, name), latin1::decode(py, value)?)?;
        }
        if !environ.contains(intern!(py, "SERVER_NAME"))? {
            let (name, port) = server_name_and_port(variables);
            environ.set_item(intern!(py, "SERVER_NAME"), latin1::decode(py, name)?)?;
            environ.set_item(intern!(py, "SERVER_PORT"), latin1::decode(py, port)?)?;
        }
        Ok(environ)
    }

    /// The interned key of a field.
    fn key<'py>(&self, py: Python<'py>, name: &[u8]) -> Bound<'py, PyString> {
        // Nothing panics while it holds the lock. A thread that waits for it detaches, because the thread that holds it
        // may stop all attached threads, for example to collect garbage.
        let mut keys = self.keys.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(name) {
            return key.bind(py).clone();
        }
        let key = PyString::intern(py, &variable_name(name));
        if keys.len() < MOST_CACHED_KEYS {
            keys.insert(name.into(), key.clone().unbind());
        }
        key
    }
}

fn method<'py>(py: Python<'py>, method: &[u8]) -> PyResult<Bound<'py, PyString>> {
    match method {
        b"GET" => Ok(intern!(py, "GET").clone()),
        b"POST" => Ok(intern!(py, "POST").clone()),
        other => latin1::decode(py, other),
    }
}

/// A native string that is often empty.
fn often_empty<'py>(py: Python<'py>, text: &[u8]) -> PyResult<Bound<'py, PyString>> {
    if text.is_empty() { Ok(intern!(py, "").clone()) } else { latin1::decode(py, text) }
}

/// The name and port of the server behind a unix socket, from the Host field (as in gunicorn).
fn server_name_and_port<'v>(variables: &'v Variables<'_>) -> (&'v [u8], &'v [u8]) {
    let standard: &[u8] = if variables.is_https { b"443" } else { b"80" };
    let host = variables.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"host"));
    let Some((_, host)) = host else { return (b"localhost", standard) };
    let bracket = host.iter().rposition(|&byte| byte == b']').unwrap_or(0);
    match host[bracket..].iter().position(|&byte| byte == b':') {
        Some(colon) => (&host[..bracket + colon], &host[bracket + colon + 1..]),
        None => (host, standard),
    }
}
