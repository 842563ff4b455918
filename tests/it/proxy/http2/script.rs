//! The client of a case that speaks HTTP/2. Each line of its section is a frame, and the lines behind it that begin with
//! white space are the fields of its block:
//!
//! ```text
//! request N METHOD PATH [open]       HEADERS with the pseudo fields; `open` leaves the stream open for a body
//! headers N [end] [open]             HEADERS with the fields that follow, and nothing else; `open` without END_HEADERS
//! continuation N [open]              CONTINUATION
//! data N [end] TEXT                  DATA; TEXT as in other sections, without CRLF
//! reset N ERROR                      RST_STREAM
//! window N INCREMENT                 WINDOW_UPDATE
//! settings [ID=VALUE]…               SETTINGS
//! frame KIND FLAGS N HEX…            any frame, all in hexadecimal numbers
//! bytes TEXT                         bytes that are no frame
//! await N                            waits until stream N has ended
//! no preface                         sends neither the preface nor SETTINGS by itself
//! until closed                       waits until the server closes the connection
//! ```
//!
//! The client acknowledges SETTINGS and PING, and opens windows as content arrives, except on a connection with a
//! setting of its own for the initial window (4). It closes the connection when all requests have ended.

use std::collections::BTreeMap;
use std::io::Write as _;

use super::frames::{self, Frame, PREFACE};
use crate::proxy::case::bytes;
use crate::proxy::client::ClientStream;
use crate::proxy::running::{Conversation, End};

/// Runs a script. What comes back is rendered like HTTP/1.1 responses, in the order of their streams; a reset is a
/// response with the status `RST`, and GOAWAY one with the status `BYE`.
pub(crate) fn converse(stream: ClientStream, script: &str, handshake: Option<String>) -> Conversation {
    let mut client = Client {
        stream,
        decoder: loona_hpack::Decoder::new(),
        opens_windows: !script.contains("settings 4="),
        streams: BTreeMap::new(),
        block: Vec::new(),
        goaway: None,
        end: None,
    };
    client.run(script);
    let end = client.end.unwrap_or(End::Closed);
    let mut received: Vec<u8> = client.streams.into_iter().flat_map(|(number, stream)| stream.render(number)).collect();
    if let Some(error) = client.goaway.filter(|_| client.end.is_some()) {
        received.extend_from_slice(format!("HTTP/2.0 BYE {error}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    }
    Conversation { received, end, handshake }
}

struct Client {
    stream: ClientStream,
    decoder: loona_hpack::Decoder<'static>,
    opens_windows: bool,
    streams: BTreeMap<u32, ReceivedStream>,
    /// The block of fields that has not ended.
    block: Vec<u8>,
    /// The error of the last GOAWAY.
    goaway: Option<&'static str>,
    /// How the server ended the connection.
    end: Option<End>,
}

/// What arrived on a stream.
#[derive(Debug, Default)]
struct ReceivedStream {
    heads: Vec<Vec<(Vec<u8>, Vec<u8>)>>,
    body: Vec<u8>,
    has_ended: bool,
    reset: Option<&'static str>,
}

impl Client {
    fn run(&mut self, script: &str) {
        let mut lines = script.lines().filter(|line| !line.trim().is_empty()).peekable();
        if lines.next_if(|line| *line == "no preface").is_none() {
            self.send_bytes(PREFACE);
            let settings = lines.next_if(|line| line.starts_with("settings")).unwrap_or("settings");
            self.send_line(settings, &[]);
        }
        let mut waits_for_end = false;
        while let Some(line) = lines.next() {
            let mut fields = Vec::new();
            while let Some(field) = lines.next_if(|line| line.starts_with(' ')) {
                let (name, value) = field.trim_start().split_once(": ").expect("a field `NAME: VALUE`");
                let text = |text: &str| String::from_utf8(unescaped(text)).expect("text");
                fields.push((text(name), text(value)));
            }
            match line.strip_prefix("await ") {
                Some(number) => {
                    let number = number.parse().expect("a stream");
                    self.receive_until(|client| client.has_ended(number));
                }
                None if line == "until closed" => waits_for_end = true,
                None => self.send_line(line, &fields),
            }
        }
        self.receive_until(|client| !waits_for_end && client.streams.keys().all(|number| client.has_ended(*number)));
    }

    fn has_ended(&self, number: u32) -> bool {
        self.streams.get(&number).is_some_and(|stream| stream.has_ended || stream.reset.is_some())
    }

    fn send_line(&mut self, line: &str, fields: &[(String, String)]) {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let number = || words[0].parse::<u32>().unwrap_or_else(|_| panic!("no stream in {line:?}"));
        let has = |word: &str| words.contains(&word);
        let mut all: Vec<(&str, &str)> = Vec::new();
        if kind == "request" {
            all.extend(frames::pseudo_fields(words[1], words[2]));
            // a field of the same name replaces one of them
            all.retain(|(name, _)| !fields.iter().any(|(own, _)| own == name));
        }
        all.extend(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let frame = match kind {
            "request" | "headers" => {
                let ends = if kind == "request" { !has("open") } else { has("end") };
                let mut flags = if ends { frames::END } else { 0 };
                if kind == "request" || !has("open") {
                    flags |= frames::END_HEADERS;
                }
                self.streams.entry(number()).or_default();
                Frame::new(frames::HEADERS, flags, number(), frames::block(&all))
            }
            "continuation" => {
                let flags = if has("open") { 0 } else { frames::END_HEADERS };
                Frame::new(frames::CONTINUATION, flags, number(), frames::block(&all))
            }
            "data" => {
                let text = rest.split_once(' ').map_or("", |(_, text)| text);
                let (flags, text) = match text.strip_prefix("end") {
                    Some(text) => (frames::END, text.trim_start()),
                    None => (0, text),
                };
                Frame::new(frames::DATA, flags, number(), unescaped(text))
            }
            "reset" => Frame::new(frames::RST_STREAM, 0, number(), frames::error_code(words[1]).to_be_bytes()),
            "window" => {
                let increment: u32 = words[1].parse().expect("an increment");
                Frame::new(frames::WINDOW_UPDATE, 0, number(), increment.to_be_bytes())
            }
            "settings" => {
                let values = words.iter().filter_map(|word| word.split_once('='));
                let values = values.flat_map(|(id, value)| {
                    let (id, value): (u16, u32) = (id.parse().expect("a setting"), value.parse().expect("a value"));
                    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
                });
                Frame::new(frames::SETTINGS, 0, 0, values.collect::<Vec<u8>>())
            }
            "frame" => {
                let numbers: Vec<u32> =
                    words.iter().map(|word| u32::from_str_radix(word, 16).expect("hexadecimal numbers")).collect();
                let byte = |number: &u32| u8::try_from(*number).expect("a byte");
                let payload: Vec<u8> = numbers[3..].iter().map(byte).collect();
                Frame::new(byte(&numbers[0]), byte(&numbers[1]), numbers[2], payload)
            }
            "bytes" => return self.send_bytes(&unescaped(rest)),
            other => panic!("unknown line {other:?}"),
        };
        self.send_bytes(&frame.bytes());
    }

    /// The server may have closed the connection before all was written.
    fn send_bytes(&mut self, bytes: &[u8]) {
        _ = self.stream.write_all(bytes);
    }

    fn receive_until(&mut self, is_enough: impl Fn(&Client) -> bool) {
        while self.end.is_none() && !is_enough(self) {
            match Frame::read(&mut self.stream) {
                Ok(frame) => self.take(frame),
                Err(error) => {
                    self.end = Some(match error.kind() {
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => End::Stalled,
                        std::io::ErrorKind::ConnectionReset => End::Reset,
                        _ => End::Closed,
                    });
                }
            }
        }
    }

    fn take(&mut self, frame: Frame) {
        match frame.kind {
            frames::SETTINGS | frames::PING if !frame.has(frames::END) => {
                let payload = if frame.kind == frames::PING { frame.payload } else { Vec::new() };
                self.send_bytes(&Frame::new(frame.kind, frames::END, 0, payload).bytes());
            }
            frames::HEADERS | frames::CONTINUATION => {
                self.block.extend_from_slice(&frame.payload);
                let stream = self.streams.entry(frame.stream).or_default();
                stream.has_ended |= frame.kind == frames::HEADERS && frame.has(frames::END);
                if frame.has(frames::END_HEADERS) {
                    let block = std::mem::take(&mut self.block);
                    stream.heads.push(self.decoder.decode(&block).expect("a valid block"));
                }
            }
            frames::DATA => {
                let stream = self.streams.entry(frame.stream).or_default();
                stream.has_ended |= frame.has(frames::END);
                stream.body.extend_from_slice(&frame.payload);
                let length = u32::try_from(frame.payload.len()).expect("a short frame");
                if self.opens_windows && length > 0 {
                    for number in [0, frame.stream] {
                        self.send_bytes(&Frame::new(frames::WINDOW_UPDATE, 0, number, length.to_be_bytes()).bytes());
                    }
                }
            }
            frames::RST_STREAM => {
                let stream = self.streams.entry(frame.stream).or_default();
                // after a whole response it only stops the request
                if !stream.has_ended {
                    stream.reset = Some(frame.error());
                }
            }
            frames::GOAWAY => self.goaway = Some(frame.error()),
            _ => {}
        }
    }
}

impl ReceivedStream {
    /// As responses of HTTP/1.1. Interim ones come first; trailers have a prefix.
    fn render(self, number: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let is_final = |head: &Vec<(Vec<u8>, Vec<u8>)>| {
            head.iter().any(|(name, value)| name == b":status" && !value.starts_with(b"1"))
        };
        let position = self.heads.iter().position(is_final);
        let mut heads = self.heads.into_iter();
        for head in heads.by_ref().take(position.unwrap_or(0)) {
            start(&mut out, &head, number);
            out.extend_from_slice(b"\r\n");
        }
        if let Some(head) = heads.next().filter(|_| position.is_some()) {
            start(&mut out, &head, number);
            for (name, value) in heads.flatten() {
                line(&mut out, &[b"(trailer) ", &name[..]].concat(), &value);
            }
            let is_empty = self.body.is_empty() && self.has_ended;
            if !is_empty && !head.iter().any(|(name, _)| name == b"content-length") {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                if !self.body.is_empty() {
                    out.extend_from_slice(format!("{:x}\r\n", self.body.len()).as_bytes());
                    out.extend_from_slice(&self.body);
                    out.extend_from_slice(b"\r\n");
                }
                if self.has_ended {
                    out.extend_from_slice(b"0\r\n\r\n");
                }
            } else {
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(&self.body);
            }
        }
        if let Some(error) = self.reset {
            out.extend_from_slice(
                format!("HTTP/2.0 RST {error} (stream {number})\r\nContent-Length: 0\r\n\r\n").as_bytes(),
            );
        }
        out
    }
}

fn start(out: &mut Vec<u8>, head: &[(Vec<u8>, Vec<u8>)], number: u32) {
    let status = head.iter().find(|(name, _)| name == b":status").map_or(&b"???"[..], |(_, value)| value);
    out.extend_from_slice(b"HTTP/2.0 ");
    out.extend_from_slice(status);
    out.extend_from_slice(format!(" (stream {number})\r\n").as_bytes());
    for (name, value) in head.iter().filter(|(name, _)| name != b":status") {
        line(out, &capitalised(name), value);
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// A name as HTTP/1.1 usually has it, for those who compare the responses.
fn capitalised(name: &[u8]) -> Vec<u8> {
    let mut is_first = true;
    let letters = name.iter().map(|byte| {
        let letter = if is_first { byte.to_ascii_uppercase() } else { *byte };
        is_first = *byte == b'-';
        letter
    });
    letters.collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = bytes(text);
    out.truncate(out.len().saturating_sub(2));
    out
}
