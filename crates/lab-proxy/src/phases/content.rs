//! `try_files`, `index` and files: the content of locations without `proxy_pass`.

use std::borrow::Cow;
use std::io;

use super::autoindex::{self, ListingStyle};
use super::file_system::{self, FileKind, OpenedFile};
use super::gzip_negotiation::{accepts_coding, accepts_gzip};
use super::unmodified;
use super::{Action, Flow, GeneratedContent, Phases};
use crate::config::location::autoindex::AutoindexConfig;
use crate::config::location::filters::gzip::StaticFiles;
use crate::config::location::try_files::TryFilesFallback;
use crate::config::location::{ContentHandler, Location};
use crate::config::logs::Severity;
use crate::connection_counts::ConnectionCounts;
use crate::eval::FilePath;
use crate::routing::route::{Route, UriAlignment};
use crate::routing::uri;
use crate::variables::Variable;
use lab_http::Headers;

/// `try_files`: sets the path to the first candidate that exists.
pub(super) fn try_files<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>) -> Flow<'a> {
    let Some(try_files) = &route.location.try_files else { return Flow::Continue };
    let location: &Location = route.location;
    let mut root = Vec::new();
    location.root.write(&phases.scope(route), &mut root);
    for (template, is_folder) in &try_files.files {
        let mut name = template.value(&phases.scope(route));
        // as in nginx: the location that has the `alias` may enclose this one, so its path is taken from the request
        let matched = location.root.alias_prefix().filter(|_| template.constant().is_none());
        if let Some(replaced) = matched.and_then(|matched| route.uri.get(..matched))
            && name.starts_with(replaced)
        {
            name.drain(..replaced.len());
        }
        let path = [&*root, &*name].concat();
        let wanted = if *is_folder { FileKind::Folder } else { FileKind::File };
        let exists = match phases.metadata(route, &path) {
            Ok(metadata) => (metadata.kind == FileKind::Folder) == (wanted == FileKind::Folder),
            Err(error) => {
                if !is_missing(&error) {
                    note_failure(route, Severity::Crit, "stat()", &path, &error);
                }
                false
            }
        };
        if !exists {
            continue;
        }
        if location.root.is_file() {
            if !*is_folder {
                route.uri = Cow::Owned(name);
                if route.alignment == UriAlignment::Location {
                    route.alignment = UriAlignment::BelowAlias;
                }
            }
        } else if location.root.is_alias() {
            let matched = location.root.alias_prefix().unwrap_or(0);
            let start = route.uri.get(..matched).unwrap_or_default();
            route.uri = Cow::Owned([start, &*name].concat());
        } else {
            route.uri = Cow::Owned(name);
        }
        return Flow::Continue;
    }
    match &try_files.last {
        TryFilesFallback::Status(status) => Flow::Status(*status),
        TryFilesFallback::Named(name) => phases.redirect_to_name(route, format!("@{name}").as_bytes()),
        TryFilesFallback::Uri(template) => {
            let target = template.value(&phases.scope(route));
            if target.first() == Some(&b'@') {
                return phases.redirect_to_name(route, &target);
            }
            let (path, args) = uri::split_args(&target);
            let (path, args) = (path.to_vec(), args.map(<[u8]>::to_vec));
            phases.redirect(route, path, args)
        }
    }
}

/// Serves `index`, and files.
pub(super) fn serve<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>) -> Flow<'a> {
    if let Some(handler) = route.location.handler {
        return generate(route, handler);
    }
    let is_readable = matches!(route.method, b"GET" | b"HEAD" | b"POST");
    let is_folder = route.uri.last() == Some(&b'/');
    if is_folder && is_readable {
        match index(phases, route) {
            Flow::Continue => {}
            flow => return flow,
        }
    }
    if let Some(config) = route.location.config.autoindex
        && is_folder
        && matches!(route.method, b"GET" | b"HEAD")
    {
        return listing(phases, route, config);
    }
    if !is_readable {
        return Flow::Status(405);
    }
    let Some(path) = route.location.root.file_path(&phases.scope(route)) else { return misused_alias(route) };
    if is_folder {
        let path = String::from_utf8_lossy(&path.bytes).into_owned();
        route.note(Severity::Error, format!("directory index of \"{path}\" is forbidden"));
        return Flow::Status(403);
    }
    file(phases, route, &path)
}

/// `stub_status`, `empty_gif`
fn generate<'a>(route: &Route<'_>, handler: ContentHandler) -> Flow<'a> {
    if !matches!(route.method, b"GET" | b"HEAD") {
        return Flow::Status(405);
    }
    let (media_type, content, modified) = match handler {
        ContentHandler::Status => ("text/plain", ConnectionCounts::now().page().into_bytes(), None),
        ContentHandler::EmptyGif => ("image/gif", EMPTY_GIF.to_vec(), Some(EMPTY_GIF_MODIFIED)),
    };
    Flow::Done(Action::Generated(GeneratedContent { media_type, content, modified, hides_length: false }))
}

/// A single transparent pixel.
const EMPTY_GIF: &[u8; 43] =
    b"GIF89a\x01\0\x01\0\x80\x01\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\x01\0,\0\0\0\0\x01\0\x01\0\0\
                               \x02\x02L\x01\0;";
/// The date that nginx gives it: Mon, 28 Sep 1970 06:00:00 GMT.
const EMPTY_GIF_MODIFIED: i64 = 23_349_600;

/// `autoindex`
fn listing<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>, config: AutoindexConfig) -> Flow<'a> {
    let Some(path) = route.location.root.file_path(&phases.scope(route)) else { return misused_alias(route) };
    let entries = match phases.files.entries(&path.bytes) {
        Ok(entries) => entries,
        Err(error) => {
            let (severity, status) = match () {
                () if is_missing(&error) => (Severity::Error, 404),
                () if is_forbidden(&error) => (Severity::Error, 403),
                () => (Severity::Crit, 500),
            };
            note_failure(route, severity, "opendir()", &path.bytes, &error);
            return Flow::Status(status);
        }
    };
    let scope = phases.scope(route);
    let charset = route.location.config.charset.name.as_ref().map(|name| name.value(&scope));
    let mut callback = Vec::new();
    scope.write(&Variable::Argument("callback".to_owned()), &mut callback);
    let callback = Some(&*callback).filter(|callback| !callback.is_empty());
    let style = ListingStyle {
        config,
        path: &route.uri,
        is_utf8: charset.is_some_and(|charset| charset.eq_ignore_ascii_case(b"utf-8")),
        callback,
    };
    let content = autoindex::write(&style, entries);
    let media_type = autoindex::media_type(config.format, callback.is_some());
    Flow::Done(Action::Generated(GeneratedContent { media_type, content, modified: None, hides_length: true }))
}

/// Redirects the request to the first file of `index` that exists.
fn index<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>) -> Flow<'a> {
    let mut folder_exists = false;
    for index in &route.location.config.index {
        let name = index.name.value(&phases.scope(route));
        let args = route.args.as_deref().map(<[u8]>::to_vec);
        if index.is_absolute {
            return phases.redirect(route, name, args);
        }
        let Some(folder) = route.location.root.file_path(&phases.scope(route)) else { return misused_alias(route) };
        let path = [&*folder.bytes, &*name].concat();
        match phases.metadata(route, &path) {
            Ok(_) => {
                let target = [&*route.uri, &*name].concat();
                return phases.redirect(route, target, args);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !folder_exists {
                    match phases.metadata(route, &folder.bytes) {
                        Ok(metadata) if metadata.kind == FileKind::Folder => folder_exists = true,
                        Ok(_) => {
                            let folder = String::from_utf8_lossy(&folder.bytes).into_owned();
                            route.note(Severity::Alert, format!("\"{folder}\" is not a directory"));
                            return Flow::Status(500);
                        }
                        Err(error) => return index_failure(route, &path, &error),
                    }
                }
            }
            Err(error) if is_missing(&error) || is_forbidden(&error) => return index_failure(route, &path, &error),
            Err(error) => {
                note_failure(route, Severity::Crit, "stat()", &path, &error);
                return Flow::Status(500);
            }
        }
    }
    Flow::Continue
}

fn index_failure<'a>(route: &mut Route<'_>, path: &[u8], error: &io::Error) -> Flow<'a> {
    let (is, status) = if is_forbidden(error) { ("forbidden", 403) } else { ("not found", 404) };
    if status == 403 || route.location.config.log_not_found {
        let path = String::from_utf8_lossy(path).into_owned();
        route.note(Severity::Error, format!("\"{path}\" is {is} ({})", file_system::error_text(error)));
    }
    Flow::Status(status)
}

/// `brotli_static`, `zstd_static`, `gzip_static`: the compressed file beside a file, and whether it is sent to this client.
fn compressed<'a>(phases: &Phases<'a, '_>, route: &Route<'a>, path: &FilePath) -> Option<(OpenedFile<'a>, bool)> {
    if route.method == b"POST" {
        return None;
    }
    let config = &route.location.config;
    let head = phases.request.head;
    let codings = [
        ("br", config.brotli.coding.static_files),
        ("zstd", config.zstd.static_files),
        ("gzip", config.gzip.static_files),
    ];
    let mut not_accepted = None;
    for (coding, rule) in codings {
        let is_sent = match rule {
            StaticFiles::Off => continue,
            StaticFiles::On if coding == "gzip" => accepts_gzip(head, &config.gzip, &Headers::new()),
            StaticFiles::On => accepts_coding(&head.headers, coding),
            StaticFiles::Always => true,
        };
        let Some(opened) = open_compressed(phases, route, path, coding, rule) else { continue };
        if is_sent {
            return Some((opened, true));
        }
        not_accepted = Some((opened, false));
    }
    not_accepted
}

fn open_compressed<'a>(
    phases: &Phases<'a, '_>,
    route: &Route<'a>,
    path: &FilePath,
    coding: &'static str,
    rule: StaticFiles,
) -> Option<OpenedFile<'a>> {
    let extension: &[u8] = match coding {
        "br" => b".br",
        "zstd" => b".zst",
        _ => b".gz",
    };
    let (file, metadata) = phases.open(route, &[&*path.bytes, extension].concat()).ok()?;
    let varies = rule == StaticFiles::On;
    let media_type = media_type(route);
    let opened = OpenedFile { file, metadata, media_type, coding: Some(coding), varies };
    (metadata.kind == FileKind::File).then_some(opened)
}

fn file<'a>(phases: &Phases<'a, '_>, route: &mut Route<'a>, path: &FilePath) -> Flow<'a> {
    if let Some(metadata) = unmodified::find(phases, route, path) {
        let media_type = media_type(route);
        return Flow::Done(Action::File(OpenedFile { file: None, metadata, media_type, coding: None, varies: false }));
    }
    let compressed = compressed(phases, route, path);
    let varies = compressed.as_ref().is_some_and(|(opened, _)| opened.varies);
    if let Some((opened, true)) = compressed {
        return Flow::Done(Action::File(opened));
    }
    let opened = phases.open(route, &path.bytes);
    let (file, metadata) = match opened {
        Ok(opened) => opened,
        Err(error) if is_missing(&error) => {
            if route.location.config.log_not_found {
                note_failure(route, Severity::Error, "open()", &path.bytes, &error);
            }
            return Flow::Status(404);
        }
        Err(error) => {
            let (status, severity) = if is_forbidden(&error) { (403, Severity::Error) } else { (500, Severity::Crit) };
            note_failure(route, severity, "open()", &path.bytes, &error);
            return Flow::Status(status);
        }
    };
    match metadata.kind {
        FileKind::Folder => {
            route.redirect = Some(super::rewrite::with_slash(route));
            Flow::Status(301)
        }
        FileKind::Other => {
            let path = String::from_utf8_lossy(&path.bytes).into_owned();
            route.note(Severity::Crit, format!("\"{path}\" is not a regular file"));
            Flow::Status(404)
        }
        FileKind::File if route.method == b"POST" => Flow::Status(405),
        FileKind::File => {
            let media_type = media_type(route);
            Flow::Done(Action::File(OpenedFile { file, metadata, media_type, coding: None, varies }))
        }
    }
}

/// The media type by the extension of the request's path.
pub(crate) fn media_type<'a>(route: &Route<'a>) -> &'a str {
    let rules = &route.location.config;
    uri::extension(&route.uri).and_then(|extension| rules.types.find(extension)).unwrap_or(&rules.default_type)
}

fn misused_alias<'a>(route: &mut Route<'_>) -> Flow<'a> {
    let path = route.location.path.clone();
    route.note(Severity::Alert, format!("\"alias\" cannot be used in location \"{path}\" where URI was rewritten"));
    Flow::Status(500)
}

fn is_missing(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput)
}

fn is_forbidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn note_failure(route: &mut Route<'_>, severity: Severity, call: &str, path: &[u8], error: &io::Error) {
    let path = String::from_utf8_lossy(path).into_owned();
    route.note(severity, format!("{call} \"{path}\" failed ({})", file_system::error_text(error)));
}
