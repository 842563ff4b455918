//! Tables of requests through the phases: a server's directives, a target, and the resulting action.

use std::fs::File;
use std::io;
use std::path::Path;

use lab_http::{RequestHead, Version};

use super::file_system::{FileKind, FileMetadata, FolderEntry, Symlinks};
use super::*;
use crate::config::address::Address;
use crate::config::{self, ConfigPaths};
use crate::variables::VariableValues;

/// A file system with these paths. Those that end with a slash are folders.
#[derive(Debug)]
struct Paths(&'static [&'static str]);

impl FileSystem for Paths {
    fn metadata(&self, path: &[u8], _: Symlinks) -> io::Result<FileMetadata> {
        let path = std::str::from_utf8(path).unwrap();
        let kind = match self.0.iter().find(|own| own.trim_end_matches('/') == path.trim_end_matches('/')) {
            Some(own) if own.ends_with('/') => FileKind::Folder,
            Some(_) if path.ends_with('/') => return Err(io::ErrorKind::NotADirectory.into()),
            Some(_) => FileKind::File,
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        let is_executable = path.ends_with(".sh");
        Ok(FileMetadata { kind, is_executable, size: 1, modified: 1 })
    }

    fn readable_metadata(&self, path: &[u8]) -> io::Result<FileMetadata> {
        self.metadata(path, Symlinks::Followed)
    }

    fn open(&self, path: &[u8], symlinks: Symlinks) -> io::Result<(Option<File>, FileMetadata)> {
        Ok((None, self.metadata(path, symlinks)?))
    }

    fn read(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        self.metadata(path, Symlinks::Followed).map(|_| Vec::new())
    }

    fn entries(&self, path: &[u8]) -> io::Result<Vec<FolderEntry>> {
        self.metadata(path, Symlinks::Followed).map(|_| Vec::new())
    }
}

const FILES: Paths = Paths(&[
    "/srv/",
    "/srv/a.html",
    "/srv/run.sh",
    "/srv/sub/",
    "/srv/sub/index.html",
    "/srv/404.html",
    "/data/",
    "/data/f.gif",
]);

/// What becomes of `METHOD TARGET` in a server with these directives, in words.
fn outcome(http: &str, server: &str, request_line: &str) -> String {
    let file = Path::new("nginx.conf");
    let text = format!(
        "events {{}} http {{ upstream app {{ server 127.0.0.1:1; }} {http} server {{ root /srv; {server} }} }}"
    );
    let tree = lab_nginx_conf::parse(&text, file).unwrap();
    let read = lab_nginx_conf::check(&tree)
        .and_then(|()| config::read(&tree, file, ConfigPaths { prefix: Path::new("/prefix"), error_log: None }));
    let config = read.unwrap_or_else(|error| panic!("{server}: {error}"));
    let (method, target) = request_line.split_once(' ').unwrap_or(("GET", request_line));
    let mut head = RequestHead::new(method, target, Version::Http11);
    head.headers.push("Host", "example.org");
    let request = Request::validate(&head, true).unwrap();
    let address = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let connection = ClientConnection::new(1, Some(address(9)), Address::Internet(address(80)));
    let server = &config.servers[0];
    let mut route = Route::new(Some(&request), &server.outside, VariableValues::new(&config.variables));
    let outcome = RequestOutcome::default();
    let phases = Phases {
        config: &config,
        server,
        connection: &connection,
        request: &request,
        outcome: &outcome,
        files: &FILES,
    };
    let action = phases.begin(&mut route);
    let done = match action {
        Action::Pass(pass) => {
            let mut out = Vec::new();
            let scope = Scope { pass: Some(pass), ..phases.scope(&route) };
            crate::upstream::request_head::write(&request, pass, &scope, BodyLength::None, &mut out);
            let line = out.split(|byte| *byte == b'\r').next().unwrap();
            format!("pass {}", String::from_utf8_lossy(line).trim_end_matches(" HTTP/1.0"))
        }
        Action::Page(status) => format!("page {status}"),
        Action::Text { status, text } => format!("text {status} {}", String::from_utf8_lossy(&text)),
        Action::File(opened) => {
            let path = route.location.root.file_path(&phases.scope(&route)).unwrap();
            format!("file {} {}", String::from_utf8_lossy(&path.bytes), opened.media_type)
        }
        Action::Generated(generated) => format!("generated {}", generated.media_type),
        Action::Mirror(_) => "mirror".to_owned(),
        Action::Authorize(auth) => format!("authorize by {}", auth.uri),
        Action::Drop(status) => format!("drop {status}"),
    };
    let redirect = route.redirect.as_ref().map(|target| format!(" -> {}", String::from_utf8_lossy(target)));
    let status = route.status.filter(|_| !done.starts_with("page")).map(|status| format!(" as {status}"));
    format!("{done}{}{}", redirect.unwrap_or_default(), status.unwrap_or_default())
}

fn hold(http: &str, server: &str, cases: &[(&str, &str)]) {
    for (request, expected) in cases {
        assert_eq!(outcome(http, server, request), *expected, "{request} in {server}");
    }
}

#[test]
fn locations_are_searched_in_nginx_order() {
    hold(
        "",
        "location = / { return 200 exact; } location / { return 200 root; } location /a/ { return 200 a; \
           location /a/b { return 200 nested; location ~ x$ { return 200 inmost-regex; } } \
           location ~ \\.in$ { return 200 inner-regex; } } \
         location ^~ /final/ { return 200 final; } location ~ \\.php$ { return 200 php; } \
         location ~* \\.JPG$ { return 200 jpg; } location ~ ^/first { return 200 first; } \
         location ~ ^/fir { return 200 second; } location @named { return 200 never; }",
        &[
            ("/", "text 200 exact"),
            ("/x", "text 200 root"),
            ("/a/x", "text 200 a"),
            ("/a/b", "text 200 nested"),
            ("/a/bx", "text 200 inmost-regex"),
            ("/a/x.in", "text 200 inner-regex"),
            ("/a/b.in", "text 200 inner-regex"),
            ("/a/b.php", "text 200 php"),
            ("/final/x.php", "text 200 final"),
            ("/x.php", "text 200 php"),
            ("/x.jpg", "text 200 jpg"),
            ("/x.PHP", "text 200 root"),
            ("/first", "text 200 first"),
            ("/fire", "text 200 second"),
            ("/@named", "text 200 root"),
            ("/%61/x", "text 200 a"),
        ],
    );
}

#[test]
fn scripts_run_in_order() {
    hold(
        "",
        "set $x 1; if ($arg_s) { set $x server; } \
         location /set { set $y $x-$arg_a; set $y $y$y; return 200 $y; } \
         location /args { set $args a=$arg_b; return 200 $args; } \
         location /last { rewrite ^/last(.*)$ /set$1?a=n last; return 200 no; } \
         location /plain { rewrite ^/plain(.*)$ /set$1; set $z z; rewrite ^/set(.*)$ /end$1; } \
         location /end { return 200 $uri$z; } \
         location /stop { rewrite ^ /a.html break; return 200 no; } \
         location /break { set $w 1; break; return 200 no; } \
         location /noargs { rewrite ^ /echo? last; } location /echo { return 200 $uri?$args; } \
         location /more { rewrite ^ /echo?x=1 last; } \
         location /loop { rewrite ^ /loop; } \
         location /empty { rewrite ^ ${arg_none} last; } \
         location /caught { rewrite ^/caught/(?<name>[a-z]+)/(.*)$ /echo?n=$name&r=$2 last; }",
        &[
            ("/set?a=b", "text 200 1-b1-b"),
            ("/set?a=b&s=1", "text 200 server-bserver-b"),
            ("/args?b=2", "text 200 a=2"),
            ("/last", "text 200 1-n1-n"),
            ("/plain/q", "text 200 /end/qz"),
            ("/stop", "file /srv/a.html text/html"),
            ("/break", "page 404"),
            ("/noargs?a=1", "text 200 /echo?"),
            ("/more?a=1", "text 200 /echo?x=1&a=1"),
            ("/loop", "page 500"),
            ("/empty", "page 500"),
            ("/caught/a/b%26c", "text 200 /echo?n=a&r=b%26c"),
            ("/caught/a/b&c", "text 200 /echo?n=a&r=b&c"),
        ],
    );
}

#[test]
fn redirects_match_nginx() {
    hold(
        "",
        "location /r { rewrite ^/r/(.*)$ /x/$1 redirect; } location /p { rewrite ^/p/(.*)$ /x/$1? permanent; } \
         location /u { rewrite ^/u/(.*)$ http://e/$1?k=v; } \
         location /t { return 301 /x$is_args$args; } location /o { return https://e$request_uri; } \
         location = /s { return 307 $scheme://$host/; } location /n { return 303; } \
         location /app/ { proxy_pass http://app; } location = /exact/ { proxy_pass http://app; }",
        &[
            ("/r/a%20b?q=1", "page 302 -> /x/a%20b?q=1"),
            ("/p/a?q=1", "page 301 -> /x/a"),
            ("/u/a+b?q", "page 302 -> http://e/a+b?k=v&q"),
            ("/t?a=b", "page 301 -> /x?a=b"),
            ("/o?a", "page 302 -> https://e/o?a"),
            ("/s", "page 307 -> http://example.org/"),
            ("/n", "page 303 -> "),
            ("/app", "page 301 -> /app/"),
            ("/app?a", "page 301 -> /app/?a"),
            ("/exact", "page 301 -> /exact/"),
            ("/sub", "page 301 -> /sub/"),
            ("/sub?a", "page 301 -> /sub/?a"),
        ],
    );
}

#[test]
fn returns_answer_or_leave_it() {
    hold(
        "",
        "location /text { return 404 gone; } location /bare { return 404; } location /drop { return 444; } \
         location /late { return 408; } location /none { return 204; } location /odd { return 599; }",
        &[
            ("/text", "text 404 gone"),
            ("/bare", "page 404"),
            ("/drop", "drop 444"),
            ("/late", "drop 408"),
            ("/none", "text 204 "),
            ("/odd", "page 599"),
            ("TRACE /text", "page 405"),
        ],
    );
}

#[test]
fn conditions_test_variables_and_files() {
    let condition = |condition: &str| format!("location / {{ if ({condition}) {{ return 200 yes; }} return 200 no; }}");
    for (text, request, expected) in [
        ("$arg_a", "/?a=1", true),
        ("$arg_a", "/?a=0", false),
        ("$arg_a", "/?a=00", true),
        ("$arg_a", "/", false),
        ("$arg_a = b", "/?a=b", true),
        ("$arg_a = b", "/?a=B", false),
        ("$arg_a = \"\"", "/", true),
        ("$arg_a != $arg_b", "/?a=1&b=2", true),
        ("$arg_a ~ ^b", "/?a=bc", true),
        ("$arg_a ~ ^B", "/?a=bc", false),
        ("$arg_a ~* ^B", "/?a=bc", true),
        ("$arg_a !~ ^b", "/?a=bc", false),
        ("$arg_a !~* ^B", "/?a=c", true),
        ("-f $request_filename", "/a.html", true),
        ("-f $request_filename", "/sub", false),
        ("!-f $request_filename", "/nothing", true),
        ("-d $request_filename", "/sub", true),
        ("!-d $request_filename", "/sub", false),
        ("-e $request_filename", "/sub", true),
        ("!-e $request_filename", "/nothing", true),
        ("-x $request_filename", "/run.sh", true),
        ("-x $request_filename", "/a.html", false),
        ("!-x $request_filename", "/a.html", true),
        (" $request_method = GET ", "/", true),
    ] {
        let expected = if expected { "text 200 yes" } else { "text 200 no" };
        assert_eq!(outcome("", &condition(text), request), expected, "{text} {request}");
    }
}

#[test]
fn conditions_are_locations() {
    hold(
        "",
        "location / { proxy_pass http://app; try_files /a.html =404; if ($arg_a) { set $b 1; } \
         if ($arg_c) { proxy_pass http://127.0.0.1:2; } }",
        &[
            // as in nginx: try_files does not hold inside
            ("/x", "pass GET /x"),
            ("/x?a=1", "pass GET /x?a=1"),
            ("/x?c=1", "pass GET /x?c=1"),
        ],
    );
    hold(
        "",
        "location / { try_files /a.html =404; if ($arg_a) { set $b 1; } }",
        &[("/x", "file /srv/a.html text/html"), ("/x?a=1", "page 404")],
    );
}

#[test]
fn try_files_and_indexes() {
    hold(
        "",
        "error_page 418 = @named; location /t/ { try_files $uri /sub$uri /fallback?from=$uri; } \
         location /d/ { try_files /sub/ =404; } location /e/ { try_files /nothing =410; } \
         location /n/ { try_files /nothing @named; } location @named { return 200 named:$uri; } \
         location /fallback { return 200 $uri?$args; } location /i/ { index nothing.html /fallback; } \
         location /al/ { alias /data/; } location ~ ^/re/(.*)$ { alias /data/$1; } \
         location /alt/ { alias /data/; try_files $uri $uri/ =404; } \
         location /teapot { return 418; } location /secret { internal; return 200 secret; } \
         location /open { rewrite ^ /secret last; } location /lost { try_files /x @lost; }",
        &[
            ("/", "page 403"),
            ("/a.html", "file /srv/a.html text/html"),
            ("/sub/", "file /srv/sub/index.html text/html"),
            ("/nothing/", "page 404"),
            ("/nothing", "page 404"),
            ("POST /a.html", "page 405"),
            ("PUT /a.html", "page 405"),
            ("/t/x?a", "text 200 /fallback?from=/t/x"),
            ("/d/x", "page 301 -> /sub/"),
            ("/e/x", "page 410"),
            ("/n/x", "text 200 named:/n/x"),
            ("/i/?a=1", "page 404"),
            ("/al/f.gif", "file /data/f.gif image/gif"),
            ("/al/", "page 403"),
            ("/re/f.gif", "file /data/f.gif image/gif"),
            ("/alt/f.gif", "file /data/f.gif image/gif"),
            ("/alt/nothing", "page 404"),
            ("/teapot", "text 200 named:/teapot"),
            ("/secret", "page 404"),
            ("/open", "text 200 secret"),
            ("/lost", "page 500"),
        ],
    );
}

#[test]
fn error_pages_replace_statuses() {
    hold(
        "",
        "error_page 404 /404.html; error_page 403 =200 /a.html; error_page 405 = /text; error_page 410 http://e/gone; \
         error_page 411 =301 http://e/moved; error_page 501 502 /missing; \
         location /text { return 202 $request_method; } location /405 { return 405; } location /403 { return 403; } \
         location /410 { return 410; } location /411 { return 411; } location /501 { return 501; }",
        &[
            ("/nothing", "file /srv/404.html text/html as 404"),
            ("HEAD /nothing", "file /srv/404.html text/html as 404"),
            ("/403", "file /srv/a.html text/html as 200"),
            ("PUT /405", "text 202 GET"),
            ("/410", "page 302 -> http://e/gone"),
            ("/411", "page 301 -> http://e/moved"),
            // the page of an error page's own error is not fetched
            ("/501", "page 404"),
        ],
    );
    hold(
        "",
        "recursive_error_pages on; error_page 404 /404.html; error_page 501 /missing; location /501 { return 501; }",
        &[("/501", "file /srv/404.html text/html as 404")],
    );
}

#[test]
fn upstream_targets_follow_the_rules() {
    hold(
        "",
        "location / { proxy_pass http://app; } location /uri/ { proxy_pass http://app/x/; } \
         location /b/ { rewrite ^/b/(.*)$ /c/$1 break; proxy_pass http://app; } \
         location /bu/ { rewrite ^/bu/(.*)$ /c/$1 break; proxy_pass http://app/x/; } \
         location /l/ { rewrite ^/l/(.*)$ /uri/$1 last; } \
         location /v/ { set $up http://app; proxy_pass $up; } location /vu/ { set $up app; proxy_pass http://$up/z$uri; } \
         location /vq/ { proxy_pass http://app?$args; } location /vn/ { proxy_pass http://$arg_h; } \
         location /err/ { error_page 404 = @back; return 404; } location @back { proxy_pass http://app; }",
        &[
            ("/a%41//b?q", "pass GET /a%41//b?q"),
            ("/uri/a%41%20b?q", "pass GET /x/aA%20b?q"),
            ("/uri/a\"b", "pass GET /x/a\"b"),
            ("/b/a%20?q=%20", "pass GET /c/a%20?q=%20"),
            ("/b/a\"b", "pass GET /c/a%22b"),
            ("/bu/a", "pass GET /c/a"),
            ("/l/a?q", "pass GET /x/a?q"),
            ("/v/%41?q", "pass GET /v/%41?q"),
            ("/vu/a%20%0d%0aX", "pass GET /z/vu/a%20%0D%0AX"),
            ("/vq/?a=b", "pass GET /?a=b"),
            ("/vn/?h=127.0.0.1:81", "pass GET /vn/?h=127.0.0.1:81"),
            ("/vn/?h=[::1]", "pass GET /vn/?h=[::1]"),
            ("/vn/?h=nowhere", "page 502"),
            ("/vn/", "page 500"),
            ("POST /err/%41?q", "pass POST /err/%41?q"),
        ],
    );
}

#[test]
fn maps_are_cached_and_capture() {
    let http = "map $arg_q $m { default d; ~^(.)x m$1; \"\" empty; AbC abc; ~*^y(?<rest>.*) $rest; \\default literal; } \
                map $host $h { hostnames; default 0; *.example.org below; example.* $m; } \
                map $a $b { default $c; } map $b $c { default x; } map $uri $a { default 1; } \
                map $c $cycle1 { default $cycle2; } map $c $cycle2 { default [$cycle1]; }";
    hold(
        http,
        "location / { return 200 $m; } location ~ ^/catch/(.*)$ { return 200 $1$m$1; } location /host { return 200 $h; } \
         location /set { set $m own; return 200 $m; } location /chain { return 200 $b; } \
         location /cycle { return 200 $cycle1; } \
         location /kept { set $args q=zx; set $x $m; set $args q=abc; return 200 $x$m; }",
        &[
            ("/?q=zx", "text 200 mz"),
            ("/?q=aBC", "text 200 abc"),
            ("/", "text 200 empty"),
            ("/?q=other", "text 200 d"),
            ("/?q=Yes", "text 200 es"),
            ("/?q=default", "text 200 literal"),
            // as in nginx: all of the text sees what the map caught
            ("/catch/foo?q=bx", "text 200 bmbb"),
            ("/host?q=abc", "text 200 abc"),
            ("/set?q=abc", "text 200 own"),
            ("/chain", "text 200 x"),
            ("/cycle", "text 200 []"),
            ("/kept", "text 200 mzmz"),
        ],
    );
}

#[test]
fn large_bodies_are_refused_first() {
    let file = Path::new("nginx.conf");
    let text = "events {} http { server { client_max_body_size 5; location / { return 200 ok; } } }";
    let tree = lab_nginx_conf::parse(text, file).unwrap();
    let config = config::read(&tree, file, ConfigPaths { prefix: Path::new(""), error_log: None }).unwrap();
    for (length, expected) in [("5", "Text"), ("6", "Page(413)")] {
        let mut head = RequestHead::new("POST", "/", Version::Http11);
        head.headers.push("Host", "a");
        head.headers.push("Content-Length", length);
        let request = Request::validate(&head, true).unwrap();
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        let connection = ClientConnection::new(1, Some(address), Address::Internet(address));
        let server = &config.servers[0];
        let mut route = Route::new(Some(&request), &server.outside, VariableValues::new(&config.variables));
        let outcome = RequestOutcome::default();
        let phases = Phases {
            config: &config,
            server,
            connection: &connection,
            request: &request,
            outcome: &outcome,
            files: &FILES,
        };
        let action = format!("{:?}", phases.begin(&mut route));
        assert!(action.starts_with(expected), "{length}: {action}");
    }
}
