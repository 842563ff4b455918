//! Looks for the nginx configuration, and for the static files that it serves.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::deployment::Deployment;
use super::super::kubernetes::ConfigMap;
use super::super::nginx::{self, Files, Nginx, Origin};
use super::super::scenario_text::wrapped_site;
use super::super::template;
use super::manifests::config_maps;
use super::{MAX_DEPTH, MAX_FILES, containers, machine_folders, text_of, within};

/// Endings of the names of configurations.
const ENDINGS: [&str; 4] = [".conf", ".nginx", ".vhost", "nginx"];
/// Folders whose files are configurations, whatever their names.
const FOLDERS: [&str; 5] = ["nginx", "sites-available", "sites-enabled", "vhosts", "conf.d"];
/// Endings of the names of files from which configurations are made.
const TEMPLATES: [&str; 6] = [".template", ".tmpl", ".tpl", ".j2", ".jinja", ".erb"];

/// The configuration that is made from a template.
const FILLED: &str = "lab-nginx.conf";
/// Where Debian's nginx has the types of files.
const MIME_TYPES: &str = "/etc/nginx/mime.types";

/// A text that looks like a configuration of nginx.
struct Source {
    origin: Origin,
    text: String,
}

impl Source {
    fn is_template(&self) -> bool {
        let name = self.origin.file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = self.origin.key.as_deref().unwrap_or(name);
        TEMPLATES.iter().any(|ending| name.ends_with(ending))
    }
}

/// The configuration that passes requests to an application, a whole one before one of a site. `named` files are used in any case.
pub(super) fn find(files: &[PathBuf], named: &[PathBuf], deployment: &mut Deployment) {
    let mut read: Vec<Nginx> = Vec::new();
    for source in sources(files, deployment) {
        match read_source(&source, files, deployment) {
            Ok(nginx) if nginx.servers.is_empty() => {}
            Ok(nginx) => read.push(nginx),
            Err(reason) => deployment.missing.push(reason),
        }
    }
    let is_named = |file: &Path| named.iter().any(|named| named.ends_with(file) || file.ends_with(named));
    // A link in sites-enabled leads to a file in sites-available.
    read.sort_by_key(|nginx| {
        let is_available = within(&nginx.file, "sites-available");
        (!is_named(nginx.source_file()), !nginx.passes(), !nginx.is_whole, is_available)
    });
    let parts: Vec<PathBuf> =
        read.iter().filter(|nginx| nginx.is_whole).flat_map(|nginx| nginx.parts.clone()).collect();
    read.retain(|nginx| nginx.is_whole || !parts.contains(&nginx.file));
    let (used, idle): (Vec<Nginx>, Vec<Nginx>) =
        read.into_iter().partition(|nginx| nginx.passes() || is_named(nginx.source_file()));
    for nginx in idle {
        let file = nginx.source_file().display();
        deployment.found.push(format!("not used: {file}, which passes requests to no application"));
    }
    let mut used = used.into_iter();
    let Some(nginx) = used.next() else {
        deployment.missing.push("an nginx configuration (*.conf with a `server` block)".to_owned());
        return;
    };
    let what = if nginx.is_whole { "nginx" } else { "nginx, one site's file" };
    deployment.found.push(format!("{what}: {}", nginx.file.display()));
    if let Some(origin) = &nginx.origin {
        deployment.found.push(format!("{FILLED} is made from {origin}: run lab init again when that changes"));
    }
    let others: Vec<String> = used.map(|other| other.source_file().display().to_string()).collect();
    if !others.is_empty() {
        deployment.found.push(format!("not used: {}; name a file to use it instead", others.join(", ")));
    }
    for files in nginx.servers.iter().flat_map(|server| &server.files) {
        let (file, line, folder) = (nginx.file.display(), files.line, files.folder.display());
        let place = match &files.here {
            Some((here, source)) => {
                // Without a final slash.
                let here: PathBuf = here.join(files.below_named()).components().collect();
                format!("{folder} ({file}:{line}), which is {} here, by {}", here.display(), source.display())
            }
            None => format!("{folder} ({file}:{line})"),
        };
        match &files.sample {
            Some(sample) => deployment.found.push(format!("static files: {place}, such as {sample}")),
            None => deployment.missing.push(format!("a static file in {place}")),
        }
        let found = files.here.as_ref().map(|(here, _)| (files.named.clone(), here.clone()));
        if let Some(pair) = found.filter(|pair| !deployment.document_folders.contains(pair)) {
            deployment.document_folders.push(pair);
        }
    }
    deployment.nginx = Some(nginx);
}

/// The likely files, then the files in config maps of Kubernetes.
fn sources(files: &[PathBuf], deployment: &Deployment) -> Vec<Source> {
    // An earlier scenario may have left the file that lab writes.
    let likely = files.iter().filter(|file| is_likely(file) && *file != Path::new(FILLED));
    let of_files = likely.filter_map(|file| {
        Some(Source { origin: Origin { file: file.clone(), key: None }, text: text_of(deployment, file)? })
    });
    let of_maps = config_maps(files, deployment).into_iter().flat_map(|(file, map)| of_config_map(&file, &map));
    of_files.chain(of_maps).filter(|source| is_configuration(&source.text)).collect()
}

/// The configurations of a config map, without those that others of it include: these are put in the place of the `include`. They
/// lie in one folder, whose name only the manifest of a pod has.
fn of_config_map(file: &Path, map: &ConfigMap) -> Vec<Source> {
    let mut parts: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for (key, text) in &map.data {
        let tree = lab_nginx_conf::parse(text, Path::new(key)).unwrap_or_default();
        let mut includes: Vec<_> =
            lab_nginx_conf::walk(&tree).filter(|directive| directive.name == "include").collect();
        // From the end, so that earlier positions stay valid.
        includes.reverse();
        let mut whole = text.clone();
        for include in includes {
            let pattern = include.arg(0).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
            let is_included = |name: &str| match pattern.split_once('*') {
                Some((start, end)) => name.starts_with(start) && name.ends_with(end),
                None => name == pattern,
            };
            let included = map.data.iter().filter(|(name, _)| name != key && is_included(name));
            let (names, texts): (Vec<&str>, Vec<&str>) =
                included.map(|(name, text)| (name.as_str(), text.as_str())).unzip();
            if !texts.is_empty() {
                whole.replace_range(include.span.clone(), &texts.join("\n"));
                parts.extend(names);
            }
        }
        found.push(Source { text: whole, origin: Origin { file: file.to_owned(), key: Some(key.clone()) } });
    }
    found.retain(|source| source.origin.key.as_deref().is_none_or(|key| !parts.contains(&key)));
    found
}

/// Reads a configuration, as the file that it is or becomes. The error says what is missing.
fn read_source(source: &Source, files: &[PathBuf], deployment: &Deployment) -> Result<Nginx, String> {
    let Origin { file, key } = &source.origin;
    let filled = match (source.is_template(), key) {
        (true, _) => Some(fill(source, files, deployment)?),
        (false, Some(_)) => Some(complete(&source.text, &source.origin)),
        (false, None) => None,
    };
    let (written, text) = match &filled {
        Some(text) => (PathBuf::from(FILLED), text),
        None => (file.clone(), &source.text),
    };
    let mut nginx = nginx::read(&deployment.folder, written, text).map_err(|error| {
        let error = error.to_string().replace(&format!("{}/", deployment.folder.display()), "");
        let error = if filled.is_some() { error.replace(FILLED, &source.origin.to_string()) } else { error };
        format!("an nginx configuration that cannot be read: {error}")
    })?;
    // The file of a site is included by one in the deployment's folder.
    let parent = file.parent().filter(|_| nginx.is_whole && key.is_none());
    let home = parent.map_or(deployment.folder.clone(), |parent| deployment.folder.join(parent));
    for own in nginx.servers.iter_mut().flat_map(|server| &mut server.files) {
        own.here = here(own, files, deployment);
        let folder = match &own.here {
            Some((here, _)) => deployment.folder.join(here).join(own.below_named()),
            None => home.join(&own.folder),
        };
        own.sample = sample(&folder, &own.prefix);
    }
    let origin = filled.is_some().then(|| source.origin.clone());
    Ok(Nginx { filled, origin, ..nginx })
}

/// The folder of the project that takes the place of `alias` or `root`, which are of a container or of another machine, with the
/// file that says so.
fn here(own: &Files, files: &[PathBuf], deployment: &Deployment) -> Option<(PathBuf, PathBuf)> {
    if !own.named.is_absolute() || own.folder.is_dir() {
        return None;
    }
    let below = own.below_named();
    let folder_here = |path: &Path| {
        let of_container = containers::folder_here(path, files, deployment);
        of_container.or_else(|| machine_folders::folder_here(path, files, deployment))
    };
    let of_folder = || {
        let (here, source) = folder_here(&own.folder)?;
        let above = here.iter().count().checked_sub(below.iter().count()).filter(|_| here.ends_with(&below))?;
        Some((here.iter().take(above).collect::<PathBuf>(), source))
    };
    let is_here = |found: &(PathBuf, PathBuf)| deployment.folder.join(&found.0).join(&below).is_dir();
    let of_named = folder_here(&own.named);
    of_named.clone().filter(is_here).or_else(of_folder).or(of_named)
}

/// The text that the official image of nginx makes of a template. The error says what is missing.
fn fill(source: &Source, files: &[PathBuf], deployment: &Deployment) -> Result<String, String> {
    let place = &source.origin;
    if ["{{", "{%", "<%"].iter().any(|mark| source.text.contains(mark)) {
        return Err(format!("the configuration that is made from the template {place}; name it: lab init FILE"));
    }
    let filled = template::filled(&source.text, &containers::variables_of_nginx(files, deployment));
    if !filled.unknown.is_empty() {
        let names = filled.unknown.join(", ");
        return Err(format!("a value of {names} for {place}, in the environment of nginx's container"));
    }
    Ok(complete(&filled.text, place))
}

/// A whole configuration of a text that is one, or that of a site.
fn complete(text: &str, origin: &Origin) -> String {
    let note = format!("# Made by `lab init` from {origin}.\n");
    let is_whole = is_whole(text);
    let text = format!("{}\n", text.trim_end());
    if is_whole { text + &note } else { wrapped_site(&text, Path::new(MIME_TYPES).exists()) + &note }
}

/// Whether a text has an `http` block of its own.
fn is_whole(text: &str) -> bool {
    lab_nginx_conf::parse(text, Path::new(FILLED))
        .is_ok_and(|tree| tree.iter().any(|directive| directive.name == "http"))
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
