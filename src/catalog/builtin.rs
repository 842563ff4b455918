//! The files of lab's own kinds and apps from `fixtures`, embedded in the binary.

use std::path::{Path, PathBuf};

/// Each file's path in `fixtures`, with its text.
macro_rules! fixtures {
    ($($path:literal,)+) => {
        &[$(($path, include_str!(concat!("../../fixtures/", $path)))),+]
    };
}

/// Every file of lab's own kinds and apps. A test compares this list with the folder.
pub(super) const FILES: &[(&str, &str)] = fixtures![
    "apps/echo.py",
    "apps/hello.py",
    "apps/hello.requirements.txt",
    "apps/pong.py",
    "apps/sleep.py",
    "proxies/Caddyfile",
    "proxies/apache.conf",
    "proxies/apache.toml",
    "proxies/caddy.toml",
    "proxies/haproxy.cfg",
    "proxies/haproxy.toml",
    "proxies/lab.toml",
    "proxies/nginx.conf",
    "proxies/nginx.toml",
    "proxies/nginx.uwsgi.conf",
    "servers/aspen.toml",
    "servers/bjoern.toml",
    "servers/bjoern_launcher.py",
    "servers/cheroot.toml",
    "servers/cherrypy.toml",
    "servers/cherrypy_launcher.py",
    "servers/cogen.toml",
    "servers/concurrence.toml",
    "servers/eventlet.toml",
    "servers/eventlet_launcher.py",
    "servers/fapws3.toml",
    "servers/fastwsgi.toml",
    "servers/fastwsgi_launcher.py",
    "servers/gevent.toml",
    "servers/gevent_launcher.py",
    "servers/granian.toml",
    "servers/gunicorn.toml",
    "servers/hypercorn.toml",
    "servers/lab.toml",
    "servers/locks/bjoern.txt",
    "servers/locks/cheroot.txt",
    "servers/locks/cherrypy.txt",
    "servers/locks/eventlet.txt",
    "servers/locks/fastwsgi.txt",
    "servers/locks/gevent.txt",
    "servers/locks/granian.txt",
    "servers/locks/gunicorn.txt",
    "servers/locks/hypercorn.txt",
    "servers/locks/mod-wsgi.txt",
    "servers/locks/paste.txt",
    "servers/locks/rocket3.txt",
    "servers/locks/tornado.txt",
    "servers/locks/twisted.txt",
    "servers/locks/uvicorn.txt",
    "servers/locks/uwsgi.txt",
    "servers/locks/waitress.txt",
    "servers/locks/werkzeug.txt",
    "servers/magnum.toml",
    "servers/meinheld.toml",
    "servers/mod-wsgi.toml",
    "servers/paste.toml",
    "servers/paste_launcher.py",
    "servers/rocket3.toml",
    "servers/rocket3_launcher.py",
    "servers/tornado.toml",
    "servers/tornado_launcher.py",
    "servers/twisted.toml",
    "servers/twisted_launcher.py",
    "servers/uvicorn.toml",
    "servers/uvicorn_launcher.py",
    "servers/uwsgi.toml",
    "servers/waitress.toml",
    "servers/werkzeug.toml",
    "servers/werkzeug_launcher.py",
    "servers/wsgiref.toml",
    "servers/wsgiref_launcher.py",
];

/// The folder of lab's own kinds at build time, the base of relative source folders.
pub(super) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The text of a file, by its path in `fixtures`.
pub(super) fn text(path: &str) -> Option<&'static str> {
    FILES.iter().find(|(own, _)| *own == path).map(|(_, text)| *text)
}

/// Each kind's folder in `fixtures`, its name and its text.
pub(super) fn kinds() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    FILES.iter().filter_map(|(path, text)| {
        let (folder, file) = path.split_once('/')?;
        Some((folder, file.strip_suffix(".toml")?, *text))
    })
}
