//! Reads an nginx.conf with its includes for `lab lint`. What is not on this machine is a finding, and the rest is linted.

use std::io;
use std::path::{Path, PathBuf};

use lab_nginx_conf::{
    ConfError, ConfErrorKind, Directive, SourceFile, is_other_protocol, load_nearby, package_file, parse, read_source,
    walk,
};

use super::finding::{Finding, SourceLocation};
use super::rule::{Rule, Severity};

pub(super) const INCLUDE_NOT_READ: Rule = Rule {
    name: "include-not-read",
    severity: Severity::Advice,
    why: "lab does not know what the file sets, so rules about missing settings are left out",
    source: "nginx, include: relative paths start at the folder of nginx.conf",
};

pub(super) const FILE_NOT_READ: Rule = Rule {
    name: "file-not-read",
    severity: Severity::Error,
    why: "nginx, gunicorn or Python refuses the file as well",
    source: "nginx, Configuration File's Structure; The Python Language Reference",
};

pub(super) const TEMPLATE_NOT_READ: Rule = Rule {
    name: "template-not-read",
    severity: Severity::Advice,
    why: "nginx reads what another program makes of the template, and lab does not run that program",
    source: "Jinja, Template Designer Documentation: {{ … }} and {% … %}",
};

pub(super) const RULES: &[&Rule] = &[&INCLUDE_NOT_READ, &FILE_NOT_READ, &TEMPLATE_NOT_READ];

/// What opens a value or a statement in templates of Jinja, Go, Mustache and ERB.
const TEMPLATE_MARKS: [&str; 3] = ["{{", "{%", "<%"];

/// Files of nginx's packages that no rule depends on.
const FILES_WITHOUT_RULES: [&str; 5] = ["fastcgi_params", "fastcgi.conf", "scgi_params", "koi-win", "koi-utf"];

/// Rules about settings that an unread file may have.
const RULES_ABOUT_ABSENCE: [&str; 9] = [
    "forwarded-for-unset",
    "forwarded-proto-unset",
    "forwarded-field-passed-on",
    "host-unset",
    "default-root",
    "keepalive-unused",
    "keepalive-by-default",
    "tls-versions-by-default",
    "upgrade-incomplete",
];

/// A configuration as far as it can be read.
#[derive(Debug)]
pub struct Configuration {
    pub tree: Vec<Directive>,
    pub sources: Vec<SourceFile>,
    /// What could not be read.
    pub unread: Vec<Finding>,
}

impl Configuration {
    /// Whether a rule can be judged although files are missing.
    #[must_use]
    pub fn can_judge(&self, rule: &str) -> bool {
        self.unread.is_empty() || !RULES_ABOUT_ABSENCE.contains(&rule)
    }
}

/// Reads a file and its includes, which are looked for as by [`load_nearby`]; files that packages install are known by name.
///
/// # Errors
/// The file itself cannot be opened, or includes itself.
pub fn read_configuration(file: &Path) -> Result<Configuration, ConfError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut missing: Vec<(PathBuf, String)> = Vec::new();
    let mut malformed: Vec<(Finding, SourceFile)> = Vec::new();
    let mut is_first = true;
    let mut loaded = load_nearby(file, folder, &mut |path| {
        let read = if std::mem::take(&mut is_first) { read_source(path) } else { read_include(path) };
        let source = match read {
            Ok(source) => source,
            Err(error) if path == file => return Err(error),
            Err(error) => {
                missing.push((path.to_owned(), error.to_string()));
                SourceFile { file: path.to_owned(), text: String::new() }
            }
        };
        match parse(&source.text, &source.file) {
            Ok(_) => Ok(source),
            Err(error) => {
                let empty = SourceFile { file: source.file.clone(), text: String::new() };
                malformed.push((malformed_file(&error, &source.text), source));
                Ok(empty)
            }
        }
    })?;
    loaded.tree.retain(|directive| !is_other_protocol(directive));
    let located = missing.into_iter().map(|(path, reason)| {
        let location = include_location(&loaded.sources, folder, &path).unwrap_or_else(|| start_of(file));
        let message = format!("{} cannot be read here: {reason}", path.display());
        Finding::new(&INCLUDE_NOT_READ, location, message, "run lab lint on the server, or with the file in its place")
    });
    let mut unread: Vec<Finding> = located.collect();
    for (finding, source) in malformed {
        unread.push(finding);
        // The finding shows a line of it.
        loaded
            .sources
            .iter_mut()
            .filter(|read| read.file == source.file)
            .for_each(|read| read.text.clone_from(&source.text));
    }
    Ok(Configuration { tree: loaded.tree, sources: loaded.sources, unread })
}

fn read_include(path: &Path) -> io::Result<SourceFile> {
    read_source(path).or_else(|error| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let text = match package_file(path) {
            Some(installed) => installed.text,
            None if FILES_WITHOUT_RULES.contains(&name) => "",
            None => return Err(error),
        };
        Ok(SourceFile { file: path.to_owned(), text: text.to_owned() })
    })
}

/// The `include` that names a path.
fn include_location(sources: &[SourceFile], folder: &Path, path: &Path) -> Option<SourceLocation> {
    sources.iter().find_map(|source| {
        let tree = parse(&source.text, &source.file).ok()?;
        let include = walk(&tree).find(|directive| {
            directive.name == "include" && directive.arg(0).is_some_and(|named| folder.join(named) == path)
        })?;
        Some(SourceLocation { file: source.file.clone(), line: include.line, span: include.span.clone() })
    })
}

fn malformed_file(error: &ConfError, text: &str) -> Finding {
    let template = text.lines().position(|line| TEMPLATE_MARKS.iter().any(|mark| line.contains(mark)));
    if let Some(index) = template {
        let (location, message) = (line_location(&error.file, index + 1, text), "this file is a template");
        return Finding::new(&TEMPLATE_NOT_READ, location, message, "run lab lint on the file that is made of it");
    }
    let line = error.line.unwrap_or(1);
    let message = match &error.kind {
        ConfErrorKind::Unreadable { source, .. } => source.to_string(),
        kind => kind.to_string(),
    };
    Finding::new(&FILE_NOT_READ, line_location(&error.file, line, text), message, "correct the line")
}

/// A Python file that Python cannot parse. `message` starts with the file and the line.
#[must_use]
pub fn python_not_read(file: &Path, message: &str, text: &str) -> Finding {
    let rest = message.strip_prefix(&format!("{}:", file.display())).unwrap_or(message);
    let (line, reason) = match rest.split_once(": ") {
        Some((line, reason)) if line.parse::<usize>().is_ok() => (line.parse().unwrap_or(1), reason),
        _ => (1, rest),
    };
    Finding::new(&FILE_NOT_READ, line_location(file, line, text), reason, "correct the line")
}

/// A whole line of a text, without the blanks around it.
fn line_location(file: &Path, line: usize, text: &str) -> SourceLocation {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let content = text[start..].lines().next().unwrap_or_default();
    let start = start + (content.len() - content.trim_start().len());
    SourceLocation { file: file.to_owned(), line, span: start..start + content.trim().len() }
}

fn start_of(file: &Path) -> SourceLocation {
    SourceLocation { file: file.to_owned(), line: 1, span: 0..0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_of(files: &[(&str, &str)]) -> Vec<(String, usize)> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let read = read_configuration(&folder.path().join(files[0].0)).unwrap();
        read.unread.iter().map(|finding| (finding.rule.to_owned(), finding.location.line)).collect()
    }

    #[test]
    fn unread_includes_are_findings() {
        let conf = "http {\n    include mime.types;\n    include own.conf;\n    include gone.conf;\n}\n";
        assert_eq!(rules_of(&[("site", conf), ("own.conf", "gzip on;\n")]), [("include-not-read".to_owned(), 4)]);
    }

    #[test]
    fn templates_are_no_faults() {
        let jinja = "server {\n    listen 80;\n    server_name {{ host }};\n}\n";
        assert_eq!(rules_of(&[("site", jinja)]), [("template-not-read".to_owned(), 3)]);
        let erb = "server {\n    <% if tls %>\n    listen 443\n}\n";
        assert_eq!(rules_of(&[("site", erb)]), [("template-not-read".to_owned(), 2)]);
    }

    #[test]
    fn other_protocols_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, "stream {\n  server { listen 5432; proxy_pass db:5432; }\n}\nhttp { }\n").unwrap();
        let read = read_configuration(&file).unwrap();
        assert_eq!(read.tree.iter().map(|directive| directive.name.as_str()).collect::<Vec<_>>(), ["http"]);
    }

    #[test]
    fn malformed_files_are_findings() {
        assert_eq!(rules_of(&[("site", "server {\n  listen 80\n}\n")]), [("file-not-read".to_owned(), 3)]);
        let files = [("site", "server { include own.conf; }"), ("own.conf", "a;\n\nlisten 80 }\n")];
        assert_eq!(rules_of(&files), [("file-not-read".to_owned(), 3)]);
    }
}
