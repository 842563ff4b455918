//! Configurations before and after their relocation.

use super::*;

fn relocated(source: &str) -> Result<Relocated, String> {
    relocated_with(source, "nginx.conf", &[])
}

fn relocated_with(source: &str, file: &str, files: &[(&str, &str)]) -> Result<Relocated, String> {
    relocated_for(source, file, files, true)
}

/// Relocates with ports from 40001 on. `files` are the included files, by the argument of `include`.
fn relocated_for(source: &str, file: &str, files: &[(&str, &str)], access_logs: bool) -> Result<Relocated, String> {
    let mut port = 40_000;
    let mut reserve = || {
        port += 1;
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    };
    let mut include = |directive: &Directive| {
        let is_it = |(name, _): &&(&str, &str)| *name == directive.args[0].value;
        let source = |(name, text): &(&str, &str)| SourceFile { file: PathBuf::from(name), text: (*text).to_owned() };
        Ok(files.iter().filter(is_it).map(source).collect())
    };
    let (upstream, folder) = ("127.0.0.1:50000", Path::new("/run/visit"));
    let is_here = |path: &Path| !path.starts_with("/etc/letsencrypt");
    let mut placeholder = |named: &CertificateFile<'_>| {
        Ok((!is_here(named.path))
            .then(|| PathBuf::from(if named.is_key { "/run/visit/key" } else { "/run/visit/certificate" })))
    };
    let (reserve, include, placeholder) = (&mut reserve, &mut include, &mut placeholder);
    let folders = [("/app", "/project"), ("/app/static", "/project/assets/")];
    let folders = folders.map(|(named, here)| (PathBuf::from(named), PathBuf::from(here)));
    let target = Target {
        upstream,
        folder,
        folders: &folders,
        access_logs,
        reserve,
        include,
        placeholder,
        is_here: &is_here,
        has_user: &|user| user != "nobody-here",
    };
    nginx(source, Path::new(file), target).map_err(|error| error.to_string())
}

#[test]
fn access_logs_are_turned_off() {
    let off = |source: &str| relocated_for(source, "nginx.conf", &[], false).unwrap().text;
    let source = "http {\n  access_log a.log combined\n    buffer=32k;\n  server { listen 80; access_log off; }\n}\n";
    let expected = "http {\n  access_log off;\n  server { listen 127.0.0.1:40001; access_log off; }\n}\n";
    assert_eq!(off(source), expected);
    let by_default = off("http {\n  server { listen 80; } # one\n}\n");
    assert_eq!(by_default, "http {\n  server { listen 127.0.0.1:40001; } # one\naccess_log off; }\n");
}

#[test]
fn documents_of_a_container_are_found() {
    let source = "http { server { listen 80; root /application; location /s/ { alias /app/static/; } location /m { root /app/media; } } }";
    let expected = "http { server { listen 127.0.0.1:40001; root /application; location /s/ { alias /project/assets/; } \
                    location /m { root /project/media; } } }";
    assert_eq!(relocated(source).unwrap().text, expected);
}

#[test]
fn other_protocols_are_left_out() {
    let source = "\
stream {
  upstream db { server db:5432; }
  server { listen 5432; proxy_pass db; }
}
http {
  server { listen 80; }
}
";
    let relocated = relocated(source).unwrap();
    assert_eq!(relocated.text, "\n\n\n\nhttp {\n  server { listen 127.0.0.1:40001; }\n}\n");
    assert_eq!(relocated.entry, "127.0.0.1:40001".parse().unwrap());
}

#[test]
fn only_addresses_and_paths_change() {
    let source = "\
# a comment
daemon on;
pid /run/nginx.pid;
error_log logs/error.log warn;
http {
  access_log  off;
  upstream app { server 10.0.0.1:8000 weight=2; server unix:/run/app.sock; }
  server {
    listen 80 default_server;   # the site
    access_log \"/var/log/nginx/a b.log\" combined;
    location / { proxy_pass http://app; }
    location /x { proxy_pass http://10.0.0.2:9000/y; }
    location /u { proxy_pass http://unix:/run/app.sock:/v; }
    location /w { proxy_pass http://unix:/run/app.sock; }
    location /z { proxy_pass http://$backend/; }
    location /l { proxy_pass http://localhost:8000; }
    location /6 { proxy_pass http://[::1]:8000/; }
    location /typo { proxy_pass http://ap; }
    location /web { proxy_pass http://web:8000; }
    location /wa { uwsgi_pass 10.0.0.2:3031; }
    location /wu { uwsgi_pass uwsgi://unix:/run/app.sock; }
    location /wn { uwsgi_pass app; }
  }
  server { listen [::]:80 ipv6only=on; listen *:80; listen 127.0.0.1:8081; }
  server { listen 0.0.0.0:80; }
}
";
    let expected = "\
# a comment
daemon off;
pid /run/visit/nginx.pid;
error_log /run/visit/error.log warn;
http {
  access_log  off;
  upstream app { server 127.0.0.1:50000 weight=2; server 127.0.0.1:50000; }
  server {
    listen 127.0.0.1:40001 default_server;   # the site
    access_log \"/run/visit/a b.log\" combined;
    location / { proxy_pass http://app; }
    location /x { proxy_pass http://127.0.0.1:50000/y; }
    location /u { proxy_pass http://127.0.0.1:50000/v; }
    location /w { proxy_pass http://127.0.0.1:50000; }
    location /z { proxy_pass http://$backend/; }
    location /l { proxy_pass http://127.0.0.1:50000; }
    location /6 { proxy_pass http://127.0.0.1:50000/; }
    location /typo { proxy_pass http://ap; }
    location /web { proxy_pass http://127.0.0.1:50000; }
    location /wa { uwsgi_pass 127.0.0.1:50000; }
    location /wu { uwsgi_pass uwsgi://127.0.0.1:50000; }
    location /wn { uwsgi_pass app; }
  }
  server { listen 127.0.0.1:40002 ; listen 127.0.0.1:40001; listen 127.0.0.1:40003; }
  server { listen 127.0.0.1:40001; }
}
";
    let relocated = relocated(source).unwrap();
    assert_eq!(relocated.text, expected);
    assert_eq!(relocated.entry.port(), 40_001);
    assert_eq!(relocated.globals, "");
}

#[test]
fn defaults_are_set_on_the_command_line() {
    let relocated = relocated("http { server { listen 80; } }").unwrap();
    assert_eq!(relocated.globals, "daemon off; pid /run/visit/nginx.pid; error_log /run/visit/error.log;");
}

#[test]
fn tls_listener_has_its_own_entry() {
    let source = "http { server { listen 443 ssl http2; listen 80; ssl_certificate tls/site.pem;\n\
                  ssl_certificate_key /keys/site.pem; ssl_dhparam $dhparam; auth_basic_user_file users; } }";
    let relocated = relocated_with(source, "/project/nginx.conf", &[]).unwrap();
    assert_eq!((relocated.entry.port(), relocated.tls_entry.map(|entry| entry.port())), (40_002, Some(40_001)));
    let expected = "http { server { listen 127.0.0.1:40001 ssl http2; listen 127.0.0.1:40002; \
                    ssl_certificate /project/tls/site.pem;\n\
                    ssl_certificate_key /keys/site.pem; ssl_dhparam $dhparam; \
                    auth_basic_user_file /project/users; } }";
    assert_eq!(relocated.text, expected);
    let only_tls = self::relocated("http { server { listen 443 ssl; } }").unwrap();
    assert_eq!(Some(only_tls.entry), only_tls.tls_entry);
}

#[test]
fn caches_move_into_the_run() {
    let source = "http { proxy_cache_path /var/cache/nginx/a levels=1:2 keys_zone=a:1m; uwsgi_cache_path b/ \
                  keys_zone=b:1m; server { listen 80; } }";
    let expected = "http { proxy_cache_path /run/visit/cache-var-cache-nginx-a levels=1:2 keys_zone=a:1m; \
                    uwsgi_cache_path /run/visit/cache-b keys_zone=b:1m; server { listen 127.0.0.1:40001; } }";
    assert_eq!(relocated(source).unwrap().text, expected);
}

#[test]
fn certificate_that_is_not_here_gets_a_placeholder() {
    let source = "http { server { listen 443 ssl; ssl_certificate /etc/letsencrypt/live/a/fullchain.pem;\n\
                  ssl_certificate_key /etc/letsencrypt/live/a/privkey.pem; ssl_trusted_certificate chain.pem; } }";
    let relocated = relocated_with(source, "/project/nginx.conf", &[]).unwrap();
    let expected = "http { server { listen 127.0.0.1:40001 ssl; ssl_certificate /run/visit/certificate;\n\
                    ssl_certificate_key /run/visit/key; ssl_trusted_certificate /project/chain.pem; } }";
    assert_eq!(relocated.text, expected);
}

#[test]
fn dispensable_file_that_is_not_here_is_left_out() {
    let source = "http { server { listen 443 ssl;\n  ssl_dhparam\n /etc/letsencrypt/ssl-dhparams.pem; # managed by Certbot\n\
                  ssl_client_certificate /etc/letsencrypt/ca.pem; ssl_trusted_certificate chain.pem; } }";
    let relocated = relocated_with(source, "/project/nginx.conf", &[]).unwrap();
    let expected = "http { server { listen 127.0.0.1:40001 ssl;\n  \n # managed by Certbot\n\
                    ssl_client_certificate /etc/letsencrypt/ca.pem; ssl_trusted_certificate /project/chain.pem; } }";
    assert_eq!(relocated.text, expected);
    let omitted = Omission {
        file: "/project/nginx.conf".into(),
        line: 2,
        directive: "ssl_dhparam".to_owned(),
        missing: "/etc/letsencrypt/ssl-dhparams.pem".to_owned(),
    };
    assert_eq!(relocated.omitted, [omitted]);
}

#[test]
fn user_that_is_not_here_is_left_out() {
    let source = "user nobody-here group;\nhttp { server { listen 80; } }";
    let other = self::relocated(source).unwrap();
    assert_eq!(other.text, "\nhttp { server { listen 127.0.0.1:40001; } }");
    assert_eq!(
        (other.omitted[0].directive.as_str(), other.omitted[0].missing.as_str()),
        ("user", "the user nobody-here")
    );
    assert_eq!(relocated("user www-data;\nhttp { server { listen 80; } }").unwrap().omitted, []);
}

#[test]
fn documents_stay_where_they_are() {
    let source = "http { server { listen 80; root site; location /a/ { alias ./a/; } location /v/ { root $r/x; }\n\
                  location /h/ { root hosts/$host; } location /f/ { root /srv; } } }";
    let relocated = relocated_with(source, "/project/nginx.conf", &[]).unwrap();
    let expected = "http { server { listen 127.0.0.1:40001; root /project/site; \
                    location /a/ { alias /project/./a/; } location /v/ { root $r/x; }\n\
                    location /h/ { root /project/hosts/$host; } location /f/ { root /srv; } } }";
    assert_eq!(relocated.text, expected);
}

#[test]
fn included_files_are_relocated_in_context() {
    let files = [
        ("conf.d/*", "upstream app { include servers; }\n"),
        ("servers", "server 10.0.0.1:80;\nserver 10.0.0.2:80;"),
        ("conf.d/*", "server { listen 80; root site; ssl_certificate tls/a.pem; location / { include pass; } }"),
        ("pass", "proxy_pass http://10.0.0.9/x;"),
        ("early", "pid /run/nginx.pid;"),
    ];
    let source = "include early; # first\nhttp {\n  include conf.d/*; include none/*;\n}\n";
    let relocated = relocated_with(source, "/etc/nginx/nginx.conf", &files).unwrap();
    assert_eq!(relocated.text, "include 1.early; # first\nhttp {\n  include 3.*; include 5.*; \n}\n");
    let included: Vec<(&str, &str)> =
        relocated.included.iter().map(|one| (one.name.as_str(), one.text.as_str())).collect();
    let expected = [
        ("1.early", "pid /run/visit/nginx.pid;"),
        ("2.servers", "server 127.0.0.1:50000;\nserver 127.0.0.1:50000;"),
        ("3.*", "upstream app { include 2.servers; }\n"),
        ("4.pass", "proxy_pass http://127.0.0.1:50000/x;"),
        (
            "5.*",
            "server { listen 127.0.0.1:40001; root /etc/nginx/site; ssl_certificate /etc/nginx/tls/a.pem; \
             location / { include 4.pass; } }",
        ),
    ];
    assert_eq!(included, expected);
    assert_eq!(relocated.globals, "daemon off; error_log /run/visit/error.log;");
}

#[test]
fn errors_name_the_included_file() {
    let wrong = relocated_with("http {\n include a;\n}", "nginx.conf", &[("a", "\nserver { listen unix:/x; }")]);
    assert_eq!(
        wrong.unwrap_err(),
        "a:2: cannot relocate `listen unix:/x`; accepted: a port, or an address with a port"
    );
    let endless = relocated_with("include a;", "nginx.conf", &[("a", "include a;")]);
    assert_eq!(endless.unwrap_err(), "a:1: include of a nests too deep");
}

#[test]
fn errors_have_lines() {
    let unix = relocated("http {\n server { listen unix:/run/x.sock; }\n}").unwrap_err();
    assert_eq!(
        unix,
        "nginx.conf:2: cannot relocate `listen unix:/run/x.sock`; accepted: a port, or an address with a port"
    );
    let none = relocated("http { server { } }").unwrap_err();
    assert_eq!(
        none,
        "nginx.conf: no server has a `listen` directive, so clients have no address to connect to; accepted: `listen 80;`"
    );
}
