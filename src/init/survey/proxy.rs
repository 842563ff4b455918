//! Looks for the nginx configuration, and for the static files that it serves.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::deployment::Deployment;
use super::super::nginx::{self, Nginx};
use super::{MAX_DEPTH, MAX_FILES, text_of, within};

/// Endings of the names of configurations.
const ENDINGS: [&str; 4] = [".conf", ".nginx", ".vhost", "nginx"];
/// Folders whose files are configurations, whatever their names.
const FOLDERS: [&str; 5] = ["nginx", "sites-available", "sites-enabled", "vhosts", "conf.d"];
/// Endings of the names of files from which configurations are made.
const TEMPLATES: [&str; 6] = [".template", ".tmpl", ".tpl", ".j2", ".jinja", ".erb"];

/// The configuration that passes requests to an application, a whole one before one of a site. `named` files are used in any case.
pub(super) fn find(files: &[PathBuf], named: &[PathBuf], deployment: &mut Deployment) {
    let mut read: Vec<Nginx> = Vec::new();
    for file in files.iter().filter(|file| is_likely(file)) {
        let Some(text) = text_of(deployment, file).filter(|text| is_configuration(text)) else { continue };
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if TEMPLATES.iter().any(|ending| name.ends_with(ending)) {
            deployment.missing.push(format!(
                "the configuration that is made from the template {}; name it: lab init FILE",
                file.display()
            ));
            continue;
        }
        match nginx::read(&deployment.folder, file.clone(), &text) {
            Ok(nginx) if nginx.servers.is_empty() => {}
            Ok(mut nginx) => {
                // The file of a site is included by one in the deployment's folder.
                let parent = file.parent().filter(|_| nginx.is_whole);
                let home = parent.map_or(deployment.folder.clone(), |parent| deployment.folder.join(parent));
                for files in nginx.servers.iter_mut().flat_map(|server| &mut server.files) {
                    files.sample = sample(&home.join(&files.folder), &files.prefix);
                }
                read.push(nginx);
            }
            Err(error) => {
                let error = error.to_string().replace(&format!("{}/", deployment.folder.display()), "");
                deployment.missing.push(format!("an nginx configuration that cannot be read: {error}"));
            }
        }
    }
    let is_named = |file: &Path| named.iter().any(|named| named.ends_with(file) || file.ends_with(named));
    // A link in sites-enabled leads to a file in sites-available.
    read.sort_by_key(|nginx| {
        let is_available = within(&nginx.file, "sites-available");
        (!is_named(&nginx.file), !nginx.passes(), !nginx.is_whole, is_available)
    });
    let parts: Vec<PathBuf> =
        read.iter().filter(|nginx| nginx.is_whole).flat_map(|nginx| nginx.parts.clone()).collect();
    read.retain(|nginx| nginx.is_whole || !parts.contains(&nginx.file));
    let (used, idle): (Vec<Nginx>, Vec<Nginx>) =
        read.into_iter().partition(|nginx| nginx.passes() || is_named(&nginx.file));
    for nginx in idle {
        deployment.found.push(format!("not used: {}, which passes requests to no application", nginx.file.display()));
    }
    let mut used = used.into_iter();
    let Some(nginx) = used.next() else {
        deployment.missing.push("an nginx configuration (*.conf with a `server` block)".to_owned());
        return;
    };
    let what = if nginx.is_whole { "nginx" } else { "nginx, one site's file" };
    deployment.found.push(format!("{what}: {}", nginx.file.display()));
    let others: Vec<String> = used.map(|other| other.file.display().to_string()).collect();
    if !others.is_empty() {
        deployment.found.push(format!("not used: {}; name a file to use it instead", others.join(", ")));
    }
    for files in nginx.servers.iter().flat_map(|server| &server.files) {
        let (file, line, folder) = (nginx.file.display(), files.line, files.folder.display());
        match &files.sample {
            Some(sample) => {
                deployment.found.push(format!("static files: {folder} ({file}:{line}), such as {sample}"));
            }
            None => deployment.missing.push(format!("a static file in {folder} ({file}:{line})")),
        }
    }
    deployment.nginx = Some(nginx);
}

/// Whether a file may be a configuration, by its name: one of nginx's, or any without an ending.
fn is_likely(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let has_ending = ENDINGS.iter().chain(&TEMPLATES).any(|ending| name.ends_with(ending));
    has_ending || !name.contains('.') || FOLDERS.iter().any(|folder| within(file, folder))
}

/// Whether a text looks like a configuration of nginx: a server that listens, or an `http` block that includes one.
fn is_configuration(text: &str) -> bool {
    let has_word = |word: &str, rest: &[char]| {
        text.split_inclusive(['\n', ';', '{', '}'])
            .any(|part| part.trim_start().strip_prefix(word).is_some_and(|after| after.starts_with(rest)))
    };
    let has_server = has_word("server", &[' ', '{']) && has_word("listen", &[' ', '\t']);
    has_server || (has_word("http", &[' ', '{']) && has_word("include", &[' ', '\t']))
}

/// A file in `folder`, as a path for clients: a style sheet or a script rather than another.
fn sample(folder: &Path, prefix: &str) -> Option<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((folder, inside)) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_plain =
                name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.~".contains(c)) && !name.starts_with('.');
            let path = format!("{inside}{name}");
            match entry.file_type() {
                Ok(sort) if sort.is_dir() && is_plain && inside.matches('/').count() < MAX_DEPTH => {
                    open.push((entry.path(), format!("{path}/")));
                }
                Ok(sort) if sort.is_file() && is_plain && found.len() < MAX_FILES => found.push(path),
                _ => {}
            }
        }
    }
    found.sort_by_key(|path| (!path.ends_with(".css"), !path.ends_with(".js"), path.clone()));
    found.first().map(|path| format!("{}/{path}", prefix.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_told_by_their_text() {
        assert!(is_configuration("upstream a { server b; }\nserver {\n\tlisten\t80;\n}\n"));
        assert!(is_configuration("events { }\nhttp {\n    include conf.d/*.conf;\n}\n"));
        assert!(!is_configuration("# a server that should listen\nsudo nginx\n"));
        assert!(is_likely(Path::new("deploy/shop")) && is_likely(Path::new("nginx/sites/shop.example.org")));
        assert!(!is_likely(Path::new("docs/nginx.md")));
    }
}
