//! Files that start an app server: Procfile, systemd unit, supervisor's configuration, Dockerfile, shell script, uwsgi.ini.

use std::path::PathBuf;

use super::command_line::{self, CommandLine};
use super::variables;
use crate::lint::ServerAddress;

/// A server that a file starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) command: CommandLine,
    /// Counted from 1.
    pub(super) line: usize,
    /// Variables that the file sets.
    pub(super) variables: Vec<(String, String)>,
    /// Files of more variables, as written.
    pub(super) env_files: Vec<PathBuf>,
    /// The command that prepares a release, such as migrations.
    pub(super) release: Option<String>,
    /// The folder of the file, or the one that the image is built from.
    pub(super) home: PathBuf,
    /// The names by which other services of the compose file reach it.
    pub(super) hosts: Vec<String>,
}

impl Launch {
    /// Whether a connection to this address reaches the server.
    pub(super) fn is_reached_by(&self, address: &ServerAddress) -> bool {
        let is_this_machine = |host: &str| host == "localhost" || host.starts_with("127.");
        match address {
            // Each service of a compose file has its own names.
            ServerAddress::Tcp { host, .. } if !self.hosts.is_empty() && !is_this_machine(host) => {
                self.hosts.contains(host)
            }
            address => self.command.bound.iter().any(|bound| address.reaches(bound)),
        }
    }
}

/// Variables that are about the machine or the image, and not about the application.
const OF_THE_MACHINE: [&str; 8] =
    ["DEBIAN_FRONTEND", "HOME", "LANG", "LC_ALL", "PATH", "PORT", "VIRTUAL_ENV", "WORKDIR"];
/// Beginnings of such names.
const PREFIXES_OF_THE_MACHINE: [&str; 4] = ["PIP_", "POETRY_", "PYTHON", "UV_"];

/// Settings of uWSGI that change how requests are served, except those that [`CommandLine`] has. Sockets, users, files and logs
/// are lab's in a run.
const UWSGI_VALUES: [&str; 10] = [
    "buffer-size",
    "cheaper",
    "harakiri",
    "max-requests",
    "max-worker-lifetime",
    "offload-threads",
    "post-buffering",
    "reload-on-rss",
    "socket-timeout",
    "worker-reload-mercy",
];
/// Those without a value.
const UWSGI_FLAGS: [&str; 5] = ["enable-threads", "ignore-sigpipe", "lazy-apps", "single-interpreter", "thunder-lock"];

/// The server of a Procfile: `web: gunicorn app:app`.
pub(super) fn procfile(text: &str) -> Option<Launch> {
    let process = |line: &str, sort: &str| {
        line.split_once(':').filter(|(name, _)| name.trim() == sort).map(|(_, command)| command.trim().to_owned())
    };
    let mut launch = first(text, |line| process(line, "web"))?;
    launch.release = text.lines().find_map(|line| process(line, "release"));
    Some(launch)
}

/// The server of a systemd unit.
pub(super) fn unit(text: &str) -> Option<Launch> {
    let start = |line: &str| {
        line.trim()
            .strip_prefix("ExecStart=")
            .map(|command| command.trim_start_matches(['-', '@', ':', '+', '!']).to_owned())
    };
    let mut launch = first(text, start)?;
    for line in text.lines().map(str::trim) {
        if let Some(assignments) = line.strip_prefix("Environment=") {
            launch.variables.extend(pairs(command_line::words(assignments)));
        } else if let Some(file) = line.strip_prefix("EnvironmentFile=") {
            // With a dash, it may be missing.
            launch.env_files.push(file.trim_start_matches('-').into());
        }
    }
    launch.variables.retain(|(name, _)| is_of_application(name));
    Some(launch)
}

/// The server of a configuration of supervisor.
pub(super) fn supervisor(text: &str) -> Option<Launch> {
    if !text.contains("[program:") {
        return None;
    }
    let value = |line: &str, key: &str| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    };
    let mut launch = first(text, |line| value(line, "command"))?;
    // The lines of the same program.
    let before: Vec<&str> = text.lines().take(launch.line).collect();
    let start = before.iter().rposition(|line| line.starts_with('[')).unwrap_or(0);
    let section = text.lines().skip(start + 1).take_while(|line| !line.starts_with('['));
    let variables = section.filter_map(|line| value(line, "environment")).collect::<Vec<_>>().join(",");
    launch.variables = pairs(split_at_commas(&variables));
    launch.variables.retain(|(name, _)| is_of_application(name));
    Some(launch)
}

/// The server of a Dockerfile: that of the last `ENTRYPOINT` with the arguments of the last `CMD`, or the last of either that
/// starts one.
pub(super) fn dockerfile(text: &str) -> Option<Launch> {
    let lines = joined(text);
    let command = |line: &str| command_line::from_words(&start_words(line.trim())?);
    let together = with_arguments(&lines).and_then(|(at, words)| Some((at, command_line::from_words(&words)?)));
    let (line, command) = together.or_else(|| lines.iter().rev().find_map(|(at, line)| Some((*at, command(line)?))))?;
    Some(Launch { command, line, variables: image_variables(text), ..Launch::default() })
}

/// The words of the last `ENTRYPOINT` that is a list, followed by those of the last `CMD`, with the line of the former.
fn with_arguments(lines: &[(usize, String)]) -> Option<(usize, Vec<String>)> {
    let last = |instruction: &str| {
        lines.iter().rev().find_map(|(at, line)| Some((*at, line.trim().strip_prefix(instruction)?.trim())))
    };
    let (at, entrypoint) = last("ENTRYPOINT ")?;
    let (_, arguments) = last("CMD ")?;
    let mut words: Vec<String> = serde_json::from_str(entrypoint).ok()?;
    words.extend(serde_json::from_str::<Vec<String>>(arguments).ok()?);
    Some((at, words))
}

/// The names of the scripts that a Dockerfile runs at the start, the last first.
pub(super) fn dockerfile_scripts(text: &str) -> Vec<String> {
    let script = |words: &[String]| words.first().map(|word| word.rsplit('/').next().unwrap_or(word).to_owned());
    let lines = joined(text);
    lines.iter().rev().filter_map(|(_, line)| script(&start_words(line.trim())?)).collect()
}

/// The variables of the application that an image of this Dockerfile has, without those whose values only a build knows.
pub(super) fn image_variables(text: &str) -> Vec<(String, String)> {
    let mut found = environment(text);
    found.retain(|(name, value)| !value.contains('$') && is_of_application(name));
    found
}

/// All variables that an image of this Dockerfile has, as written.
pub(super) fn environment(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (_, line) in joined(text) {
        let Some(rest) = line.trim().strip_prefix("ENV ") else { continue };
        let words = command_line::words(rest);
        match words.as_slice() {
            // The old form has one variable, without an equals sign.
            [name, value @ ..] if !name.contains('=') => found.push((name.clone(), value.join(" "))),
            _ => found.extend(pairs(words.clone())),
        }
    }
    found
}

/// The image that the last stage of a Dockerfile starts from.
pub(super) fn base_image(text: &str) -> Option<String> {
    let from = text.lines().rev().find_map(|line| line.trim().strip_prefix("FROM "))?;
    from.split_whitespace().find(|word| !word.starts_with("--")).map(str::to_owned)
}

/// The server of a shell script.
pub(super) fn script(text: &str) -> Option<Launch> {
    let mut launch = first(text, |line| Some(line.to_owned()).filter(|line| !line.trim_start().starts_with('#')))?;
    let before = joined(text).into_iter().take_while(|(line, _)| *line < launch.line);
    for (_, line) in before {
        let words = command_line::words(&line);
        match words.first().map(String::as_str) {
            Some("export") => {
                let known = words[1..].iter().filter(|word| has_value(word)).cloned().collect();
                let own = pairs(known).into_iter().filter(|(name, _)| is_of_application(name));
                launch.variables = variables::overridden(launch.variables, own.collect());
            }
            Some("." | "source") => {
                let named = words.get(1).filter(|file| file.contains("env") && !file.ends_with("activate"));
                launch.env_files.extend(named.map(PathBuf::from));
            }
            _ => {}
        }
    }
    // A word alone may be anything.
    Some(launch).filter(|launch| launch.command.app.is_some() || launch.command.config.is_some())
}

/// Whether the value of an assignment is known without a shell: it is a literal, or `${NAME:-default}`.
fn has_value(assignment: &str) -> bool {
    let expansions = assignment.split('$').skip(1);
    let has_default = |rest: &str| {
        rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).is_some_and(|(inner, _)| inner.contains(":-"))
    };
    !assignment.contains('`') && expansions.into_iter().all(has_default)
}

/// The application of uWSGI's configuration.
pub(super) fn uwsgi(text: &str) -> Option<Launch> {
    let section = text.lines().position(|line| line.trim() == "[uwsgi]")?;
    let mut command = CommandLine { kind: "uwsgi", ..CommandLine::default() };
    let (mut module, mut callable) = (None, None);
    for line in text.lines().skip(section + 1).take_while(|line| !line.trim_start().starts_with('[')) {
        let Some((key, value)) = line.split_once('=').filter(|_| !line.trim_start().starts_with(['#', ';'])) else {
            continue;
        };
        let value = value.trim();
        match key.trim() {
            "module" | "wsgi" => module = Some(value.to_owned()),
            "wsgi-file" | "file" => module = value.strip_suffix(".py").map(|path| path.replace('/', ".")),
            "callable" => callable = Some(value.to_owned()),
            "processes" | "workers" => command.workers = value.parse().ok(),
            "threads" => command.threads = value.parse().ok(),
            "chdir" => command.working_folder = Some(value.into()),
            "socket" | "http-socket" => command.bound.extend(command_line::socket_address(value)),
            "pythonpath" => command.import_folder = Some(value.into()),
            "env" => command.variables.extend(pairs(vec![value.to_owned()])),
            key if UWSGI_VALUES.contains(&key) => command.arguments.extend([format!("--{key}"), value.to_owned()]),
            key if UWSGI_FLAGS.contains(&key) && ["true", "1"].contains(&value) => {
                command.arguments.push(format!("--{key}"));
            }
            _ => {}
        }
    }
    let module = module?;
    command.app = Some(match (callable, module.contains(':')) {
        (Some(callable), false) => format!("{module}:{callable}"),
        _ => module,
    });
    Some(Launch { command, line: section + 1, ..Launch::default() })
}

/// The words with which a container starts, by a line of a Dockerfile.
fn start_words(line: &str) -> Option<Vec<String>> {
    let command = line.strip_prefix("CMD ").or_else(|| line.strip_prefix("ENTRYPOINT "))?.trim();
    Some(serde_json::from_str(command).unwrap_or_else(|_| command_line::words(command)))
}

fn first(text: &str, command: impl Fn(&str) -> Option<String>) -> Option<Launch> {
    joined(text).iter().find_map(|(line, text)| {
        let command = command_line::parse(&command(text)?)?;
        Some(Launch { command, line: *line, ..Launch::default() })
    })
}

/// The words of the form `NAME=value`.
fn pairs(words: Vec<String>) -> Vec<(String, String)> {
    let pair = |word: String| word.split_once('=').map(|(name, value)| (name.trim().to_owned(), value.to_owned()));
    words.into_iter().filter_map(pair).collect()
}

/// `A="x, y",B=z` as words, without the quotes.
fn split_at_commas(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ',') => words.push(String::new()),
            (_, c) => words.last_mut().expect("there is always one").push(c),
        }
    }
    words.iter().map(|word| word.trim().to_owned()).collect()
}

/// Whether a variable is about the application, as opposed to the machine or the image.
pub(super) fn is_of_application(name: &str) -> bool {
    !OF_THE_MACHINE.contains(&name) && !PREFIXES_OF_THE_MACHINE.iter().any(|prefix| name.starts_with(prefix))
}

/// The lines of a text with those they continue in after a backslash, each with its number.
pub(super) fn joined(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut continues = false;
    for (index, line) in text.lines().enumerate() {
        let part = line.strip_suffix('\\').unwrap_or(line);
        match lines.last_mut().filter(|_| continues) {
            Some((_, last)) => {
                last.push(' ');
                last.push_str(part.trim_start());
            }
            None => lines.push((index + 1, part.to_owned())),
        }
        continues = line.ends_with('\\');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn servers_are_found_where_they_are_started() {
        let found = procfile("release: python manage.py migrate\nweb: gunicorn site.wsgi --workers 2\n").unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (2, Some("site.wsgi")));
        assert_eq!(found.release.as_deref(), Some("python manage.py migrate"));
        let found = unit(
            "[Service]\nEnvironment=\"PATH=/srv/.venv/bin\" DJANGO_SETTINGS_MODULE=site.production\n\
             EnvironmentFile=-/etc/site.env\nWorkingDirectory=/srv\nExecStart=/srv/.venv/bin/gunicorn \\\n    --workers 3 \\\n    site.wsgi:application\n",
        )
        .unwrap();
        assert_eq!((found.line, found.command.workers), (5, Some(3)));
        assert_eq!(found.command.app.as_deref(), Some("site.wsgi:application"));
        assert_eq!(found.variables, owned(&[("DJANGO_SETTINGS_MODULE", "site.production")]));
        assert_eq!(found.env_files, [PathBuf::from("/etc/site.env")]);
        let found = script("#!/bin/sh\n# gunicorn old:app\npip install gunicorn\nexec gunicorn shop:app\n").unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (4, Some("shop:app")));
        assert_eq!(script("curl gunicorn\n"), None);
        let found = script(
            "export MODE=${MODE:-live} PORT=80\nexport HOST=$(hostname -f) A=1\nsource venv/bin/activate\n. ./deploy/live.env\n\
             export MODE='very live'\ngunicorn shop:app\nexport LATE=1\n",
        )
        .unwrap();
        assert_eq!(found.variables, owned(&[("A", "1"), ("MODE", "very live")]));
        assert_eq!(found.env_files, [PathBuf::from("./deploy/live.env")]);
    }

    #[test]
    fn images_have_variables_and_a_command() {
        let found = dockerfile(
            "FROM node AS assets\nFROM --platform=x python:3.12-slim\nENV PYTHONUNBUFFERED 1\nENV FLAVOUR=vanilla APP_HOME=/app \\\n    \
             HOME=$APP_HOME\nCMD [\"gunicorn\", \"-b\", \":8000\", \"shop:app\"]\n",
        )
        .unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (6, Some("shop:app")));
        assert_eq!(found.variables, owned(&[("FLAVOUR", "vanilla"), ("APP_HOME", "/app")]));
        let text = "FROM --platform=x postgres:16\nENTRYPOINT [\"./boot.sh\"]\nCMD [\"web\"]\n";
        assert_eq!(dockerfile_scripts(text), ["web", "boot.sh"]);
        assert_eq!(base_image(text).as_deref(), Some("postgres:16"));
    }

    #[test]
    fn arguments_of_an_entrypoint_are_read() {
        let text = "FROM python\nENTRYPOINT [\"gunicorn\"]\nCMD [\"-w\", \"4\", \"shop:app\"]\n";
        let found = dockerfile(text).unwrap();
        assert_eq!((found.line, found.command.workers), (2, Some(4)));
        assert_eq!(found.command.app.as_deref(), Some("shop:app"));
        let script = "FROM python\nENTRYPOINT [\"./boot.sh\"]\nCMD [\"gunicorn\", \"shop:app\"]\n";
        assert_eq!(dockerfile(script).unwrap().command.app.as_deref(), Some("shop:app"));
    }

    #[test]
    fn program_of_supervisor_is_read() {
        let text = "[program:worker]\ncommand=celery worker\nenvironment=A=no\n[program:web]\n\
                    environment = SECRET_KEY=\"a,b\", PATH=/x\ncommand=/srv/venv/bin/gunicorn -w 4 shop:app\n";
        let found = supervisor(text).unwrap();
        assert_eq!((found.line, found.command.workers), (6, Some(4)));
        assert_eq!(found.variables, owned(&[("SECRET_KEY", "a,b")]));
        assert_eq!(supervisor("command=gunicorn shop:app"), None);
    }

    #[test]
    fn application_of_uwsgi_is_read() {
        let found =
            uwsgi("[uwsgi]\n; module = old:app\nwsgi-file = shop/wsgi.py\ncallable = app\nprocesses = 5\n").unwrap();
        assert_eq!((found.command.app.as_deref(), found.command.workers), (Some("shop.wsgi:app"), Some(5)));
        let text = "[uwsgi]\nmodule = a:b\nharakiri = 30\nenable-threads = true\nlazy-apps = false\nvacuum = true\nenv = MODE=live\n";
        let found = uwsgi(text).unwrap().command;
        assert_eq!(found.arguments, ["--harakiri", "30", "--enable-threads"]);
        assert_eq!(found.variables, owned(&[("MODE", "live")]));
        assert_eq!(uwsgi("[uwsgi]\nsocket = app.sock\n"), None);
    }
}
