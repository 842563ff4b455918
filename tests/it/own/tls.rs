//! A deployment that serves https with a certificate of Let's Encrypt, behind nginx and behind its twin.

use lab::exit::Exit;

use crate::support::{Project, requires};

const SCENARIO: &str = r#"
schema = 1
name   = "secure"

[app]
native = "hello"

[[stack]]
name   = "original"
proxy  = { kind = "nginx", config = "nginx.conf" }
server = { kind = "lab" }

[[stack]]
name   = "twin"
proxy  = { kind = "lab", config = "nginx.conf" }
server = { kind = "lab" }

[[check]]
name    = "plain requests are redirected"
request = { path = "/pong?a=b", headers = [["Host", "shop.example.org"]] }
expect.status  = 301
expect.headers = { Location = "https://shop.example.org/pong?a=b" }

[[check]]
name    = "the application knows that the client uses https"
request = { path = "/headers", headers = [["Host", "shop.example.org"]], tls = true }
expect.status  = 200
expect.headers = { Strict-Transport-Security = "max-age=31536000" }
expect.upstream.headers = { X-Forwarded-Proto = "https" }
expect.app = { scheme = "https" }

[[check]]
name    = "it is served over HTTP/2, twice on a connection"
request = { path = "/headers", headers = [["Host", "shop.example.org"]], tls = true, http = "2", times = 2 }
expect.status  = 200
expect.headers = { content-type = "application/json", Connection = { absent = true } }
expect.upstream.headers = { Host = "shop.example.org" }

[[check]]
name    = "the certificate of the run is presented"
request = { path = "/pong", headers = [["Host", "shop.example.org"]], tls = true }
expect.certificate = { names = ["localhost"], subject = { contains = "CN=" }, days = 30 }

[[check]]
name    = "a body arrives over HTTP/2"
request = { method = "POST", path = "/echo", headers = [["Host", "shop.example.org"]], body = "pens", tls = true, http = "2" }
expect  = { status = 200, body = "pens" }
"#;

const NGINX: &str = "\
events { }
http {
    access_log off;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:site:1m;
    server {
        listen 80;
        server_name shop.example.org;
        return 301 https://$host$request_uri;
    }
    server {
        listen 443 ssl http2;
        server_name shop.example.org;
        ssl_certificate /etc/letsencrypt/live/shop.example.org/fullchain.pem;
        ssl_certificate_key /etc/letsencrypt/live/shop.example.org/privkey.pem;
        add_header Strict-Transport-Security max-age=31536000;
        location / {
            proxy_pass http://127.0.0.1:8000;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }
    }
}
";

#[test]
fn checks_reach_both_twins_over_tls() {
    requires!(Nginx);
    let project = Project::empty().with_file("lab.toml", SCENARIO).with_file("nginx.conf", NGINX);
    let printed = project.expect(Exit::Ok, &["check", "lab.toml"]);
    assert!(printed.contains("original  5 of 5 checks passed"), "{printed}");
    assert!(printed.contains("twin  5 of 5 checks passed"), "{printed}");
}

#[test]
fn missing_http2_is_named() {
    requires!(Nginx);
    let project =
        Project::empty().with_file("lab.toml", SCENARIO).with_file("nginx.conf", &NGINX.replace(" http2;", ";"));
    let printed = project.expect(Exit::Failed, &["check", "lab.toml"]);
    assert!(printed.contains("the server does not agree on HTTP/2 in the TLS handshake"), "{printed}");
}
