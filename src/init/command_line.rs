//! The command line of an app server, as Procfiles, units and compose files have it.

use std::path::PathBuf;

use crate::lint::ServerAddress;

/// A server that a command line starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CommandLine {
    /// The kind of server: `gunicorn`.
    pub(super) kind: &'static str,
    /// The program, if it is no kind of lab's, and another takes its place.
    pub(super) replaced: Option<&'static str>,
    /// `module:callable`.
    pub(super) app: Option<String>,
    pub(super) config: Option<PathBuf>,
    /// The folder into which the server changes, and from which it imports.
    pub(super) working_folder: Option<PathBuf>,
    /// A folder from which it imports as well.
    pub(super) import_folder: Option<PathBuf>,
    pub(super) workers: Option<u16>,
    pub(super) threads: Option<u16>,
    pub(super) worker_class: Option<String>,
    pub(super) is_factory: bool,
    /// Whether it restarts when a file changes, as while one develops.
    pub(super) reloads: bool,
    /// Options that change how requests are served, as written.
    pub(super) arguments: Vec<String>,
    /// Variables of the application.
    pub(super) variables: Vec<(String, String)>,
    /// Files of more variables.
    pub(super) env_files: Vec<PathBuf>,
    /// The addresses on which it listens, as far as the command line has them.
    pub(super) bound: Vec<ServerAddress>,
    /// The interface that the command line names, or that the server has.
    pub(super) is_asgi: bool,
}

/// Programs, each with its kind.
const PROGRAMS: [(&str, &str); 9] = [
    ("gunicorn", "gunicorn"),
    ("uvicorn", "uvicorn"),
    (FASTAPI, "uvicorn"),
    ("hypercorn", "hypercorn"),
    ("waitress-serve", "waitress"),
    ("granian", "granian"),
    ("uwsgi", "uwsgi"),
    ("cheroot", "cheroot"),
    (DAPHNE, "uvicorn"),
];

/// A server that is no kind of lab's. uvicorn runs the same applications.
const DAPHNE: &str = "daphne";

/// FastAPI's own command, which starts uvicorn and finds the application in a file.
const FASTAPI: &str = "fastapi";

/// Options of servers that change how requests are served, except those that [`CommandLine`] has. Addresses,
/// folders, users and logs are lab's in a run.
const KEPT_OPTIONS: [&str; 36] = [
    "--backpressure",
    "--blocking-threads",
    "--channel-timeout",
    "--connection-limit",
    "--forwarded-allow-ips",
    "--graceful-timeout",
    "--h11-max-incomplete-event-size",
    "--header",
    "--http",
    "--keep-alive",
    "--lifespan",
    "--limit-concurrency",
    "--limit-max-requests",
    "--limit-request-field_size",
    "--limit-request-fields",
    "--limit-request-line",
    "--loop",
    "--max-request-body-size",
    "--max-requests",
    "--max-requests-jitter",
    "--root-path",
    "--runtime-threads",
    "--timeout",
    "--timeout-graceful-shutdown",
    "--timeout-keep-alive",
    "--trusted-proxy",
    "--trusted-proxy-count",
    "--trusted-proxy-headers",
    "--url-path-prefix",
    "--url-prefix",
    "--url-scheme",
    "--worker-connections",
    "--ws",
    "--ws-max-size",
    "--ws-ping-interval",
    "--ws-ping-timeout",
];
/// Those without a value.
const KEPT_FLAGS: [&str; 6] = [
    "--clear-untrusted-proxy-headers",
    "--no-date-header",
    "--no-proxy-headers",
    "--no-server-header",
    "--preload",
    "--proxy-headers",
];

/// Options without a value that are left out; every other option takes the next word.
const FLAGS: [&str; 21] = [
    "--daemon",
    "-D",
    "--check-config",
    "--print-config",
    "--capture-output",
    "--enable-stdio-inheritance",
    "-R",
    "--no-sendfile",
    "--no-access-log",
    "--reuse-port",
    "--use-colors",
    "--no-use-colors",
    "--master",
    "--die-on-term",
    "--no-ws",
    "--no-control-socket",
    "--access-log",
    "--date-header",
    "--server-header",
    "--expose-tracebacks",
    "--log-untrusted-proxy-headers",
];

/// Shells, which may have a command line as the argument of `-c`.
const SHELLS: [&str; 4] = ["sh", "bash", "ash", "dash"];

/// Words after which a program is named, and not started: `pip install gunicorn`, `systemctl restart gunicorn`.
const NAMING_WORDS: [&str; 9] =
    ["apt-get", "echo", "install", "killall", "pkill", "service", "supervisorctl", "systemctl", "which"];

/// Reads the first server in a command line, which may stand behind `exec`, an environment or other commands.
pub(super) fn parse(line: &str) -> Option<CommandLine> {
    from_words(&words(line))
}

pub(super) fn from_words(words: &[String]) -> Option<CommandLine> {
    if let Some(line) = line_for_shell(words) {
        return parse(line);
    }
    let (at, program, kind) = words.iter().enumerate().find_map(|(at, word)| {
        let program = program_name(word);
        let (_, kind) = PROGRAMS.iter().find(|(name, _)| *name == program)?;
        Some((at, program, *kind))
    })?;
    // The words of this command, without those before a `&&`.
    let start = words[..at].iter().rposition(|word| is_separator(word)).map_or(0, |separator| separator + 1);
    if words[start..at].iter().any(|word| NAMING_WORDS.contains(&program_name(word))) {
        return from_words(&words[at + 1..]);
    }
    let mut found = CommandLine { kind, is_asgi: kind == "uvicorn", ..CommandLine::default() };
    let is_daphne = program == DAPHNE;
    found.replaced = is_daphne.then_some(DAPHNE);
    let (mut host, mut port) = (None, None);
    let mut rest = words[at + 1..].iter().map(String::as_str);
    while let Some(word) = rest.next() {
        if is_separator(word) {
            break;
        }
        let (option, inline) = match word.split_once('=') {
            Some((option, value)) if word.starts_with("--") => (option, Some(value.to_owned())),
            _ => (word, None),
        };
        if !option.starts_with('-') {
            if program == FASTAPI {
                // A subcommand, and a file rather than an application.
                continue;
            }
            // gunicorn takes the last one, and all others have only one.
            found.app = Some(word.to_owned()).filter(|app| is_app(app)).or(found.app.take());
            continue;
        }
        match option {
            "--factory" | "--call" => {
                found.is_factory = true;
                continue;
            }
            "--reload" => {
                found.reloads = true;
                continue;
            }
            option if FLAGS.contains(&option) => continue,
            option if KEPT_FLAGS.contains(&option) => {
                found.arguments.push(option.to_owned());
                continue;
            }
            _ => {}
        }
        let value = inline.or_else(|| rest.next().map(str::to_owned)).unwrap_or_default();
        let option = if option == "-t" && kind == "gunicorn" { "--timeout" } else { option };
        match option {
            "--bind" | "--listen" => found.bound.extend(bound_address(&value)),
            "-b" if !is_daphne => found.bound.extend(bound_address(&value)),
            "-s" | "--socket" if kind == "uwsgi" => found.bound.extend(socket_address(&value)),
            "--uds" | "--unix-socket" => found.bound.push(ServerAddress::Unix(value)),
            "-u" if is_daphne => found.bound.push(ServerAddress::Unix(value)),
            "--host" => host = Some(value),
            "--port" => port = value.parse().ok(),
            "-p" if is_daphne => port = value.parse().ok(),
            // uvicorn has others.
            _ if is_daphne => {}
            option if KEPT_OPTIONS.contains(&option) => found.arguments.extend([option.to_owned(), value]),
            "-c" | "--config" | "--ini" => found.config = Some(configuration(&value)),
            "--chdir" => found.working_folder = Some(value.into()),
            "--app-dir" | "--pythonpath" | "--python-path" => found.import_folder = Some(value.into()),
            "-w" | "--workers" | "--processes" => found.workers = value.parse().ok(),
            "-p" if kind == "uwsgi" => found.workers = value.parse().ok(),
            "--threads" => found.threads = value.parse().ok(),
            "-k" | "--worker-class" => {
                found.is_asgi = value.contains("uvicorn") || value == "asgi";
                found.worker_class = Some(value);
            }
            "-e" | "--env" if kind == "gunicorn" => {
                let pair = value.split_once('=');
                found.variables.extend(pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            "--env-file" | "--env-files" => found.env_files.push(value.into()),
            "--interface" => found.is_asgi = value.starts_with("asgi"),
            "--module" | "--wsgi" => found.app = Some(value),
            _ => {}
        }
    }
    if let Some(port) = port {
        found.bound.push(ServerAddress::Tcp { host: host.unwrap_or_default(), port });
    }
    if found.is_factory {
        found.app = found.app.map(|app| if app.ends_with(')') { app } else { format!("{app}()") });
    }
    Some(found)
}

/// The address of an option such as `--bind`; `None` if it has no port.
pub(super) fn bound_address(text: &str) -> Option<ServerAddress> {
    let address = ServerAddress::parse(text, 0)?;
    (!matches!(address, ServerAddress::Tcp { port: 0, .. })).then_some(address)
}

/// The address of a socket of uWSGI, which writes a unix socket as its path.
pub(super) fn socket_address(text: &str) -> Option<ServerAddress> {
    if text.contains('/') { Some(ServerAddress::Unix(text.to_owned())) } else { bound_address(text) }
}

/// The file of a configuration, which gunicorn takes as a path or as a module.
fn configuration(value: &str) -> PathBuf {
    match value.strip_prefix("python:") {
        Some(module) => format!("{}.py", module.replace('.', "/")).into(),
        None => value.trim_start_matches("file:").into(),
    }
}

/// The command line in `sh -c LINE`.
fn line_for_shell(words: &[String]) -> Option<&str> {
    let at = words.iter().position(|word| SHELLS.contains(&program_name(word)))?;
    words.get(at + 1).filter(|option| option.starts_with('-') && option.ends_with('c'))?;
    words.get(at + 2).map(String::as_str)
}

fn program_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_separator(word: &str) -> bool {
    ["&&", "||", ";", "|", "&"].contains(&word)
}

fn is_app(word: &str) -> bool {
    let (module, callable) = word.split_once(':').unwrap_or((word, "application"));
    let is_name = |text: &str| {
        text.split('.').all(|part| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_'))
    };
    is_name(module) && is_name(callable.split('(').next().unwrap_or_default())
}

/// The words of a command line as a shell reads them, without expansions; the default of `${NAME:-default}` is taken.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, '\\') => word.get_or_insert_default().extend(rest.next().filter(|c| *c != '\n')),
            (_, '$') if rest.peek() == Some(&'{') => {
                let inner: String = rest.by_ref().skip(1).take_while(|c| *c != '}').collect();
                let default = inner.split_once(":-").map(|(_, default)| default);
                word.get_or_insert_default().push_str(default.unwrap_or_default());
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell_words;

    #[test]
    fn command_lines_of_servers_are_read() {
        let found = parse(
            "exec .venv/bin/gunicorn --bind=0.0.0.0:$PORT -w ${WEB_CONCURRENCY:-3} --preload -c conf/g.py 'shop:create_app(\"prod\")'",
        );
        let expected = CommandLine {
            kind: "gunicorn",
            app: Some("shop:create_app(\"prod\")".to_owned()),
            config: Some("conf/g.py".into()),
            workers: Some(3),
            arguments: vec!["--preload".to_owned()],
            ..CommandLine::default()
        };
        assert_eq!(found, Some(expected));
        let found =
            parse("python manage.py migrate && gunicorn site.wsgi --chdir backend --threads 4 -k gthread").unwrap();
        assert_eq!((found.app.as_deref(), found.working_folder), (Some("site.wsgi"), Some("backend".into())));
        assert_eq!((found.threads, found.worker_class.as_deref()), (Some(4), Some("gthread")));
        let found = parse("waitress-serve --port 80 --call shop:create_app").unwrap();
        assert_eq!((found.kind, found.app.as_deref()), ("waitress", Some("shop:create_app()")));
        assert!(parse("gunicorn -k uvicorn.workers.UvicornWorker main:app").unwrap().is_asgi);
        assert!(parse("uvicorn main:app --host 0.0.0.0").unwrap().is_asgi);
        let found =
            parse("uvicorn main:app --proxy-headers --forwarded-allow-ips='*' --port 80 --log-level info").unwrap();
        assert_eq!(found.arguments, ["--proxy-headers", "--forwarded-allow-ips", "*"]);
        let found = parse("fastapi run app/main.py --port 80 --workers 4").unwrap();
        assert_eq!((found.kind, found.app, found.workers, found.is_asgi), ("uvicorn", None, Some(4), true));
        assert_eq!(parse("celery -A shop worker"), None);
        let found = from_words(&["sh", "-ec", "./manage.py migrate && gunicorn shop.wsgi"].map(str::to_owned)).unwrap();
        assert_eq!(found.app.as_deref(), Some("shop.wsgi"));
        let found = parse("gunicorn -c python:shop.conf shop:app").unwrap();
        assert_eq!(found.config, Some("shop/conf.py".into()));
        let found = parse("gunicorn -e MODE=live --env 'DJANGO_SETTINGS_MODULE=a.b' shop:app").unwrap();
        let names: Vec<&str> = found.variables.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((names, found.variables[1].1.as_str()), (vec!["MODE", "DJANGO_SETTINGS_MODULE"], "a.b"));
        let found = parse("gunicorn -w 3 -p /run/g.pid -t 60 shop:app").unwrap();
        assert_eq!((found.workers, found.arguments), (Some(3), vec!["--timeout".to_owned(), "60".to_owned()]));
        let found = parse("daphne -b 0.0.0.0 -p 8001 --proxy-headers config.asgi:application").unwrap();
        assert_eq!((found.kind, found.replaced, found.workers), ("uvicorn", Some("daphne"), None));
        assert_eq!((found.app.as_deref(), found.is_asgi), (Some("config.asgi:application"), true));
        let found =
            parse("waitress-serve --listen=*:80 --trusted-proxy 127.0.0.1 --trusted-proxy-headers=x-forwarded-for a:b");
        assert_eq!(found.unwrap().arguments[..2], ["--trusted-proxy", "127.0.0.1"]);
        let found = parse("uvicorn main:app --env-file=deploy/live.env").unwrap();
        assert_eq!((found.app.as_deref(), found.env_files), (Some("main:app"), vec!["deploy/live.env".into()]));
        let bound = |line: &str| {
            let bound = parse(line).unwrap().bound;
            bound.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(bound("gunicorn -b 127.0.0.1:8000 --bind unix:/run/a.sock a:b"), "127.0.0.1:8000 unix:/run/a.sock");
        assert_eq!(bound("gunicorn --bind 0.0.0.0:$PORT a:b"), "");
        assert_eq!(bound("uvicorn a:b --host 0.0.0.0 --port 9000"), "0.0.0.0:9000");
        assert_eq!(bound("uvicorn a:b --uds /run/a.sock"), "unix:/run/a.sock");
        assert_eq!(bound("daphne -u /run/a.sock -b 0.0.0.0 -p 8001 a:b"), "unix:/run/a.sock :8001");
        assert_eq!(bound("uwsgi -s /run/a.sock --module a"), "unix:/run/a.sock");
        let found = parse("uvicorn main:app --app-dir src --reload").unwrap();
        assert_eq!((found.import_folder, found.reloads), (Some("src".into()), true));
    }

    #[test]
    fn servers_that_are_only_named_are_not_started() {
        assert_eq!(parse("pip install gunicorn flask"), None);
        assert_eq!(parse("sudo systemctl restart gunicorn nginx"), None);
        let found = parse("pip install gunicorn && gunicorn shop:app").unwrap();
        assert_eq!(found.app.as_deref(), Some("shop:app"));
    }

    #[test]
    fn words_become_the_same_line() {
        for line in ["python -m shop.migrate", "sh -c 'alembic upgrade head && ./seed'", "echo 'it'\\''s' ''"] {
            assert_eq!(shell_words::joined(&words(line)), line);
        }
    }
}
