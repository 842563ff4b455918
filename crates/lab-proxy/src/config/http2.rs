//! `http2` and `http2_*`: how clients speak HTTP/2.

use lab_nginx_conf::{ConfError, Directive};

use crate::config::reader::ConfigReader;

/// How clients of a server speak HTTP/2. Except for `is_enabled` the default server of an address decides, since the
/// connection is there before the request that names a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Config {
    /// `http2`
    pub is_enabled: bool,
    /// `http2_max_concurrent_streams`
    pub max_concurrent_streams: u32,
    /// `http2_body_preread_size`: how many bytes of a request's body the client may send before it is read.
    pub body_window: u32,
}

/// A smaller window would cost a round trip for every few bytes.
const SMALLEST_WINDOW: u32 = 16 * 1024;
/// RFC 9113 section 6.9.1
const LARGEST_WINDOW: u64 = (1 << 31) - 1;

/// Directives that nginx has replaced, each with the one that replaces it.
const OBSOLETE: [(&str, &str); 5] = [
    ("http2_idle_timeout", "keepalive_timeout"),
    ("http2_max_field_size", "large_client_header_buffers"),
    ("http2_max_header_size", "large_client_header_buffers"),
    ("http2_max_requests", "keepalive_requests"),
    ("http2_recv_timeout", "client_header_timeout"),
];

/// The directives of one block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Http2Level {
    is_enabled: Option<bool>,
    max_concurrent_streams: Option<u32>,
    body_window: Option<u32>,
}

impl Http2Level {
    /// Reads the directives of an `http` or `server` block.
    pub(crate) fn read(block: &[Directive], reader: &mut ConfigReader<'_>) -> Http2Level {
        let mut level = Http2Level::default();
        for directive in block {
            if let Some((old, current)) = OBSOLETE.iter().find(|(old, _)| directive.name == *old) {
                let message = format!("the \"{old}\" directive is obsolete, use the \"{current}\" directive instead");
                reader.warn(directive, message);
            }
            let read = level.read_directive(directive);
            reader.keep(read);
        }
        level
    }

    fn read_directive(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "http2" => self.is_enabled = Some(directive.flag()?),
            "http2_max_concurrent_streams" => {
                let number = lab_nginx_conf::parse_number(directive.first()).filter(|number| *number > 0);
                let number = number.ok_or_else(|| directive.invalid(directive.first(), "a number from 1"))?;
                self.max_concurrent_streams = Some(number);
            }
            "http2_body_preread_size" => {
                let size = directive.size()?;
                if size > LARGEST_WINDOW {
                    return Err(directive.invalid(directive.first(), "a size below 2g"));
                }
                // OK because it is below 2 GiB
                self.body_window = u32::try_from(size).ok();
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: Http2Level) -> Http2Level {
        Http2Level {
            is_enabled: self.is_enabled.or(outer.is_enabled),
            max_concurrent_streams: self.max_concurrent_streams.or(outer.max_concurrent_streams),
            body_window: self.body_window.or(outer.body_window),
        }
    }

    pub(crate) fn resolve(self) -> Http2Config {
        Http2Config {
            is_enabled: self.is_enabled.unwrap_or(false),
            max_concurrent_streams: self.max_concurrent_streams.unwrap_or(128),
            body_window: self.body_window.unwrap_or(64 * 1024).max(SMALLEST_WINDOW),
        }
    }
}
