//! How much of a body the proxy buffers, in memory and in files, in both directions.

use std::path::PathBuf;

use super::setting;
use crate::config::reader::ConfigReader;
use lab_nginx_conf::{ConfError, Directive, parse_size};

/// `proxy_buffering`, `proxy_request_buffering` and their limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferingConfig {
    /// `proxy_buffering`: whether responses are read from the upstream as fast as it sends, even if the client is
    /// slower.
    pub responses: bool,
    /// `proxy_buffer_size`: the limit in bytes of an upstream's head, and how many bytes of an unbuffered response may
    /// wait for the client.
    pub head: usize,
    /// `proxy_buffers`: how many bytes of a response are buffered in memory.
    pub response_memory: usize,
    /// `proxy_max_temp_file_size`: how many bytes of a response are buffered in a file; 0 for none.
    pub response_file_limit: u64,
    /// `proxy_temp_path`: the folder of those files.
    pub response_folder: Option<PathBuf>,
    /// `proxy_request_buffering`: whether the whole request is read before it is passed on.
    pub requests: bool,
    /// `client_body_buffer_size`: how many bytes of a request are buffered in memory before the rest goes into a file.
    pub request_memory: usize,
    /// `client_body_temp_path`: the folder of those files.
    pub request_folder: Option<PathBuf>,
    pub request_file: RequestFile,
}

/// `client_body_in_file_only`: which bodies of requests go to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestFile {
    /// Those that are too large for memory. The files have no names.
    #[default]
    WhenLarge,
    /// All. The files stay.
    Kept,
    /// All. The files are removed after the request.
    Removed,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct BufferingLevel {
    responses: Option<bool>,
    head: Option<usize>,
    response_memory: Option<usize>,
    response_file_limit: Option<u64>,
    response_folder: Option<PathBuf>,
    requests: Option<bool>,
    request_memory: Option<usize>,
    request_folder: Option<PathBuf>,
    request_file: Option<RequestFile>,
}

impl BufferingLevel {
    pub(crate) fn read(&mut self, directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(), ConfError> {
        match setting(directive) {
            "buffering" => self.responses = Some(directive.flag()?),
            "buffers" => self.response_memory = Some(buffers(directive)?),
            "buffer_size" => self.head = Some(buffer_size(directive)?),
            // buffers have no fixed parts here; the values are still validated
            "busy_buffers_size" | "temp_file_write_size" => {
                directive.size()?;
            }
            "max_temp_file_size" => self.response_file_limit = Some(directive.size()?),
            "temp_path" => self.response_folder = Some(folder(directive, reader)?),
            "request_buffering" => self.requests = Some(directive.flag()?),
            "client_body_buffer_size" => self.request_memory = Some(memory(directive, directive.size()?)?),
            "client_body_temp_path" => self.request_folder = Some(folder(directive, reader)?),
            "client_body_in_file_only" => {
                self.request_file = Some(match directive.first() {
                    "off" => RequestFile::WhenLarge,
                    "on" => RequestFile::Kept,
                    "clean" => RequestFile::Removed,
                    other => return Err(directive.invalid(other, "off, on, clean")),
                });
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &BufferingLevel) -> BufferingLevel {
        BufferingLevel {
            responses: self.responses.or(outer.responses),
            head: self.head.or(outer.head),
            response_memory: self.response_memory.or(outer.response_memory),
            response_file_limit: self.response_file_limit.or(outer.response_file_limit),
            response_folder: self.response_folder.or_else(|| outer.response_folder.clone()),
            requests: self.requests.or(outer.requests),
            request_memory: self.request_memory.or(outer.request_memory),
            request_folder: self.request_folder.or_else(|| outer.request_folder.clone()),
            request_file: self.request_file.or(outer.request_file),
        }
    }

    /// The effective values, with nginx's defaults for pages of 4 KiB.
    pub(crate) fn resolve(&self) -> BufferingConfig {
        BufferingConfig {
            responses: self.responses.unwrap_or(true),
            head: self.head.unwrap_or(4096),
            response_memory: self.response_memory.unwrap_or(8 * 4096),
            response_file_limit: self.response_file_limit.unwrap_or(1 << 30),
            response_folder: self.response_folder.clone(),
            requests: self.requests.unwrap_or(true),
            request_memory: self.request_memory.unwrap_or(2 * 8192),
            request_folder: self.request_folder.clone(),
            request_file: self.request_file.unwrap_or_default(),
        }
    }
}

fn buffers(directive: &Directive) -> Result<usize, ConfError> {
    const ACCEPTED: &str = "a number of at least 2 buffers, then their size";
    let number = directive.number()?;
    let size = directive.arg(1).unwrap_or_default();
    let size = parse_size(size).filter(|size| *size > 0).ok_or_else(|| directive.invalid(size, ACCEPTED))?;
    if number < 2 {
        return Err(directive.invalid(directive.first(), ACCEPTED));
    }
    memory(directive, size.saturating_mul(number as u64))
}

fn buffer_size(directive: &Directive) -> Result<usize, ConfError> {
    match directive.size()? {
        0 => Err(directive.invalid(directive.first(), "a size from 1")),
        size => memory(directive, size),
    }
}

fn memory(directive: &Directive, size: u64) -> Result<usize, ConfError> {
    usize::try_from(size).map_err(|_| directive.invalid(directive.first(), "a size that fits into memory"))
}

/// Reads a folder. Levels of subfolders have no effect, since the files have no names.
fn folder(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<PathBuf, ConfError> {
    for level in directive.args.iter().skip(1).map(|arg| arg.value.as_str()) {
        if !matches!(level, "1" | "2" | "3") {
            return Err(directive.invalid(level, "a folder, then up to three levels, each from 1 to 3"));
        }
    }
    let folder = reader.prefix.join(directive.first());
    if !reader.temp_folders.contains(&folder) {
        reader.temp_folders.push(folder.clone());
    }
    Ok(folder)
}
