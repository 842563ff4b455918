//! Listings of folders, in nginx's forms.

use std::fmt::Write as _;

use super::file_system::{FileKind, FolderEntry};
use crate::config::location::autoindex::{AutoindexConfig, AutoindexFormat};
use crate::eval::escape_json_from;
use crate::routing::uri;

/// What a listing depends on besides the folder.
pub(super) struct ListingStyle<'s> {
    pub(super) config: AutoindexConfig,
    /// The path of the request.
    pub(super) path: &'s [u8],
    /// Whether the page is UTF-8, so that characters count instead of bytes.
    pub(super) is_utf8: bool,
    /// The argument `callback`.
    pub(super) callback: Option<&'s [u8]>,
}

/// The media type of a listing.
pub(super) fn media_type(format: AutoindexFormat, has_callback: bool) -> &'static str {
    match format {
        AutoindexFormat::Html => "text/html",
        AutoindexFormat::Xml => "text/xml; charset=utf-8",
        AutoindexFormat::Jsonp if has_callback => "application/javascript",
        AutoindexFormat::Json | AutoindexFormat::Jsonp => "application/json",
    }
}

/// Writes a listing. Folders come first, and hidden files are left out.
pub(super) fn write(style: &ListingStyle<'_>, mut entries: Vec<FolderEntry>) -> Vec<u8> {
    entries.retain(|entry| entry.name.first() != Some(&b'.'));
    let is_file = |entry: &FolderEntry| entry.metadata.kind != FileKind::Folder;
    entries.sort_by(|a, b| is_file(a).cmp(&is_file(b)).then_with(|| a.name.cmp(&b.name)));
    match style.config.format {
        AutoindexFormat::Html => html(style, &entries),
        AutoindexFormat::Xml => xml(&entries),
        AutoindexFormat::Json => json(&entries),
        AutoindexFormat::Jsonp => match style.callback {
            Some(callback) => [b"/* callback */\r\n", callback, b"(", &json(&entries), b");"].concat(),
            None => json(&entries),
        },
    }
}

/// How many characters of a name are shown.
const NAME: usize = 50;

fn html(style: &ListingStyle<'_>, entries: &[FolderEntry]) -> Vec<u8> {
    let path = escape_html(style.path);
    let mut page = [
        b"<html>\r\n<head><title>Index of ",
        &*path,
        b"</title></head>\r\n<body>\r\n<h1>Index of ",
        &*path,
        b"</h1><hr><pre><a href=\"../\">../</a>\r\n",
    ]
    .concat();
    for entry in entries {
        line(style, entry, &mut page);
    }
    page.extend_from_slice(b"</pre><hr></body>\r\n</html>\r\n");
    page
}

fn line(style: &ListingStyle<'_>, entry: &FolderEntry, page: &mut Vec<u8>) {
    let is_folder = entry.metadata.kind == FileKind::Folder;
    page.extend_from_slice(b"<a href=\"");
    uri::escape_component(&entry.name, page);
    if is_folder {
        page.push(b'/');
    }
    page.extend_from_slice(b"\">");
    let text = std::str::from_utf8(&entry.name).ok().filter(|_| style.is_utf8);
    let mut length = text.map_or(entry.name.len(), |text| text.chars().count());
    if length > NAME {
        let shown = NAME - 3;
        let end = match text {
            Some(text) => text.char_indices().nth(shown).map_or(text.len(), |(index, _)| index),
            None => shown,
        };
        page.extend_from_slice(&escape_html(&entry.name[..end]));
        page.extend_from_slice(b"..&gt;</a>");
    } else {
        page.extend_from_slice(&escape_html(&entry.name));
        if is_folder && length < NAME {
            page.push(b'/');
            length += 1;
        }
        page.extend_from_slice(b"</a>");
        page.resize(page.len() + NAME - length, b' ');
    }
    page.push(b' ');
    page.extend_from_slice(time(entry.metadata.modified, style.config.localtime, "%d-%b-%Y %H:%M ").as_bytes());
    let size = match (is_folder, style.config.exact_size) {
        (true, true) => format!("{:>19}", "-"),
        (true, false) => format!("{:>7}", "-"),
        (false, true) => format!("{:>19}", entry.metadata.size),
        (false, false) => rounded(entry.metadata.size),
    };
    page.extend_from_slice(size.as_bytes());
    page.extend_from_slice(b"\r\n");
}

/// A size in seven characters.
fn rounded(size: u64) -> String {
    const UNITS: [(u64, u64, char); 3] =
        [(1 << 30, (1 << 30) - 1, 'G'), (1 << 20, (1 << 20) - 1, 'M'), (1 << 10, 9999, 'K')];
    match UNITS.into_iter().find(|(_, from, _)| size > *from) {
        Some((unit, _, letter)) => {
            let up = u64::from(size % unit > unit / 2 - 1);
            format!("{:>6}{letter}", size / unit + up)
        }
        None => format!(" {size:>6}"),
    }
}

fn xml(entries: &[FolderEntry]) -> Vec<u8> {
    let mut page = b"<?xml version=\"1.0\"?>\r\n<list>\r\n".to_vec();
    for entry in entries {
        let kind = kind(entry);
        let mut start = format!("<{kind} mtime=\"{}\"", time(entry.metadata.modified, false, "%Y-%m-%dT%H:%M:%SZ"));
        if entry.metadata.kind == FileKind::File {
            // OK because writing to a string cannot fail
            _ = write!(start, " size=\"{}\"", entry.metadata.size);
        }
        let name = escape_html(&entry.name);
        page.extend_from_slice(&[start.as_bytes(), b">", &name, b"</", kind.as_bytes(), b">\r\n"].concat());
    }
    page.extend_from_slice(b"</list>\r\n");
    page
}

fn json(entries: &[FolderEntry]) -> Vec<u8> {
    let mut page = b"[".to_vec();
    for (index, entry) in entries.iter().enumerate() {
        page.extend_from_slice(if index > 0 { b",\r\n{ \"name\":\"" } else { b"\r\n{ \"name\":\"" });
        let start = page.len();
        page.extend_from_slice(&entry.name);
        escape_json_from(&mut page, start);
        let time = time(entry.metadata.modified, false, "%a, %d %b %Y %H:%M:%S GMT");
        page.extend_from_slice(format!("\", \"type\":\"{}\", \"mtime\":\"{time}\"", kind(entry)).as_bytes());
        if entry.metadata.kind == FileKind::File {
            page.extend_from_slice(format!(", \"size\":{}", entry.metadata.size).as_bytes());
        }
        page.extend_from_slice(b" }");
    }
    page.extend_from_slice(b"\r\n]");
    page
}

fn kind(entry: &FolderEntry) -> &'static str {
    match entry.metadata.kind {
        FileKind::Folder => "directory",
        FileKind::File => "file",
        FileKind::Other => "other",
    }
}

fn time(seconds: i64, is_local: bool, format: &str) -> String {
    let zone = if is_local { jiff::tz::TimeZone::system() } else { jiff::tz::TimeZone::UTC };
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default().to_zoned(zone);
    time.strftime(format).to_string()
}

fn escape_html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            byte => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_seven_characters() {
        for (size, expected) in [
            (0, "      0"),
            (9999, "   9999"),
            (10_000, "    10K"),
            (10_752, "    11K"),
            (1 << 20, "     1M"),
            (3 << 29, "     2G"),
        ] {
            assert_eq!(rounded(size), expected, "{size}");
        }
    }
}
