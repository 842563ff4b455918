//! What was seen of one case on one of the twins, taken apart so that it can be compared field by field.

use std::borrow::Cow;
use std::fmt;
use std::io::Read as _;
use std::sync::LazyLock;

use regex::Regex;

use crate::proxy::cases::visible;
use crate::proxy::running::{Conversation, End};
use crate::proxy::upstream::Received;

#[derive(Debug)]
pub(super) struct Observed {
    /// By connection of the client.
    pub(super) connections: Vec<Connection>,
    /// What the upstream received, by connection.
    pub(super) upstream: Vec<Upstream>,
    /// The lines of the access log.
    pub(super) logged: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) responses: Vec<Message>,
    pub(super) end: &'static str,
    /// What a TLS handshake agreed on, or why it failed.
    pub(super) handshake: Option<String>,
}

#[derive(Debug)]
pub(super) struct Upstream {
    /// `{upstream}`, `{second}`, `{third}`, `{unix}` or `{tls}`.
    pub(super) address: &'static str,
    pub(super) requests: Vec<Message>,
    /// What a TLS handshake agreed on.
    pub(super) handshake: Option<String>,
}

/// A request or a response.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) start_line: String,
    pub(super) fields: Vec<(String, String)>,
    /// Without its framing, as unambiguous text.
    pub(super) body: String,
    /// Whether it came to its end.
    pub(super) is_whole: bool,
}

impl Observed {
    pub(super) fn new(
        got: &[Conversation],
        received: &[Received],
        logged: &str,
        normalise: &dyn Fn(&str) -> String,
    ) -> Observed {
        let connections = got.iter().map(|Conversation { received, end, handshake }| {
            let responses = messages(received, normalise);
            let by_end =
                responses.last().is_some_and(|last| !last.start_line.contains(" 101 ") && last.framing().is_none());
            let end = match end {
                End::Stalled => "stalled",
                End::Cut => "cut",
                // unread bytes decide between the two, unless only the end of the connection ends the body
                End::Reset if by_end => "reset within a response that lasts until then",
                End::Reset | End::Closed => "closed",
            };
            Connection { responses, end, handshake: handshake.clone() }
        });
        let upstream = received.iter().map(|received| Upstream {
            address: ["{upstream}", "{second}", "{third}", "{unix}", "{tls}"][received.listener],
            handshake: received.handshake.clone(),
            requests: messages(&received.bytes, normalise),
        });
        Observed {
            connections: connections.collect(),
            upstream: upstream.collect(),
            logged: logged.lines().map(normalise).collect(),
        }
    }

    /// Sorts the log of several connections: a request may be logged when its connection ends, after those of the next one.
    pub(super) fn sort_log(&mut self) {
        self.logged.sort();
    }
}

impl Message {
    pub(super) fn field(&self, name: &str) -> Vec<&str> {
        let own = self.fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        own.map(|(_, value)| value.as_str()).collect()
    }

    fn framing(&self) -> Option<&'static str> {
        let has = |name| !self.field(name).is_empty();
        if has("transfer-encoding") {
            return Some("chunks");
        }
        (has("content-length") || self.start_line.contains(" 204") || self.start_line.contains(" 304"))
            .then_some("length")
    }
}

/// Splits a connection's bytes into messages. The end of a response to HEAD is recognised by the next message, because no
/// body of a case looks like one.
fn messages(mut rest: &[u8], normalise: &dyn Fn(&str) -> String) -> Vec<Message> {
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let head_end = find(rest, b"\r\n\r\n").map(|at| at + 4);
        let (head, behind) = rest.split_at(head_end.unwrap_or(rest.len()));
        let head = visible(head);
        let mut lines = head.lines().map(normalise);
        let start_line = lines.next().unwrap_or_default();
        let fields = lines.filter(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            (name.to_owned(), value.trim_start().to_owned())
        });
        let mut message = Message { fields: fields.collect(), start_line, body: String::new(), is_whole: true };
        let (body, behind, is_whole) = body(&message, behind);
        // the same content may be compressed in many ways
        let coding = message.field("content-encoding").first().copied().unwrap_or_default();
        let unpacked = unpacked(coding, &body).filter(|_| !body.is_empty() && is_whole);
        message.body = match unpacked {
            Some(content) => format!("({coding}) {}", normalise(&visible(&content))),
            None => normalise(&visible(&body)),
        };
        message.is_whole = is_whole && head_end.is_some();
        if message.body.contains("<center>(name") {
            // the names differ in length
            let length = message.fields.iter_mut().find(|(name, _)| name == "Content-Length");
            length.into_iter().for_each(|(_, length)| *length = "(that of the page)".to_owned());
        }
        messages.push(message);
        rest = behind;
    }
    messages
}

/// Decompressed content; none if it has no known coding, or another one than announced.
fn unpacked(coding: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let read = match coding {
        "gzip" => flate2::read::MultiGzDecoder::new(body).read_to_end(&mut content),
        "br" => brotli_decompressor::Decompressor::new(body, 4096).read_to_end(&mut content),
        "zstd" => ruzstd::decoding::StreamingDecoder::new(body).ok()?.read_to_end(&mut content),
        _ => return None,
    };
    read.ok().map(|_| content)
}

/// The body of a message, the bytes after it, and whether it is complete.
fn body<'b>(message: &Message, bytes: &'b [u8]) -> (Vec<u8>, &'b [u8], bool) {
    let is_response = message.start_line.starts_with("HTTP/");
    let is_next = |bytes: &[u8]| {
        bytes.is_empty() || (is_response && (bytes.starts_with(b"HTTP/1.") || bytes.starts_with(b"HTTP/2.")))
    };
    let status = message.start_line.split(' ').nth(1).unwrap_or_default();
    let has_none = is_response && (status == "204" || status == "304" || (status.starts_with('1') && status != "101"));
    if has_none || (is_response && is_next(bytes)) {
        // an empty body that was announced otherwise is one of HEAD, or is missing: the announcement is compared anyway
        return (Vec::new(), bytes, true);
    }
    if message.field("transfer-encoding").first().is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return chunks(bytes);
    }
    if let Some(length) = message.field("content-length").first().and_then(|value| value.parse::<usize>().ok()) {
        let (body, behind) = bytes.split_at(length.min(bytes.len()));
        return (body.to_vec(), behind, body.len() == length);
    }
    if is_response || message.start_line.is_empty() { (bytes.to_vec(), b"", true) } else { (Vec::new(), bytes, true) }
}

fn chunks(mut bytes: &[u8]) -> (Vec<u8>, &[u8], bool) {
    let mut body = Vec::new();
    loop {
        let Some(line_end) = find(bytes, b"\r\n") else { return (body, b"", false) };
        let size = std::str::from_utf8(&bytes[..line_end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size else { return (body, bytes, false) };
        let content = &bytes[line_end + 2..];
        if size == 0 {
            return match find(content, b"\r\n") {
                Some(0) => (body, &content[2..], true),
                _ => (body, b"", false),
            };
        }
        body.extend_from_slice(&content[..size.min(content.len())]);
        if content.len() < size + 2 {
            return (body, b"", false);
        }
        bytes = &content[size + 2..];
    }
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Removes values that differ in every run, and the names of lab and nginx.
pub(super) fn normalise(text: &str) -> String {
    static PATTERNS: LazyLock<[(Regex, &str); 13]> = LazyLock::new(|| {
        [
            (r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "Date: (now)"),
            (r"Server: (?:nginx|lab)(/[\d.]+)?$", "Server: (name$1)"),
            (r"<center>(?:nginx|lab)(/[\d.]+)?</center>", "<center>(name$1)</center>"),
            (r"\(name/[\d.]+\)", "(name and version)"),
            (r"Expires: \w{3}, \d\d \w{3} 20[2][4-9] \d\d:\d\d:\d\d GMT", "Expires: (soon)"),
            (r"\b\d{20}\b", "(boundary)"),
            (r#"mtime="20[2-9]\d-[\dT:-]+Z""#, r#"mtime="(now)""#),
            (r"\d\d-\w{3}-20[2-9]\d \d\d:\d\d", "(now)"),
            (r#"\w{3}, \d\d \w{3} 20[2-9]\d \d\d:\d\d:\d\d GMT""#, "(now)\""),
            (r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", "[(now)]"),
            (r"Set-Cookie: (uid|sid)=[A-Za-z0-9+/]{22}", "Set-Cookie: $1=(id)"),
            (r"expires=\w{3}, \d\d-\w{3}-2\d \d\d:\d\d:\d\d GMT", "expires=(soon)"),
            // in the format `combined`: pages with the names differ in length, and so does framing
            (r#"(\[\(now\)\] ".*?" \d{3}) \d+ "#, "$1 (bytes) "),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern"), with))
    });
    let mut text = text.to_owned();
    for (pattern, with) in &*PATTERNS {
        if let Cow::Owned(replaced) = pattern.replace_all(&text, *with) {
            text = replaced;
        }
    }
    text
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for connection in &self.connections {
            if let Some(handshake) = &connection.handshake {
                writeln!(f, "client's handshake: {handshake}")?;
            }
            for message in &connection.responses {
                writeln!(f, "client got {message}")?;
            }
            writeln!(f, "client's connection was {}", connection.end)?;
        }
        for upstream in &self.upstream {
            if let Some(handshake) = &upstream.handshake {
                writeln!(f, "handshake of {}: {handshake}", upstream.address)?;
            }
            for message in &upstream.requests {
                writeln!(f, "{} received {message}", upstream.address)?;
            }
        }
        write!(f, "logged {}", self.logged.join(" | "))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.start_line)?;
        for (name, value) in &self.fields {
            writeln!(f, "    {name}: {value}")?;
        }
        write!(f, "    [{}] {}", self.body, if self.is_whole { "" } else { "(not whole)" })
    }
}
