//! The deployment under test.

use std::process::Command;

use crate::proxy::running::{Program, Proxy};
use crate::serve::python::Folder;
use crate::serve::server::Server;
use crate::support::{SmallDisk, Tool, wait_until};

const APP: &str = r#"
import ctypes, os

PIECE = b"x" * 65536

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/segfault":
        ctypes.string_at(0)
    if path == "/exit":
        os._exit(3)
    if path == "/large":
        start_response("200 OK", [("Content-Length", str(320 * len(PIECE)))])
        return (PIECE for _ in range(320))
    content = environ["wsgi.input"].read() if path == "/echo" else b"Pong!"
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]
"#;

/// The size of the application's `/large`.
pub(super) const LARGE: usize = 320 * 65536;

/// The temporary files of servers and proxies share this disk.
const DISK_KIB: u32 = 16 * 1024;

pub(super) struct Site {
    /// Its workers retire and are reloaded. No request makes one crash.
    pub(super) stable: Server,
    /// Its workers crash.
    pub(super) crashing: Server,
    /// `lab proxy` in front of both, and nginx where it is installed.
    pub(super) proxies: Vec<(Program, Proxy)>,
    /// `None` where this process may not mount one.
    pub(super) disk: Option<SmallDisk>,
    _folder: Folder,
}

impl Site {
    /// `None` without Python; the test is then reported as skipped.
    pub(super) fn start() -> Option<Site> {
        let folder = Folder::new()?;
        folder.write("soaked.py", APP);
        let disk_folder = folder.path().join("disk");
        let disk = SmallDisk::mount(disk_folder.clone(), DISK_KIB);
        let serve = |arguments: &[&str]| {
            let mut command: Command = folder.lab();
            command.env("TMPDIR", &disk_folder).args(["--bind", "127.0.0.1:0"]).args(arguments);
            Server::of(&mut command, 2, "soaked:app")
        };
        let stable = serve(&["--threads", "4", "--max-requests", "500", "--max-requests-jitter", "100"]);
        let crashing = serve(&["--preload"]);
        let nginx = Tool::Nginx.is_available_for_part().then_some(Program::Nginx);
        let proxies = [Some(Program::Lab), nginx].into_iter().flatten().map(|program| {
            let bodies = disk_folder.join(format!("{program:?}"));
            let configuration = format!(
                "daemon off; worker_processes 1; pid pid; error_log error.log notice;\n\
                 events {{ worker_connections 512; }}\n\
                 http {{ access_log off; client_max_body_size 64m; client_body_temp_path {};\n\
                 keepalive_requests 1000000; proxy_http_version 1.1; proxy_set_header Connection '';\n\
                 upstream stable {{ server {stable}; keepalive 16; }}\n\
                 upstream crashing {{ server {crashing} max_fails=0; server {stable} max_fails=0; }}\n\
                 server {{ listen {{listen}}; location / {{ proxy_pass http://stable; }}\n\
                 location /crashing/ {{ proxy_pass http://crashing/; }} }} }}\n",
                bodies.display(),
                stable = stable.address,
                crashing = crashing.address,
            );
            let proxy = Proxy::start_as(program, &configuration, |_, _| ());
            // Before it has handlers, a signal would end it.
            wait_until("the file with the process id", || !proxy.read("pid").is_empty());
            (program, proxy)
        });
        let proxies = proxies.collect();
        Some(Site { stable, crashing, proxies, disk, _folder: folder })
    }
}
