//! `lab init`: from the files of a site, as people have them, to checks that pass, without an edit.

use std::fs;
use std::path::Path;
use std::process::Command;

use lab::exit::Exit;

use crate::support::{Project, replaced, requires};

/// A folder with a copy of a site, and nothing of lab's.
pub(super) fn site(name: &str) -> Project {
    let project = Project::empty().with_shared_cache();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/own/sites").join(name).join(".");
    let copied = Command::new("cp").arg("-r").arg(source).arg(project.path(".")).status();
    assert!(copied.unwrap().success());
    project
}

/// The files of a project with their contents, without what git, lab and the application write.
pub(super) fn files(project: &Project) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![project.path(".")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(project.path(".")).unwrap().display().to_string();
            let made = [".git", "lab.toml", "lab-nginx.conf", "reports", "db.sqlite3", "notes.sqlite3"];
            let is_made = made.contains(&name.as_str());
            if is_made || name.contains("__pycache__") {
                continue;
            }
            match path.is_dir() {
                true => open.push(path),
                false => found.push((name, fs::read(path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

#[track_caller]
fn init(project: &Project) -> (String, String) {
    let printed = project.expect(Exit::Ok, &["init", "--yes"]);
    (printed, fs::read_to_string(project.path("lab.toml")).unwrap())
}

/// Checks stacks that need no gateway of lab's, which takes minutes to build.
#[track_caller]
fn provision_and_check(project: &Project, stacks: &[&str], checks: usize) -> String {
    let only: Vec<&str> = stacks.iter().flat_map(|stack| ["--only", stack]).collect();
    project.expect(Exit::Ok, &[&["provision", "lab.toml"], &only[..]].concat());
    let checked = project.expect(Exit::Ok, &[&["check", "lab.toml"], &only[..]].concat());
    for stack in stacks {
        assert_has(&checked, &[&format!("{stack}  {checks} of {checks} checks passed")]);
    }
    checked
}

#[track_caller]
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn flask_site_is_checked_without_an_edit() {
    requires!(Python, Nginx);
    let project = site("flask");
    let before = files(&project);
    let (printed, scenario) = init(&project);
    assert_has(
        &printed,
        &[
            "nginx: deploy/nginx.conf",
            "gunicorn started by Procfile:1",
            "gunicorn's configuration: deploy/gunicorn.conf.py",
            "the application: shop:create_app() (shop/__init__.py:",
            "the application's packages: requirements.txt",
            "static files: ../shop/static/ (deploy/nginx.conf:46), such as /static/shop.css",
            "variables: .env",
            "wrote lab.toml",
        ],
    );
    assert_has(
        &scenario,
        &[
            "wsgi = \"shop:create_app()\"",
            "env_file = \".env\"",
            "kind = \"gunicorn\", config = \"deploy/gunicorn.conf.py\"",
            "name      = \"lab-proxy\"\nproxy     = { kind = \"lab\", config = \"deploy/nginx.conf\" }",
            "\"Strict-Transport-Security\" = \"max-age=31536000\"",
            "expect.headers = { Location = \"https://shop.example.org/a/page?of=lab\" }",
            "Cache-Control = { contains = \"max-age=604800\" }",
            "tls = true",
            "[[load]]\nname        = \"page\"",
        ],
    );
    let listed = project.expect(Exit::Ok, &["list"]);
    assert_has(
        &listed,
        &["lab.toml  ", ": the deployment and its twins", "  stacks  original, lab-proxy, lab-serve, lab"],
    );
    let explained = project.expect(Exit::Ok, &["explain", "lab.toml"]);
    assert_has(&explained, &["shop:create_app() (wsgi, in the scenario's folder, packages of requirements.txt)"]);
    let checked = provision_and_check(&project, &["original", "lab-proxy"], 5);
    assert_has(&checked, &["server gunicorn 23.0.0"]);
    assert_has(&checked, &["fullchain.pem is not here; runs have a certificate that lab makes"]);
    assert_eq!(files(&project), before, "no file of the site has changed");
}

#[test]
fn limit_of_the_page_leaves_the_load_out() {
    requires!(Python);
    let project = site("flask");
    let file = project.path("deploy/nginx.conf");
    let configuration = fs::read_to_string(&file).unwrap();
    fs::write(&file, replaced(&configuration, "location / {", "location / {\n            limit_req zone=login;"))
        .unwrap();
    let (_, scenario) = init(&project);
    assert_has(&scenario, &["deploy/nginx.conf:", "limits the requests of one client", "#     [[load]]"]);
    assert!(!scenario.contains("\n[[load]]"), "{scenario}");
}

#[test]
fn directives_that_the_twin_refuses_are_named() {
    requires!(Python);
    let project = site("flask");
    let file = project.path("deploy/nginx.conf");
    let configuration = fs::read_to_string(&file).unwrap();
    fs::write(&file, replaced(&configuration, "location / {", "location / {\n            random_index on;")).unwrap();
    let (_, scenario) = init(&project);
    assert_has(&scenario, &["# lab proxy, the twin of nginx, cannot run deploy/nginx.conf:\n#   deploy/nginx.conf:"]);
    assert_has(&scenario, &["nginx directive \"random_index\" is not supported"]);
}

/// `http2 on` is a directive since nginx 1.25.1, and the tests' nginx may be older.
#[test]
fn nginx_that_is_too_old_leaves_its_stacks_out() {
    requires!(Python, Nginx);
    let version = Command::new("nginx").arg("-v").output().unwrap().stderr;
    let version = String::from_utf8(version).unwrap();
    let is_old = ["/1.18.", "/1.20.", "/1.22.", "/1.24."].iter().any(|old| version.contains(old));
    let project = site("flask");
    let file = project.path("deploy/nginx.conf");
    let configuration = fs::read_to_string(&file).unwrap();
    fs::write(&file, replaced(&configuration, "location / {", "http2 on;\n        location / {")).unwrap();
    let (printed, scenario) = init(&project);
    assert_eq!(printed.contains("needs 1.25.1 or newer: its stacks cannot run here"), is_old, "{version}\n{printed}");
    assert_eq!(
        scenario.contains("needs 1.25.1 or newer\n# [[stack]]\n# name      = \"original\""),
        is_old,
        "{scenario}"
    );
    if is_old {
        let explained = project.expect(Exit::Ok, &["explain", "lab.toml"]);
        assert_has(&explained, &["lab-proxy"]);
        provision_and_check(&project, &["lab-proxy"], 5);
    }
}

#[test]
fn django_site_is_checked_without_an_edit() {
    requires!(Python, Nginx);
    let project = site("django");
    let before = files(&project);
    let (printed, scenario) = init(&project);
    assert_has(
        &printed,
        &[
            "nginx, one site's file: deploy/sites-enabled/library",
            "gunicorn started by deploy/library.service:9",
            "the application: library.wsgi:application (library/wsgi.py:6)",
            "wrote lab-nginx.conf",
            "before each start: python manage.py migrate --noinput",
        ],
    );
    assert_has(
        &scenario,
        &[
            "setup = \"python manage.py migrate --noinput\"",
            "env = { \"SECRET_KEY\" = \"from-the-unit\" }",
            "kind = \"gunicorn\", workers = 2",
            "\"X-Frame-Options\" = { present = true }",
            "/admin/login/",
            "[[load]]",
        ],
    );
    provision_and_check(&project, &["original", "lab-proxy"], 5);
    assert_eq!(files(&project), before, "no file of the site has changed");
}

#[test]
fn fastapi_site_is_checked_without_an_edit() {
    requires!(Python, Nginx);
    let project = site("fastapi");
    let before = files(&project);
    let (printed, scenario) = init(&project);
    assert_has(
        &printed,
        &[
            "nginx, one site's file: nginx/default.conf",
            "uvicorn started by compose.yaml:2",
            "the application: app.main:app (app/main.py:21)",
            "the application's packages: requirements.txt",
        ],
    );
    assert_has(
        &scenario,
        &[
            "asgi = \"app.main:app\"",
            "env = { \"SECRET_KEY\" = \"from-compose\" }",
            "server    = { kind = \"uvicorn\", workers = 2, arguments = [\"--proxy-headers\", \"--forwarded-allow-ips\", \"*\"] }",
            "expect.app     = { remote_addr = { not = \"203.0.113.9\" }",
            "tls         = { insecure = true, server_name = \"notes.example.org\" }",
        ],
    );
    assert!(!scenario.contains("kind = \"lab\", workers"), "lab serve hosts no ASGI application: {scenario}");
    let checked = provision_and_check(&project, &["original", "lab-proxy"], 4);
    assert_has(&checked, &["server uvicorn 0.34.0"]);
    assert_eq!(files(&project), before, "no file of the site has changed");
}

#[test]
fn asgi_application_without_a_command_gets_uvicorn() {
    requires!(Python);
    let project = site("fastapi");
    fs::remove_file(project.path("compose.yaml")).unwrap();
    let shown = project.expect(Exit::Ok, &["init", "--dry-run"]);
    assert_has(&shown, &["uvicorn with 2 workers is assumed", "server    = { kind = \"uvicorn\", workers = 2 }"]);
    let configured = project
        .with_file("gunicorn.conf.py", "worker_class = \"uvicorn_worker.UvicornWorker\"\nbind = \"127.0.0.1:8000\"\n");
    let shown = configured.expect(Exit::Ok, &["init", "--dry-run"]);
    assert_has(
        &shown,
        &["kind = \"gunicorn/uvicorn\"", "arguments = [\"--worker-class\", \"uvicorn_worker.UvicornWorker\"]"],
    );
}

/// The site's compose file with what it needs beside the server.
const COMPOSE: &str = r#"services:
  db:
    image: postgres:16
    environment:
      POSTGRES_USER: notes
      POSTGRES_PASSWORD: ${DB_PASSWORD}
  cache:
    image: redis:7-alpine
  search:
    image: getmeili/meilisearch:v1
  web:
    build: .
    command: uvicorn app.main:app --host 0.0.0.0 --port 8000
    environment:
      SECRET_KEY: from-compose
      DATABASE_URL: postgresql://notes:${DB_PASSWORD}@db/notes
      CACHE_HOST: cache
      SEARCH_URL: http://search:7700
  nginx:
    image: nginx:1.27
"#;

#[test]
fn services_of_a_compose_file_are_written() {
    requires!(Python);
    let project = site("fastapi").with_file("compose.yaml", COMPOSE).with_file(".env", "DB_PASSWORD=secret\n");
    let (printed, scenario) = init(&project);
    assert_has(
        &printed,
        &[
            "the service db: postgresql (compose.yaml:2)",
            "the service cache: redis (compose.yaml:7)",
            "how the service search (getmeili/meilisearch:v1, compose.yaml:9) is started here",
        ],
    );
    assert_has(
        &scenario,
        &[
            "env = { \"SECRET_KEY\" = \"from-compose\", \"SEARCH_URL\" = \"http://search:7700\" }",
            "[app.services.db]   # compose.yaml:2: postgres:16\nkind = \"postgresql\"\nthen = \"createuser ",
            "DATABASE_URL = \"postgresql://notes:secret@{host}:{port}/notes\", PGUSER = \"notes\"",
            "[app.services.cache]   # compose.yaml:7: redis:7-alpine\nkind = \"redis\"\n\
             env  = { CACHE_PORT = \"{port}\", CACHE_HOST = \"{host}\" }",
            "# [app.services.search]",
        ],
    );
    assert!(!scenario.contains("services.nginx"), "{scenario}");
    let explained = project.expect(Exit::Ok, &["explain", "lab.toml"]);
    assert_has(&explained, &["with the service db (postgresql)", "with the service cache (redis)"]);
}

#[test]
fn nothing_is_written_without_an_answer() {
    requires!(Python);
    let project = site("django");
    let shown = project.expect(Exit::Ok, &["init", "--dry-run"]);
    assert_has(&shown, &["--- lab.toml", "--- lab-nginx.conf", "[[stack]]"]);
    let unanswered = project.expect(Exit::Usage, &["init"]);
    assert_has(&unanswered, &["--yes writes lab-nginx.conf and lab.toml"]);
    assert!(!project.path("lab.toml").exists());
    project.write("lab.toml", "mine");
    let refused = project.expect(Exit::Usage, &["init", "--yes"]);
    assert_has(&refused, &["lab.toml exists", "--force replaces it"]);
    assert_eq!(fs::read_to_string(project.path("lab.toml")).unwrap(), "mine");
    project.expect(Exit::Ok, &["init", "--yes", "--force"]);
    assert!(fs::read_to_string(project.path("lab.toml")).unwrap().contains("library.wsgi:application"));
}

#[test]
fn named_files_come_first() {
    requires!(Python);
    let project = site("flask").with_file(
        "old/nginx.conf",
        "events { }\nhttp { server { listen 80; location / { proxy_pass http://unix:/run/shop/shop.sock; } } }\n",
    );
    let printed = project.expect(Exit::Ok, &["init", "--dry-run", "old/nginx.conf"]);
    assert_has(&printed, &["nginx: old/nginx.conf", "not used: deploy/nginx.conf"]);
    let missing = project.expect(Exit::Usage, &["init", "no/such.conf"]);
    assert_has(&missing, &["no such file: no/such.conf"]);
    let elsewhere = project.expect(Exit::Usage, &["init", "/etc/hostname"]);
    assert_has(&elsewhere, &["/etc/hostname is not in", "a scenario names files of its own folder"]);
}
