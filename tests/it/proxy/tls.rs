//! TLS of `lab proxy` over time: reloads, slow clients, data that arrives before the handshake is complete.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::certificates;
use super::client::{ClientConfigs, ClientStream, ClientTls, config};
use super::running::{Program, Proxy};
use crate::support::wait_until;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n";

fn start(server: &str) -> Proxy {
    let configuration = format!(
        "daemon off; error_log error.log info; events {{ }}\n\
         http {{ server {{ listen {{listen}} ssl; server_name example.org; ssl_certificate site.pem;\n\
         ssl_certificate_key site.key; {server} location / {{ return 200 \"early:$ssl_early_data\\n\"; }} }} }}\n"
    );
    Proxy::start_as(Program::Lab, &configuration, |folder, _| {
        certificates::write_to(folder);
        install(folder, "rsa");
    })
}

/// Makes one of the certificates that of the site.
fn install(folder: &Path, name: &str) {
    for kind in ["pem", "key"] {
        let content = certificates::read(&format!("{name}.{kind}"));
        std::fs::write(folder.join(format!("site.{kind}")), content).unwrap();
    }
}

/// Performs a handshake, and returns what it agreed on.
fn handshake(proxy: &Proxy) -> String {
    ClientConfigs::default().handshake(&ClientTls::default(), proxy.connect()).1
}

#[test]
fn reload_reads_certificates_again() {
    let proxy = start("");
    assert!(handshake(&proxy).ends_with("certificate of rsa"));
    install(proxy.path(), "ecdsa");
    proxy.signal(Signal::HUP);
    wait_until("the other certificate", || handshake(&proxy).ends_with("certificate of ecdsa").then_some(()));

    std::fs::write(proxy.path().join("site.pem"), "no certificate").unwrap();
    proxy.signal(Signal::HUP);
    let message = format!("nginx.conf:2: cannot load certificate \"{}\"", proxy.path().join("site.pem").display());
    wait_until("the error", || proxy.read("error.log").contains(&message).then_some(()));
    assert!(handshake(&proxy).ends_with("certificate of ecdsa"), "the old configuration stays");
}

/// The same for the server of this name.
fn handshake_for(proxy: &Proxy, name: &str) -> String {
    let tls = ClientTls { server_name: Some(name.to_owned()), ..ClientTls::default() };
    ClientConfigs::default().handshake(&tls, proxy.connect()).1
}

#[test]
fn certificates_with_variables_are_read_at_each_handshake() {
    let proxy = Proxy::start_as(
        Program::Lab,
        "daemon off; error_log error.log info; events { }\n\
         http { server { listen {listen} ssl; return 204;\n\
         ssl_certificate $ssl_server_name.pem; ssl_certificate_key $ssl_server_name.key; } }\n",
        |folder, _| certificates::write_to(folder),
    );
    assert!(handshake_for(&proxy, "rsa").ends_with("certificate of rsa"));
    assert!(handshake_for(&proxy, "ecdsa").ends_with("certificate of ecdsa"));
    handshake_for(&proxy, "new.example");
    let message = format!("cannot load certificate \"{}\"", proxy.path().join("new.example.pem").display());
    wait_until("the error", || proxy.read("error.log").contains(&message).then_some(()));
    for kind in ["pem", "key"] {
        std::fs::write(proxy.path().join(format!("new.example.{kind}")), certificates::read(&format!("other.{kind}")))
            .unwrap();
    }
    assert!(handshake_for(&proxy, "new.example").ends_with("certificate of other"));
}

#[test]
fn certificates_may_be_in_the_configuration() {
    let text = certificates::read;
    let configuration = format!(
        "daemon off; error_log error.log info; events {{ }}\n\
         http {{ map $ssl_server_name $pem {{ default \"{}\"; }} map $ssl_server_name $key {{ default \"{}\"; }}\n\
         server {{ listen {{listen}} ssl; server_name text.example; return 204;\n\
         ssl_certificate \"data:{}\"; ssl_certificate_key \"data:{}\"; }}\n\
         server {{ listen {{listen}} ssl; server_name variable.example; return 204;\n\
         ssl_certificate data:$pem; ssl_certificate_key data:$key; }} }}\n",
        text("ecdsa.pem"),
        text("ecdsa.key"),
        text("rsa.pem"),
        text("rsa.key"),
    );
    let proxy = Proxy::start_as(Program::Lab, &configuration, |_, _| {});
    assert!(handshake_for(&proxy, "text.example").ends_with("certificate of rsa"));
    assert!(handshake_for(&proxy, "variable.example").ends_with("certificate of ecdsa"));
}

#[test]
fn slow_handshake_delays_nobody() {
    let proxy = start("client_header_timeout 1s;");
    let mut silent = proxy.connect();
    let mut slow = proxy.connect();
    slow.write_all(b"\x16\x03\x01").unwrap();
    assert!(handshake(&proxy).ends_with("certificate of rsa"));
    assert_eq!(silent.read(&mut [0; 16]).unwrap(), 0, "a silent client is disconnected");
    assert_eq!(slow.read(&mut [0; 16]).unwrap(), 0, "and so is one that does not finish its handshake");
}

#[test]
fn early_data_is_served_after_the_handshake() {
    let proxy = start("ssl_early_data on;");
    let mut client =
        Arc::unwrap_or_clone(config(&ClientTls { version: Some("1.3".to_owned()), ..ClientTls::default() }));
    client.enable_early_data = true;
    let client = Arc::new(client);
    let mut responses = Vec::new();
    for is_early in [false, true] {
        let name = ServerName::try_from("example.org").unwrap();
        let mut session = ClientConnection::new(Arc::clone(&client), name).unwrap();
        assert_eq!(session.early_data().is_some(), is_early, "the second connection has a ticket");
        if let Some(mut early) = session.early_data() {
            early.write_all(REQUEST).unwrap();
        }
        let mut stream = StreamOwned::new(session, proxy.connect());
        if !is_early {
            stream.write_all(REQUEST).unwrap();
        }
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert_eq!(stream.conn.is_early_data_accepted(), is_early);
        responses.push(response);
    }
    assert!(responses.iter().all(|response| response.ends_with("early:\n")), "{responses:?}");
}

#[test]
fn test_warns_of_values_without_full_effect() {
    let folder = tempfile::tempdir().unwrap();
    certificates::write_to(folder.path());
    let file = folder.path().join("nginx.conf");
    let configuration = "events { }\nhttp { server { listen 8443 ssl http2;\n\
                         ssl_certificate rsa.pem; ssl_certificate_key rsa.key;\n\
                         ssl_protocols TLSv1 TLSv1.1 TLSv1.2;\n\
                         ssl_ciphers ECDHE+AESGCM:DHE-RSA-AES128-GCM-SHA256:!aNULL;\n\
                         ssl_ecdh_curve X25519:secp521r1;\n\
                         ssl_stapling on; http2_max_requests 10;\n\
                         http2_recv_timeout 1s; } }\n";
    std::fs::write(&file, configuration).unwrap();
    let mut lab = Command::new(env!("CARGO_BIN_EXE_lab"));
    let output = lab.args(["proxy", "-t", "-c"]).arg(&file).output().unwrap();
    let printed = String::from_utf8(output.stderr).unwrap().replace(&format!("{}/", folder.path().display()), "");
    assert!(output.status.success(), "{printed}");
    let warnings: Vec<&str> = printed.lines().filter_map(|line| line.strip_prefix("lab proxy: [warn] ")).collect();
    assert_eq!(
        warnings,
        [
            "\"ssl_protocols\" does not enable TLSv1, TLSv1.1, which lab does not speak in nginx.conf:4",
            "\"ssl_ciphers\" has no cipher suite of lab for DHE-RSA-AES128-GCM-SHA256 in nginx.conf:5",
            "\"ssl_ecdh_curve\" leaves out secp521r1, which lab does not have in nginx.conf:6",
            "the \"http2_max_requests\" directive is obsolete, use the \"keepalive_requests\" directive instead in nginx.conf:7",
            "the \"http2_recv_timeout\" directive is obsolete, use the \"client_header_timeout\" directive instead in \
             nginx.conf:8",
            "\"ssl_stapling\" ignored, issuer certificate not found for certificate \"rsa.pem\"",
        ]
    );
}

#[test]
fn lists_without_a_known_value_count_as_none() {
    let proxy = start(
        "ssl_protocols SSLv3 TLSv1; ssl_ecdh_curve secp521r1:sect571r1;\n\
                       ssl_ciphers AES128-SHA:AES256-SHA;",
    );
    let agreed = handshake(&proxy);
    assert!(agreed.starts_with("TLSv1_3"), "{agreed}");
    let printed = proxy.read("stderr");
    for warning in [
        "\"ssl_protocols\" has only SSLv3, TLSv1, which lab does not speak. It speaks TLS 1.2 and 1.3",
        "\"ssl_ecdh_curve\" has only secp521r1, sect571r1, which lab does not have. It offers its own",
        "\"ssl_ciphers\" has only AES128-SHA, AES256-SHA, which lab does not have. It offers its own",
    ] {
        assert!(printed.contains(warning), "{printed}");
    }
}

#[test]
fn idle_connection_ends_with_a_notice() {
    let proxy = start("keepalive_timeout 1s;");
    let (mut stream, _) = ClientConfigs::default().handshake(&ClientTls::default(), proxy.connect());
    assert!(matches!(stream, ClientStream::Tls(_)));
    stream.write_all(b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n").unwrap();
    let mut response = String::new();
    // an end without close_notify would be an error
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
}
