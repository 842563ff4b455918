//! How much of a body the proxy takes upon itself, in memory and in files, in both directions.

use std::path::PathBuf;

use lab_nginx_conf::{ConfError, Directive, parse_size};

/// `proxy_buffering`, `proxy_request_buffering` and their bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffering {
    /// `proxy_buffering`: whether an answer is taken from the upstream as fast as it comes, whatever the client takes.
    pub answers: bool,
    /// How many bytes of an answer wait in memory: all of `proxy_buffers`.
    pub answer_memory: usize,
    /// `proxy_max_temp_file_size`: how many bytes of an answer may wait in a file; 0 for none.
    pub answer_file: u64,
    /// `proxy_temp_path`: the folder of those files.
    pub answer_folder: Option<PathBuf>,
    /// `proxy_request_buffering`: whether an upstream is only asked when all of a request has arrived.
    pub requests: bool,
    /// `client_body_buffer_size`: how many bytes of a body wait in memory before they go into a file.
    pub request_memory: usize,
    /// `client_body_temp_path`: the folder of those files.
    pub request_folder: Option<PathBuf>,
}

/// What the directives of one block say.
#[derive(Debug, Clone, Default)]
pub(super) struct BufferingLevel {
    answers: Option<bool>,
    answer_memory: Option<usize>,
    answer_file: Option<u64>,
    answer_folder: Option<PathBuf>,
    requests: Option<bool>,
    request_memory: Option<usize>,
    request_folder: Option<PathBuf>,
}

impl BufferingLevel {
    pub(super) fn read(&mut self, directive: &Directive, prefix: &std::path::Path) -> Result<(), ConfError> {
        match directive.name.as_str() {
            "proxy_buffering" => self.answers = Some(directive.flag()?),
            "proxy_buffers" => self.answer_memory = Some(buffers(directive)?),
            // one piece of what waits, of which lab has no fixed ones: the values have to be some
            "proxy_buffer_size" | "proxy_busy_buffers_size" | "proxy_temp_file_write_size" => {
                directive.size()?;
            }
            "proxy_max_temp_file_size" => self.answer_file = Some(directive.size()?),
            "proxy_temp_path" => self.answer_folder = Some(folder(directive, prefix)?),
            "proxy_request_buffering" => self.requests = Some(directive.flag()?),
            "client_body_buffer_size" => self.request_memory = Some(memory(directive, directive.size()?)?),
            "client_body_temp_path" => self.request_folder = Some(folder(directive, prefix)?),
            _ => {}
        }
        Ok(())
    }

    pub(super) fn inherit(self, outer: &BufferingLevel) -> BufferingLevel {
        BufferingLevel {
            answers: self.answers.or(outer.answers),
            answer_memory: self.answer_memory.or(outer.answer_memory),
            answer_file: self.answer_file.or(outer.answer_file),
            answer_folder: self.answer_folder.or_else(|| outer.answer_folder.clone()),
            requests: self.requests.or(outer.requests),
            request_memory: self.request_memory.or(outer.request_memory),
            request_folder: self.request_folder.or_else(|| outer.request_folder.clone()),
        }
    }

    /// What holds, with nginx's defaults where nothing is said: pages are 4 KiB.
    pub(super) fn finish(&self) -> Buffering {
        Buffering {
            answers: self.answers.unwrap_or(true),
            answer_memory: self.answer_memory.unwrap_or(8 * 4096),
            answer_file: self.answer_file.unwrap_or(1 << 30),
            answer_folder: self.answer_folder.clone(),
            requests: self.requests.unwrap_or(true),
            request_memory: self.request_memory.unwrap_or(2 * 8192),
            request_folder: self.request_folder.clone(),
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

fn memory(directive: &Directive, size: u64) -> Result<usize, ConfError> {
    usize::try_from(size).map_err(|_| directive.invalid(directive.first(), "a size that fits into memory"))
}

/// The folder; lab's files there have no names, so that levels of folders below it are of no use.
fn folder(directive: &Directive, prefix: &std::path::Path) -> Result<PathBuf, ConfError> {
    for level in directive.args.iter().skip(1).map(|arg| arg.value.as_str()) {
        if !matches!(level, "1" | "2") {
            return Err(directive.invalid(level, "a folder, then up to three levels, each 1 or 2"));
        }
    }
    Ok(prefix.join(directive.first()))
}
