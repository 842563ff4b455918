//! Looks for the nginx configuration, and for the static files that it serves.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::deployment::Deployment;
use super::super::nginx::{self, Nginx};
use super::{MAX_DEPTH, MAX_FILES, text_of};

/// The configuration that passes requests to an application, a whole one before one of a site.
pub(super) fn find(files: &[PathBuf], deployment: &mut Deployment) {
    let mut read: Vec<Nginx> = Vec::new();
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_of_sites = file
            .parent()
            .is_some_and(|parent| parent.ends_with("sites-enabled") || parent.ends_with("sites-available"));
        let is_likely = name.ends_with(".conf") || name.ends_with(".nginx") || name == "nginx" || is_of_sites;
        let text = is_likely.then(|| text_of(deployment, file)).flatten();
        if !text.is_some_and(|text| text.contains("server") && text.contains('{') && text.contains("listen")) {
            continue;
        }
        match nginx::read(&deployment.folder.join(file), file.clone()) {
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
            Err(error) => deployment.missing.push(format!("an nginx configuration that cannot be read: {error}")),
        }
    }
    let passes = |nginx: &Nginx| nginx.servers.iter().any(|server| server.passes);
    read.sort_by_key(|nginx| (!passes(nginx), !nginx.is_whole));
    let mut read = read.into_iter();
    match read.next() {
        Some(nginx) => {
            let what = if nginx.is_whole { "nginx" } else { "nginx, one site's file" };
            deployment.found.push(format!("{what}: {}", nginx.file.display()));
            let others: Vec<String> = read.map(|other| other.file.display().to_string()).collect();
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
        None => deployment.missing.push("an nginx configuration (*.conf with a `server` block)".to_owned()),
    }
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
