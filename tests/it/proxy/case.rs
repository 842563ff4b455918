//! The files in `cases/`: a configuration, what the client sends, and what the upstream answers.
//!
//! ```text
//! --- http | server | location      directives, put into that block of the configuration; `server` replaces the
//!                                    default location, `location` is put into it
//! --- client [alone]                the bytes of the client; `alone` sends no legitimate request behind them
//! --- upstream [early] [close|reset]  the bytes of one answer, one section after the other; `early` does not wait
//!                                    for the request's body; `close` and `reset` end the connection behind it
//! ```
//!
//! Each line stands for itself and CRLF. `\` at the end of a line takes the CRLF away; `\r`, `\n`, `\t`, `\0`, `\xNN` and `\\`
//! are what they are in Rust, and `\*N(text)` is the text N times. `{upstream}` in directives is the upstream's address,
//! `{dead}` one where nobody listens.

use std::path::Path;

#[derive(Debug, Default)]
pub(super) struct Case {
    pub(super) http: String,
    pub(super) server: Option<String>,
    pub(super) location: String,
    pub(super) client: Vec<u8>,
    pub(super) is_alone: bool,
    pub(super) answers: Vec<Answer>,
}

/// What the upstream does with one request.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) is_early: bool,
    pub(super) end: End,
}

/// What the upstream does with the connection behind an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    #[default]
    KeepOpen,
    Close,
    Reset,
}

impl Case {
    pub(super) fn read(file: &Path) -> Case {
        let text = std::fs::read_to_string(file).expect("a case");
        let mut case = Case::default();
        for section in text.split("--- ").skip(1) {
            let (title, body) = section.split_once('\n').expect("a section with a title and a body");
            let mut words = title.split_whitespace();
            match words.next() {
                Some("http") => case.http = body.to_owned(),
                Some("server") => case.server = Some(body.to_owned()),
                Some("location") => case.location = body.to_owned(),
                Some("client") => {
                    case.client.extend(bytes(body));
                    case.is_alone = words.next() == Some("alone");
                }
                Some("upstream") => {
                    let mut answer = Answer { bytes: bytes(body), ..Answer::default() };
                    for word in words {
                        match word {
                            "early" => answer.is_early = true,
                            "close" => answer.end = End::Close,
                            "reset" => answer.end = End::Reset,
                            other => panic!("unknown word {other:?} in {}", file.display()),
                        }
                    }
                    case.answers.push(answer);
                }
                other => panic!("unknown section {other:?} in {}", file.display()),
            }
        }
        case
    }
}

/// The bytes a section stands for.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.lines() {
        let (line, line_end) = match line.strip_suffix('\\') {
            Some(line) if !line.ends_with('\\') => (line, &b""[..]),
            _ => (line, &b"\r\n"[..]),
        };
        unescape(line, &mut out);
        out.extend_from_slice(line_end);
    }
    out
}

fn unescape(mut rest: &str, out: &mut Vec<u8>) {
    while let Some(backslash) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..backslash]);
        let escape = rest[backslash + 1..].chars().next().expect("something behind a backslash");
        rest = &rest[backslash + 2..];
        match escape {
            'r' => out.push(b'\r'),
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            '0' => out.push(0),
            '\\' => out.push(b'\\'),
            'x' => {
                out.push(u8::from_str_radix(&rest[..2], 16).expect("two hexadecimal digits"));
                rest = &rest[2..];
            }
            '*' => {
                let (count, behind) = rest.split_once('(').expect("a repetition: \\*N(text)");
                let (text, behind) = behind.split_once(')').expect("a repetition: \\*N(text)");
                out.extend(text.as_bytes().repeat(count.parse().expect("a number")));
                rest = behind;
            }
            other => panic!("unknown escape \\{other}"),
        }
    }
    out.extend_from_slice(rest.as_bytes());
}
