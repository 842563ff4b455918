//! Requests for a file that the client has already (304): they need no open file.

use super::Phases;
use super::conditional::{Precondition, Validators, evaluate};
use super::file_system::{FileKind, FileMetadata};
use crate::config::location::filters::gzip::StaticFiles;
use crate::eval::FilePath;
use crate::routing::route::Route;

/// The metadata of a file of which the client has a current copy. None if opening it could fail, or another file could be
/// sent in its place.
pub(super) fn find<'a>(phases: &Phases<'a, '_>, route: &Route<'a>, path: &FilePath) -> Option<FileMetadata> {
    let headers = &phases.request.head.headers;
    let is_conditional = headers.contains("if-none-match") || headers.contains("if-modified-since");
    let config = &route.location.config;
    let compressed = [config.gzip.static_files, config.brotli.coding.static_files, config.zstd.static_files];
    let may_differ = compressed.iter().any(|rule| *rule != StaticFiles::Off);
    let is_whole = matches!(route.status, None | Some(200)) && route.method != b"POST" && !route.is_subrequest;
    // each component of a path with `disable_symlinks` is opened anyway
    if !is_conditional || !is_whole || may_differ || config.symlinks.is_some() {
        return None;
    }
    let metadata = phases.files.readable_metadata(&path.bytes).ok()?;
    let needs_tag = headers.contains("if-none-match") || headers.contains("if-match");
    let tag = (config.etag && needs_tag).then(|| metadata.entity_tag());
    let own = Validators { tag: tag.as_deref(), modified: Some(metadata.modified) };
    let is_current = evaluate(headers, own, config.if_modified_since) == Precondition::NotModified;
    (metadata.kind == FileKind::File && is_current).then_some(metadata)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use lab_http::{RequestHead, Version};

    use crate::config::address::Address;
    use crate::config::{self, ConfigPaths};
    use crate::eval::{ClientConnection, RequestOutcome};
    use crate::phases::file_system::{Disk, FileMetadata, FileSystem, FolderEntry, Symlinks};
    use crate::phases::{Action, Phases};
    use crate::routing::request::Request;
    use crate::routing::route::Route;
    use crate::variables::VariableValues;

    /// The disk, with an access control list that lets the process read no file.
    #[derive(Debug)]
    struct UnreadableFiles;

    impl FileSystem for UnreadableFiles {
        fn metadata(&self, path: &[u8], symlinks: Symlinks) -> io::Result<FileMetadata> {
            Disk.metadata(path, symlinks)
        }

        fn readable_metadata(&self, _: &[u8]) -> io::Result<FileMetadata> {
            Err(io::ErrorKind::PermissionDenied.into())
        }

        fn open(&self, _: &[u8], _: Symlinks) -> io::Result<(Option<File>, FileMetadata)> {
            Err(io::ErrorKind::PermissionDenied.into())
        }

        fn read(&self, _: &[u8]) -> io::Result<Vec<u8>> {
            Err(io::ErrorKind::PermissionDenied.into())
        }

        fn entries(&self, path: &[u8]) -> io::Result<Vec<FolderEntry>> {
            Disk.entries(path)
        }
    }

    /// Whether a request with this field for `folder/a.txt` opens the file.
    fn is_opened(folder: &Path, directives: &str, field: (&str, &str)) -> bool {
        judged(folder, directives, field, &Disk, |action| match action {
            Action::File(opened) => opened.file.is_some(),
            other => panic!("{other:?}"),
        })
    }

    /// Passes the action for a request with this field for `folder/a.txt` to `judge`.
    fn judged<T>(
        folder: &Path,
        directives: &str,
        field: (&str, &str),
        files: &dyn FileSystem,
        judge: impl FnOnce(Action<'_>) -> T,
    ) -> T {
        let text = format!("events {{}} http {{ server {{ root {}; {directives} }} }}", folder.display());
        let file = Path::new("nginx.conf");
        let tree = lab_nginx_conf::parse(&text, file).unwrap();
        let paths = ConfigPaths { prefix: Path::new("/prefix"), error_log: None };
        let config = config::read(&tree, file, paths).unwrap();
        let mut head = RequestHead::new("GET", "/a.txt", Version::Http11);
        head.headers.push("Host", "a");
        head.headers.push(field.0, field.1);
        let request = Request::validate(&head, true).unwrap();
        let connection = ClientConnection::new(1, None, Address::Internet(([127, 0, 0, 1], 80).into()));
        let (server, outcome) = (&config.servers[0], RequestOutcome::default());
        let phases =
            Phases { config: &config, server, connection: &connection, request: &request, outcome: &outcome, files };
        let mut route = Route::new(Some(&request), &server.outside, VariableValues::new(&config.variables));
        judge(phases.begin(&mut route))
    }

    #[test]
    fn current_copy_needs_no_open_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "content").unwrap();
        let any = ("If-None-Match", "*");
        assert!(!is_opened(folder.path(), "", any));
        let late = ("If-Modified-Since", "Fri, 31 Dec 9999 23:59:59 GMT");
        assert!(!is_opened(folder.path(), "if_modified_since before;", late));
        for (directives, field) in [
            ("", ("If-None-Match", "\"other\"")),
            ("", late),
            ("", ("If-Match", "*")),
            ("", ("Accept", "*")),
            ("gzip_static on;", any),
            ("brotli_static on;", any),
            ("zstd_static on;", any),
            ("disable_symlinks on;", any),
        ] {
            assert!(is_opened(folder.path(), directives, field), "{directives} {field:?}");
        }
    }

    #[test]
    fn current_copy_of_an_unreadable_file_is_forbidden() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "content").unwrap();
        let is_forbidden = |action: Action<'_>| matches!(action, Action::Page(403));
        assert!(judged(folder.path(), "", ("If-None-Match", "*"), &UnreadableFiles, is_forbidden));
    }
}
