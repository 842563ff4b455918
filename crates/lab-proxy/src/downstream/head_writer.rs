//! Writing a finished head into the connection's output buffer.

use lab_http::h1::write::{decimal, end, field, status_line};
use lab_http::message::date;
use lab_http::{BodyLength, Version};

use crate::clock;
use crate::context::Persistence;
use crate::response::Head;

/// Appends the head of a final response, its empty line included. `framing` is how the body is delimited for the client.
pub(crate) fn write_head(head: &Head, framing: BodyLength, persistence: Persistence, out: &mut Vec<u8>) {
    write_start(head, out);
    let mut fields = head.fields().iter();
    for (name, value) in fields.by_ref().take(head.fields_before_connection) {
        field(out, name, value);
    }
    if framing == BodyLength::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    let connection: &[u8] =
        if persistence.keep_alive { b"Connection: keep-alive\r\n" } else { b"Connection: close\r\n" };
    out.extend_from_slice(connection);
    if let Some(announced) = persistence.announced.filter(|_| persistence.keep_alive) {
        out.extend_from_slice(b"Keep-Alive: timeout=");
        decimal(out, announced.as_secs());
        out.extend_from_slice(b"\r\n");
    }
    for (name, value) in fields {
        field(out, name, value);
    }
    end(out);
}

/// Appends the head of a 1xx response: it says nothing about framing or persistence.
pub(crate) fn write_informational_head(head: &Head, out: &mut Vec<u8>) {
    write_start(head, out);
    for (name, value) in head.fields().iter() {
        field(out, name, value);
    }
    end(out);
}

fn write_start(head: &Head, out: &mut Vec<u8>) {
    status_line(out, Version::Http11, head.status, head.reason());
    if let Some(server) = head.server {
        field(out, b"Server", server.as_bytes());
    }
    if head.has_own_date {
        field(out, b"Date", &date::at(clock::wall()));
    }
}
