//! `gzip`: compresses responses.

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::compressible::is_compressible;
use super::progress::Progress;
use super::recode;
use crate::context::RequestContext;
use crate::phases::accepts_gzip;
use crate::response::{BodyError, Response};

/// Compresses the response if the configuration and the request allow it.
pub(super) fn apply(context: &RequestContext<'_>, response: &mut Response) -> Option<Gzip> {
    let rules = &context.config().gzip;
    if !rules.is_on || !is_compressible(response, rules.min_length, &rules.types) {
        return None;
    }
    let fields = response.head.fields();
    // as in nginx: the date of a file does not count for `gzip_proxied no_last_modified`
    let is_accepted = match response.ranges {
        Some(_) => {
            let mut counted = fields.clone();
            counted.remove("Last-Modified");
            accepts_gzip(context.request.head, rules, &counted)
        }
        None => accepts_gzip(context.request.head, rules, fields),
    };
    if is_accepted {
        recode(response);
        response.head.fields_mut().push("Content-Encoding", "gzip");
    }
    response.varies = true;
    (is_accepted && !context.is_head()).then(|| Gzip::new(rules.level))
}

/// The window of deflate, as a power of 2.
const WINDOW_BITS: u8 = 15;
/// How much room the output gets at a time.
const ROOM: usize = 16 * 1024;

/// How many idle compressors a worker keeps: about 1 MiB.
const MAX_IDLE: usize = 4;

thread_local! {
    /// The compressors of earlier responses, by level. A new one has a quarter of a megabyte to clear.
    static IDLE: RefCell<Vec<(Compression, Compress)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
pub(crate) struct Gzip {
    level: Compression,
    /// None at the end.
    stream: Option<Compress>,
}

impl Gzip {
    pub(super) fn new(level: u32) -> Gzip {
        let level = compression(level);
        let idle = IDLE.with_borrow_mut(|idle| {
            let position = idle.iter().position(|(own, _)| *own == level)?;
            Some(idle.swap_remove(position).1)
        });
        Gzip { level, stream: Some(idle.unwrap_or_else(|| Compress::new_gzip(level, WINDOW_BITS))) }
    }

    pub(super) fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let flush = match progress {
            Progress::AsConvenient => FlushCompress::None,
            Progress::Flush => FlushCompress::Sync,
            Progress::Finish => FlushCompress::Finish,
        };
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let mut rest = input;
        loop {
            out.reserve(ROOM);
            let before = stream.total_in();
            let status = stream.compress_vec(rest, out, flush);
            let status = status.map_err(|error| BodyError::Filter(format!("deflate() failed ({error})")))?;
            let taken = usize::try_from(stream.total_in() - before).unwrap_or(rest.len());
            rest = &rest[taken.min(rest.len())..];
            // room that is left means that nothing is held back
            let has_room = out.len() < out.capacity();
            match progress {
                Progress::Finish if status != Status::StreamEnd => {}
                Progress::AsConvenient | Progress::Flush if !rest.is_empty() || !has_room => {}
                Progress::AsConvenient | Progress::Flush => return Ok(()),
                Progress::Finish => {
                    self.release();
                    return Ok(());
                }
            }
        }
    }

    /// Keeps the compressor for another response.
    fn release(&mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        IDLE.with_borrow_mut(|idle| {
            if idle.len() < MAX_IDLE {
                stream.reset();
                idle.push((self.level, stream));
            }
        });
    }
}

/// The level of zlib-rs that leaves about as many bytes as zlib does at nginx's `level`. Level 1 of zlib-rs has a fixed
/// code, which leaves a third more.
fn compression(level: u32) -> Compression {
    Compression::new(level.max(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records as an API sends them. Their names do not repeat.
    fn records() -> String {
        let record = |id: u64| {
            let name = id.wrapping_mul(6_364_136_223_846_793_005) >> 40;
            format!(
                "{{\"id\": {id}, \"name\": \"{name:x}\", \"is_active\": {}, \"tags\": []}},\n",
                id.is_multiple_of(3)
            )
        };
        (0..300).map(record).collect()
    }

    #[test]
    fn used_compressor_is_like_a_new_one() {
        let pack = |level: u32, content: &[u8]| {
            let mut packed = Vec::new();
            let mut gzip = Gzip::new(level);
            for piece in content.chunks(7000) {
                gzip.push(piece, Progress::AsConvenient, &mut packed).unwrap();
            }
            gzip.push(&[], Progress::Finish, &mut packed).unwrap();
            packed
        };
        let document = records();
        let new = pack(6, document.as_bytes());
        assert_eq!(IDLE.with_borrow(Vec::len), 1);
        pack(6, &[b'x'; 300_000]);
        assert_eq!(pack(6, document.as_bytes()), new);
        assert_ne!(pack(1, document.as_bytes()), new);
        assert_eq!(IDLE.with_borrow(Vec::len), 2);
        // one that does not come to its end is not used again
        Gzip::new(6).push(document.as_bytes(), Progress::Flush, &mut Vec::new()).unwrap();
        assert_eq!(IDLE.with_borrow(Vec::len), 1);
        assert_eq!(pack(6, document.as_bytes()), new);
    }

    #[test]
    fn default_level_leaves_about_what_zlib_does() {
        // of zlib 1.2.13 at level 1, with the memory that nginx gives it
        const ZLIB: usize = 2794;
        let mut packed = Vec::new();
        Gzip::new(1).push(records().as_bytes(), Progress::Finish, &mut packed).unwrap();
        assert!(packed.len().abs_diff(ZLIB) < ZLIB / 10, "{} bytes", packed.len());
    }
}
