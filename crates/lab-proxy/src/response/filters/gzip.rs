//! `gzip`: compresses responses.

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

#[derive(Debug)]
pub(crate) struct Gzip {
    stream: Compress,
}

impl Gzip {
    pub(super) fn new(level: u32) -> Gzip {
        Gzip { stream: Compress::new_gzip(compression(level), WINDOW_BITS) }
    }

    pub(super) fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let flush = match progress {
            Progress::AsConvenient => FlushCompress::None,
            Progress::Flush => FlushCompress::Sync,
            Progress::Finish => FlushCompress::Finish,
        };
        let mut rest = input;
        loop {
            out.reserve(ROOM);
            let before = self.stream.total_in();
            let status = self.stream.compress_vec(rest, out, flush);
            let status = status.map_err(|error| BodyError::Filter(format!("deflate() failed ({error})")))?;
            let taken = usize::try_from(self.stream.total_in() - before).unwrap_or(rest.len());
            rest = &rest[taken.min(rest.len())..];
            // room that is left means that nothing is held back
            let has_room = out.len() < out.capacity();
            match progress {
                Progress::Finish if status != Status::StreamEnd => {}
                Progress::AsConvenient | Progress::Flush if !rest.is_empty() || !has_room => {}
                _ => return Ok(()),
            }
        }
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

    /// The list of records that `benches/peers` has compressed.
    fn json_document() -> String {
        let mut text = "[".to_owned();
        let mut seed = 1_u64;
        while text.len() < 20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (id, name) = (seed >> 40, format!("{:x}", seed >> 20));
            text.push_str(&format!(
                "{{\"id\": {id}, \"name\": \"{name}\", \"email\": \"{name}@example.org\", \"is_active\": {}, \"tags\": []}},\n",
                id % 3 == 0
            ));
        }
        text.push_str("null]");
        text
    }

    #[test]
    fn default_level_leaves_about_what_zlib_does() {
        // of nginx 1.22 with zlib 1.2.13
        const ZLIB: usize = 3618;
        let mut packed = Vec::new();
        Gzip::new(1).push(json_document().as_bytes(), Progress::Finish, &mut packed).unwrap();
        assert!(packed.len().abs_diff(ZLIB) < ZLIB / 10, "{} bytes", packed.len());
    }
}
