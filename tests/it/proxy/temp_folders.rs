//! The folders of `client_body_temp_path` and `proxy_temp_path`, beside nginx's.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

use super::case::{End, UpstreamResponse};
use super::running::{NGINX, Program, Proxy, read_to_end};
use super::upstream::Upstream;
use crate::support::{requires, wait_until};

/// Every level that may name a folder.
const FOLDERS: &str = "pid pid; error_log error.log; events { } http { access_log off; \
    client_body_temp_path of-http 1 2; server { listen 127.0.0.1:8000; proxy_temp_path of-server; \
    location / { client_body_temp_path existing; proxy_temp_path of-location 1; proxy_pass http://127.0.0.1:8001; } } }";

/// `-t` in a folder.
fn test(program: Program, configuration: &str, folder: &Path) -> Output {
    let file = folder.join("nginx.conf");
    std::fs::write(&file, configuration).expect("a file");
    let mut command = match program {
        Program::Nginx => Command::new(NGINX),
        Program::Lab | Program::LabOfVersion(_) => Command::new(env!("CARGO_BIN_EXE_lab")),
    };
    if program == Program::Lab {
        command.arg("proxy");
    }
    command.arg("-t").arg("-p").arg(folder).arg("-c").arg(&file).output().expect("a program that runs")
}

/// The folders inside `folder`, with their owners and modes.
fn folders(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let described = entries.filter(|entry| entry.path().is_dir()).map(|entry| {
        let metadata = entry.metadata().expect("metadata");
        format!("{} {} {:o}", entry.file_name().display(), metadata.uid(), metadata.mode() & 0o7777)
    });
    let mut described: Vec<String> = described.collect();
    described.sort();
    described
}

#[test]
fn configuration_test_creates_folders_like_nginx() {
    requires!(Nginx);
    // without the privilege to give folders away, nginx ignores the user
    for user in ["", "user daemon;", "user root;"] {
        let made = [Program::Nginx, Program::Lab].map(|program| {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::create_dir(folder.path().join("existing")).expect("a folder");
            std::fs::set_permissions(folder.path().join("existing"), Permissions::from_mode(0o550)).expect("a mode");
            let output = test(program, &format!("{user} {FOLDERS}"), folder.path());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            folders(folder.path())
        });
        assert_eq!(made[0], made[1], "{user}");
        assert_eq!(made[1].len(), 4, "{made:?}");
    }
}

#[test]
fn folder_that_cannot_be_created_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, reason) in [("missing/body", "No such file or directory"), ("nginx.conf", "not a directory")] {
        let configuration = FOLDERS.replace("of-server", path);
        let output = test(Program::Lab, &configuration, folder.path());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let expected = format!("cannot create the temporary folder {}: ", folder.path().join(path).display());
        assert!(said.contains(&expected) && said.contains(reason), "{said}");
    }
    let mut proxy = Proxy::start(&FOLDERS.replace("of-server", "missing/body"));
    assert_eq!(proxy.wait().code(), Some(3), "{}", proxy.read("stderr"));
}

#[test]
fn named_folders_hold_large_bodies() {
    let size = 20_000_000;
    let large = [format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").as_bytes(), &vec![b'a'; size]].concat();
    let upstream = Upstream::start(vec![UpstreamResponse { bytes: large, end: End::KeepOpen, is_early: false }]);
    let location = "client_body_temp_path body; proxy_temp_path responses;";
    let proxy = Proxy::start(&super::configuration("", None, location, &upstream));
    let mut client = proxy.connect();
    write!(client, "POST / HTTP/1.0\r\nHost: example.org\r\nContent-Length: 900000\r\n\r\n").expect("the proxy reads");
    client.write_all(&vec![b'b'; 900_000]).expect("the proxy reads");
    let pid = proxy.id();
    // the client does not read yet, so most of the response is in a file
    wait_until("the file of the response", || {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").flatten();
        let mut files = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        files.any(|file| file.starts_with(proxy.path().join("responses")))
    });
    let (got, ended_well) = read_to_end(&mut client);
    assert!(ended_well && got.starts_with(b"HTTP/1.1 200 ") && got.len() > size, "{} bytes", got.len());
    assert!(upstream.received().concat().len() > 900_000);
}

#[test]
fn reload_creates_folders() {
    let configuration = "daemon off; pid pid; error_log error.log notice; events { } \
                         http { server { listen {listen}; location / { client_body_temp_path FOLDER; return 204; } } }";
    let mut proxy = Proxy::start(&configuration.replace("FOLDER", "first"));
    wait_until("the first folder", || proxy.path().join("first").is_dir() && !proxy.read("pid").is_empty());
    for (path, line) in [("second", "reconfiguring"), ("missing/third", "cannot create the temporary folder")] {
        let configuration = configuration.replace("{listen}", &proxy.address.to_string()).replace("FOLDER", path);
        std::fs::write(proxy.path().join("nginx.conf"), configuration).expect("a file");
        proxy.signal(rustix::process::Signal::HUP);
        wait_until("the reload", || proxy.read("error.log").contains(line));
    }
    wait_until("the second folder", || proxy.path().join("second").is_dir());
    assert!(proxy.converse(b"GET / HTTP/1.0\r\n\r\n").starts_with(b"HTTP/1.1 204 "), "the proxy goes on");
    proxy.signal(rustix::process::Signal::TERM);
    assert!(proxy.wait().success());
}
