//! Known abuses of HTTP/2: each ends with GOAWAY, and the proxy goes on to serve others.

use std::io::Write as _;
use std::net::TcpStream;
use std::thread;

use super::frames::{self, Frame, PREFACE};
use crate::proxy::running::{Proxy, STUCK};

const CONFIGURATION: &str = "daemon off; worker_processes 1; pid pid; error_log error.log info; events { }\n\
                             http { access_log off; server { listen {listen} http2; keepalive_requests 100000000;\n\
                             lingering_time 1s;\n\
                             location / { return 200 \"ok\\n\"; }\n\
                             location /slow { return 200 \"ok\\n\"; limit_rate 1; } } }\n";

/// Sends what `next` returns behind the preface until the connection ends, and reads everything meanwhile. Returns the
/// error of the last GOAWAY.
fn abuse(proxy: &Proxy, mut next: impl FnMut(u32) -> Vec<u8>) -> Option<&'static str> {
    let mut stream = proxy.connect();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    let mut reading = stream.try_clone().unwrap();
    let reader = thread::spawn(move || {
        let mut goaway = None;
        while let Ok(frame) = Frame::read(&mut reading) {
            if frame.kind == frames::GOAWAY {
                goaway = Some(frame.error());
            }
        }
        goaway
    });
    stream.write_all(&[PREFACE, &Frame::new(frames::SETTINGS, 0, 0, []).bytes()].concat()).unwrap();
    // the proxy closes the connection long before
    for number in 0..10_000_000 {
        if stream.write_all(&next(number)).is_err() {
            break;
        }
    }
    reader.join().unwrap()
}

/// Whether the proxy serves another client.
fn serves(proxy: &Proxy) -> bool {
    let mut stream = proxy.connect();
    let start = [PREFACE, &Frame::new(frames::SETTINGS, 0, 0, []).bytes(), &Frame::get(1).bytes()].concat();
    stream.write_all(&start).unwrap();
    reads(&mut stream, |frame| frame.kind == frames::DATA && frame.payload == b"ok\n")
}

fn reads(stream: &mut TcpStream, is_wanted: impl Fn(&Frame) -> bool) -> bool {
    while let Ok(frame) = Frame::read(stream) {
        if is_wanted(&frame) {
            return true;
        }
    }
    false
}

fn assert_refused(next: impl FnMut(u32) -> Vec<u8>) {
    let proxy = Proxy::start(CONFIGURATION);
    let goaway = abuse(&proxy, next);
    assert_eq!(goaway, Some("ENHANCE_YOUR_CALM"), "{}", proxy.read("error.log"));
    assert!(serves(&proxy));
}

fn stream_number(number: u32) -> u32 {
    2 * number + 1
}

#[test]
fn rapid_reset_ends_the_connection() {
    let cancel = frames::error_code("CANCEL").to_be_bytes();
    assert_refused(|number| {
        let stream = stream_number(number);
        [Frame::get(stream).bytes(), Frame::new(frames::RST_STREAM, 0, stream, cancel).bytes()].concat()
    });
}

#[test]
fn slow_resets_end_the_connection() {
    let cancel = frames::error_code("CANCEL").to_be_bytes();
    let proxy = Proxy::start(CONFIGURATION);
    let mut stream = proxy.connect();
    stream.write_all(&[PREFACE, &Frame::new(frames::SETTINGS, 0, 0, []).bytes()].concat()).unwrap();
    let mut goaway = None;
    'requests: for number in 0..1000 {
        let number = stream_number(number);
        let request = Frame::headers(frames::END, number, &frames::pseudo_fields("GET", "/slow"));
        _ = stream.write_all(&request.bytes());
        // each request is under way before it is cancelled
        loop {
            match Frame::read(&mut stream) {
                Ok(frame) if frame.kind == frames::GOAWAY => goaway = Some(frame.error()),
                Ok(frame) if frame.stream == number && frame.kind == frames::HEADERS => break,
                Ok(_) => {}
                Err(_) => break 'requests,
            }
        }
        _ = stream.write_all(&Frame::new(frames::RST_STREAM, 0, number, cancel).bytes());
    }
    assert_eq!(goaway, Some("ENHANCE_YOUR_CALM"), "{}", proxy.read("error.log"));
    assert!(serves(&proxy));
}

#[test]
fn endless_continuation_ends_the_connection() {
    let block = frames::block(&[("x-filler", &"a".repeat(1000))]);
    assert_refused(|number| match number {
        0 => Frame::new(frames::HEADERS, 0, 1, frames::block(&frames::pseudo_fields("GET", "/"))).bytes(),
        _ => Frame::new(frames::CONTINUATION, 0, 1, block.clone()).bytes(),
    });
}

#[test]
fn empty_continuations_end_the_connection() {
    assert_refused(|number| match number {
        0 => Frame::new(frames::HEADERS, 0, 1, frames::block(&frames::pseudo_fields("GET", "/"))).bytes(),
        _ => Frame::new(frames::CONTINUATION, 0, 1, []).bytes(),
    });
}

#[test]
fn settings_flood_ends_the_connection() {
    assert_refused(|_| Frame::new(frames::SETTINGS, 0, 0, []).bytes().repeat(100));
}

#[test]
fn ping_flood_ends_the_connection() {
    assert_refused(|_| Frame::new(frames::PING, 0, 0, [0; 8]).bytes().repeat(100));
}

#[test]
fn priority_flood_ends_the_connection() {
    assert_refused(|_| Frame::new(frames::PRIORITY, 0, 1, [0, 0, 0, 0, 1]).bytes().repeat(100));
}

#[test]
fn empty_data_flood_ends_the_connection() {
    assert_refused(|number| match number {
        0 => Frame::headers(0, 1, &frames::pseudo_fields("POST", "/slow")).bytes(),
        _ => Frame::new(frames::DATA, 0, 1, []).bytes().repeat(100),
    });
}

#[test]
fn window_update_flood_ends_the_connection() {
    assert_refused(|_| Frame::new(frames::WINDOW_UPDATE, 0, 0, 1_u32.to_be_bytes()).bytes().repeat(100));
}

#[test]
fn compressed_fields_do_not_fill_memory() {
    let proxy = Proxy::start(CONFIGURATION);
    assert!(serves(&proxy));
    let before = resident_memory(&proxy);
    let mut stream = proxy.connect();
    stream.write_all(&[PREFACE, &Frame::new(frames::SETTINGS, 0, 0, []).bytes()].concat()).unwrap();
    // a large entry of the dynamic table (RFC 7541 section 6.2.1), and many references of one byte to it
    let value = "a".repeat(4000);
    let mut entry = frames::block(&[("x-bomb", &value)]);
    entry[0] = 0x40;
    let repeated = vec![0x80 | 62; 12_000];
    for number in 0..50 {
        let mut block = frames::block(&frames::pseudo_fields("GET", "/"));
        if number == 0 {
            block.extend_from_slice(&entry);
        }
        block.extend_from_slice(&repeated);
        let frame = Frame::new(frames::HEADERS, frames::END | frames::END_HEADERS, stream_number(number), block);
        // 48 MB each
        _ = stream.write_all(&frame.bytes());
    }
    let is_refusal = |frame: &Frame| frame.kind == frames::GOAWAY && frame.error() == "ENHANCE_YOUR_CALM";
    assert!(reads(&mut stream, is_refusal));
    assert!(resident_memory(&proxy) < before + 32 * 1024, "from {before} to {} kB", resident_memory(&proxy));
    assert!(serves(&proxy));
}

/// The memory of the proxy in kB.
fn resident_memory(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
