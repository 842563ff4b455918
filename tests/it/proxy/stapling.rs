//! `ssl_stapling` with an OCSP responder, which `openssl ocsp` is.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::certificates;
use super::running::{Program, Proxy};
use crate::support::{requires, wait_until};

const PROGRAMS: [Program; 2] = [Program::Nginx, Program::Lab];

/// A responder of the authority `ca`, which ends with its owner.
struct Responder {
    process: Child,
    /// Open, because the responder writes to it.
    _stdout: BufReader<ChildStdout>,
    url: String,
    _folder: tempfile::TempDir,
}

impl Responder {
    /// `status` are the first fields of OpenSSL's database: a letter, the end of the validity, the time of the revocation.
    fn start(status: &str) -> Responder {
        let folder = tempfile::tempdir().unwrap();
        certificates::write_to(folder.path());
        std::fs::write(folder.path().join("index"), format!("{status}\t02\tunknown\t/CN=upstream.example\n")).unwrap();
        let mut process = Command::new("openssl")
            .args(["ocsp", "-port", "0", "-ndays", "1", "-index", "index", "-CA", "ca.pem", "-rsigner", "ca.pem"])
            .args(["-rkey", "ca.key"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let port = stdout.by_ref().lines().find_map(|line| port_in(&line.unwrap())).unwrap();
        Responder { process, _stdout: stdout, url: format!("http://127.0.0.1:{port}"), _folder: folder }
    }
}

/// The port in `ACCEPT [::]:40123 PID=7`.
fn port_in(line: &str) -> Option<u16> {
    line.strip_prefix("ACCEPT ")?.split(' ').next()?.rsplit(':').next()?.parse().ok()
}

impl Drop for Responder {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn start(program: Program, responder: &Responder) -> Proxy {
    let configuration = format!(
        "daemon off; worker_processes 1; pid pid; error_log error.log info; events {{ }}\n\
         http {{ access_log off; server {{ listen {{listen}} ssl; return 204;\n\
         ssl_certificate upstream.pem; ssl_certificate_key upstream.key; ssl_trusted_certificate ca.pem;\n\
         ssl_stapling on; ssl_stapling_verify on; ssl_stapling_responder {}; }} }}\n",
        responder.url
    );
    Proxy::start_as(program, &configuration, |folder: &Path, _| certificates::write_to(folder))
}

/// Whether a client gets a response that says that the certificate is good.
fn is_stapled(proxy: &Proxy) -> bool {
    let output = Command::new("openssl")
        .args(["s_client", "-status", "-servername", "upstream.example", "-connect", &proxy.address.to_string()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let is_good = text.contains("Cert Status: good");
    assert!(is_good || text.contains("OCSP response: no response sent"), "{text}");
    is_good
}

#[test]
fn response_of_the_responder_is_stapled() {
    requires!(Nginx, Openssl);
    let responder = Responder::start("V\t20701112000000Z\t");
    for program in PROGRAMS {
        let proxy = start(program, &responder);
        wait_until("a handshake with a response", || is_stapled(&proxy));
    }
}

#[test]
fn revoked_status_is_logged_and_not_stapled() {
    requires!(Nginx, Openssl);
    let responder = Responder::start("R\t20701112000000Z\t200304000000Z");
    for program in PROGRAMS {
        let proxy = start(program, &responder);
        wait_until("the error", || {
            assert!(!is_stapled(&proxy));
            proxy.read("error.log").contains("certificate status \"revoked\" in the OCSP response")
        });
    }
}

#[test]
fn responder_that_is_down_is_logged() {
    requires!(Nginx, Openssl);
    let mut responder = Responder::start("V\t20701112000000Z\t");
    responder.process.kill().unwrap();
    responder.process.wait().unwrap();
    for program in PROGRAMS {
        let proxy = start(program, &responder);
        wait_until("the error", || {
            assert!(!is_stapled(&proxy));
            proxy.read("error.log").contains("while requesting certificate status, responder: 127.0.0.1")
        });
    }
}
