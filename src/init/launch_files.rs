//! Files that start an app server: Procfile, systemd unit, Dockerfile, shell script.

use super::command_line::{self, CommandLine};

/// A server that a file starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) command: CommandLine,
    /// Counted from 1.
    pub(super) line: usize,
    /// Variables that the file sets.
    pub(super) variables: Vec<(String, String)>,
}

/// The server of a Procfile: `web: gunicorn app:app`.
pub(super) fn procfile(text: &str) -> Option<Launch> {
    first(text, |line| line.split_once(':').filter(|(name, _)| name.trim() == "web").map(|(_, command)| command))
}

/// The server of a systemd unit.
pub(super) fn unit(text: &str) -> Option<Launch> {
    let mut launch = first(text, |line| {
        line.trim().strip_prefix("ExecStart=").map(|command| command.trim_start_matches(['-', '@', ':', '+', '!']))
    })?;
    for line in text.lines().map(str::trim) {
        let Some(assignments) = line.strip_prefix("Environment=") else { continue };
        let pairs = command_line::words(assignments).into_iter();
        launch.variables.extend(
            pairs.filter_map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))),
        );
    }
    // The folder of a PATH of this machine's is not one of the project.
    launch.variables.retain(|(name, _)| name != "PATH");
    Some(launch)
}

/// The server of a Dockerfile: the last `CMD` or `ENTRYPOINT` that starts one.
pub(super) fn dockerfile(text: &str) -> Option<Launch> {
    let lines = joined(text);
    let command = |line: &str| {
        let command = line.strip_prefix("CMD ").or_else(|| line.strip_prefix("ENTRYPOINT "))?.trim();
        match serde_json::from_str::<Vec<String>>(command) {
            Ok(words) => command_line::from_words(&words),
            Err(_) => command_line::parse(command),
        }
    };
    let (line, command) = lines.iter().rev().find_map(|(at, line)| Some((*at, command(line.trim())?)))?;
    Some(Launch { command, line, variables: Vec::new() })
}

/// The server of a shell script.
pub(super) fn script(text: &str) -> Option<Launch> {
    first(text, |line| Some(line).filter(|line| !line.trim_start().starts_with('#')))
}

fn first(text: &str, command: impl Fn(&str) -> Option<&str>) -> Option<Launch> {
    joined(text).iter().find_map(|(line, text)| {
        let command = command_line::parse(command(text)?)?;
        Some(Launch { command, line: *line, variables: Vec::new() })
    })
}

/// The lines of a text with those they continue in after a backslash, each with its number.
fn joined(text: &str) -> Vec<(usize, String)> {
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

    #[test]
    fn servers_are_found_where_they_are_started() {
        let found = procfile("release: python manage.py migrate\nweb: gunicorn site.wsgi --workers 2\n").unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (2, Some("site.wsgi")));
        let found = unit(
            "[Service]\nEnvironment=\"PATH=/srv/.venv/bin\" DJANGO_SETTINGS_MODULE=site.production\n\
             WorkingDirectory=/srv\nExecStart=/srv/.venv/bin/gunicorn \\\n    --workers 3 \\\n    site.wsgi:application\n",
        )
        .unwrap();
        assert_eq!((found.line, found.command.workers), (4, Some(3)));
        assert_eq!(found.command.app.as_deref(), Some("site.wsgi:application"));
        assert_eq!(found.variables, [("DJANGO_SETTINGS_MODULE".to_owned(), "site.production".to_owned())]);
        let found = dockerfile("FROM python\nCMD [\"gunicorn\", \"-b\", \":8000\", \"shop:app\"]\n").unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (2, Some("shop:app")));
        let found = script("#!/bin/sh\n# gunicorn old:app\nexec gunicorn shop:app\n").unwrap();
        assert_eq!((found.line, found.command.app.as_deref()), (3, Some("shop:app")));
    }
}
