//! The cases, each with a snapshot of the requests at the upstream and the responses at the client.

use std::fmt::Write as _;
use std::path::Path;

use super::case::Case;
use super::running::{Program, Proxy};
use super::upstream::Upstream;
use crate::support::{DeadAddress, wait_until};

#[test]
fn cases() {
    compare_with_snapshots("cases", "cases/*.case");
}

/// Where nginx is no reference, because it does not follow RFC 9111.
#[test]
fn cache_cases() {
    compare_with_snapshots("cache", "cache/*.case");
}

fn compare_with_snapshots(name: &str, files: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("snapshots");
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!(files, |file| {
            insta::assert_snapshot!(name, run(&Case::read(file)));
        });
    });
}

fn run(case: &Case) -> String {
    let upstream = Upstream::start(case.responses.clone());
    let dead = DeadAddress::new();
    let configuration = case.configuration(&upstream).replace("{dead}", &dead.to_string());
    let prepare = |folder: &Path, _: &str| case.write_files(folder);
    let proxy = Proxy::start_with(Program::Lab, &case.start_options(), &configuration, prepare);
    let got = proxy.converse_in_steps(&case.client).into_iter().flat_map(|got| got.received).collect::<Vec<u8>>();

    let mut report = String::new();
    for (number, received) in upstream.received().iter().enumerate() {
        _ = writeln!(report, "== upstream, connection {}\n{}", number + 1, visible(received));
    }
    _ = writeln!(report, "== client\n{}", visible(&got));
    let is_final = |window: &&[u8]| window.starts_with(b"HTTP/1.1 ") && window[9] > b'1';
    let responses = got.windows(10).filter(is_final).count();
    let log =
        wait_until("the access log", || Some(proxy.read("access.log")).filter(|log| log.lines().count() >= responses));
    _ = writeln!(report, "== logged\n{}", log.lines().collect::<Vec<_>>().join(" "));
    let date = regex::Regex::new(r"Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT").expect("a pattern");
    let report = date.replace_all(&report, "Date: (now)");
    // a second may pass between two requests
    let age = regex::Regex::new(r"\nAge: (\d*)\d\n").expect("a pattern");
    let report = age.replace_all(&report, "\nAge: $1(x)\n");
    let lifetime = regex::Regex::new(r"; ttl=(-?\d*)\d").expect("a pattern");
    let report = lifetime.replace_all(&report, "; ttl=$1(x)");
    upstream
        .take_out(&report)
        .replace(&dead.to_string(), "{dead}")
        .replace(&proxy.address.to_string(), "{listen}")
        .replace(&format!(":{}", proxy.address.port()), ":{port}")
        .replace(concat!("lab/", env!("CARGO_PKG_VERSION")), "lab/(version)")
}

/// Bytes as unambiguous text: CRLF is a line end, everything else unprintable is escaped.
pub(crate) fn visible(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let (line, end) = match line {
            [line @ .., b'\r', b'\n'] => (line, "\n"),
            [line @ .., b'\n'] => (line, "\\n\n"),
            line => (line, ""),
        };
        out.push_str(&line.escape_ascii().to_string().replace("\\'", "'").replace("\\\"", "\""));
        out.push_str(end);
    }
    join_chunks(&shorten(&out))
}

/// Chunks of one character in a row, as one: where they are cut depends on how the bytes happen to arrive.
fn join_chunks(text: &str) -> String {
    if !text.contains(" times '") {
        return text.to_owned();
    }
    let row = r"[0-9a-f]+\n\((?:\d+) times '(.)'\)\n";
    let rows = regex::Regex::new(&format!("(?:{row})+")).expect("a pattern");
    let row = regex::Regex::new(r"\((\d+) times '(.)'\)").expect("a pattern");
    let replaced = rows.replace_all(text, |found: &regex::Captures<'_>| {
        let mut lengths: Vec<(String, usize)> = Vec::new();
        for part in row.captures_iter(&found[0]) {
            let length: usize = part[1].parse().expect("a number");
            match lengths.last_mut().filter(|(character, _)| *character == part[2]) {
                Some((_, total)) => *total += length,
                None => lengths.push((part[2].to_owned(), length)),
            }
        }
        let mut joined = String::new();
        for (character, length) in lengths {
            _ = writeln!(joined, "(chunks of {length} times '{character}')");
        }
        joined
    });
    replaced.into_owned()
}

/// Long rows of one character, as a row and its length.
fn shorten(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|character| character != first).unwrap_or(rest.len());
        if end > 100 {
            _ = write!(out, "({end} times {first:?})");
        } else {
            out.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    out
}
