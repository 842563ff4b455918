//! How heads of requests are read.

use std::time::Duration;

use lab_nginx_conf::{ConfError, Directive, parse_number, parse_size};

/// How heads of requests are read. The default server of an address decides for all servers there, since the head
/// itself names the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHeadConfig {
    /// `client_header_timeout`
    pub timeout: Duration,
    /// `large_client_header_buffers`: the limit in bytes of a request line or a field.
    pub line: usize,
    /// `large_client_header_buffers`: the limit in bytes of a whole head.
    pub total: usize,
    /// `underscores_in_headers`: whether field names may have underscores.
    pub underscores: bool,
    /// `ignore_invalid_headers`: whether fields with invalid names are dropped.
    pub ignore_invalid: bool,
    /// `merge_slashes`
    pub merge_slashes: bool,
    /// `ignore_bare_lf`, a directive of lab's own: whether lines of heads, also those of upstreams, may end with LF alone.
    pub allows_bare_lf: bool,
}

/// The directives of one block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequestHeadLevel {
    timeout: Option<Duration>,
    buffer: Option<usize>,
    large_buffers: Option<(usize, usize)>,
    underscores: Option<bool>,
    ignore_invalid: Option<bool>,
    merge_slashes: Option<bool>,
    allows_bare_lf: Option<bool>,
}

impl RequestHeadLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "client_header_timeout" => self.timeout = Some(directive.time()?),
            "client_header_buffer_size" => self.buffer = Some(positive_size(directive, directive.first())?),
            "large_client_header_buffers" => {
                let number = parse_number(directive.first()).filter(|number| *number > 0);
                let number = number.ok_or_else(|| directive.invalid(directive.first(), "a number from 1"))?;
                let size = positive_size(directive, directive.arg(1).unwrap_or_default())?;
                self.large_buffers = Some((number, size));
            }
            "underscores_in_headers" => self.underscores = Some(directive.flag()?),
            "ignore_invalid_headers" => self.ignore_invalid = Some(directive.flag()?),
            "ignore_bare_lf" => self.allows_bare_lf = Some(directive.flag()?),
            "merge_slashes" => self.merge_slashes = Some(directive.flag()?),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: RequestHeadLevel) -> RequestHeadLevel {
        RequestHeadLevel {
            timeout: self.timeout.or(outer.timeout),
            buffer: self.buffer.or(outer.buffer),
            large_buffers: self.large_buffers.or(outer.large_buffers),
            underscores: self.underscores.or(outer.underscores),
            ignore_invalid: self.ignore_invalid.or(outer.ignore_invalid),
            merge_slashes: self.merge_slashes.or(outer.merge_slashes),
            allows_bare_lf: self.allows_bare_lf.or(outer.allows_bare_lf),
        }
    }

    pub(crate) fn resolve(self) -> RequestHeadConfig {
        let (number, size) = self.large_buffers.unwrap_or((4, 8 * 1024));
        // a line that fits into the first buffer never needs a large one
        let first = self.buffer.unwrap_or(1024);
        RequestHeadConfig {
            timeout: self.timeout.unwrap_or(Duration::from_secs(60)),
            line: size.max(first),
            total: number.saturating_mul(size).max(first),
            underscores: self.underscores.unwrap_or(false),
            ignore_invalid: self.ignore_invalid.unwrap_or(true),
            merge_slashes: self.merge_slashes.unwrap_or(true),
            allows_bare_lf: self.allows_bare_lf.unwrap_or(false),
        }
    }
}

fn positive_size(directive: &Directive, text: &str) -> Result<usize, ConfError> {
    let size = parse_size(text).filter(|size| *size > 0).and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| directive.invalid(text, "a size such as 512, 8k or 1m"))
}
