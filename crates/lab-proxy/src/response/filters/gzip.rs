//! `gzip`: compresses responses.

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress, Status};
use libdeflater::{CompressionLvl, Compressor};

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

/// The longest content that is compressed in one piece. Longer content, and content that a client must be able to use
/// early, is compressed as a stream.
const MAX_WHOLE: usize = 64 * 1024;

/// The window of deflate, as a power of 2.
const WINDOW_BITS: u8 = 15;
/// How much room the output of a stream gets at a time.
const ROOM: usize = 16 * 1024;

/// How many idle streams a worker keeps: about 1 MiB.
const MAX_IDLE: usize = 4;

thread_local! {
    /// The compressors of whole contents, by level: one of each is enough, because it is never used across a wait.
    static WHOLE: RefCell<Vec<(u32, Compressor)>> = const { RefCell::new(Vec::new()) };
    /// The streams of earlier responses, by level. A new one has a quarter of a megabyte to clear.
    static IDLE: RefCell<Vec<(Compression, Compress)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug)]
pub(crate) struct Gzip {
    level: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The content so far. libdeflate takes half the time of zlib-rs, but needs the whole content at once.
    Collected(Vec<u8>),
    Streaming(Compress),
    Ended,
}

impl Gzip {
    pub(super) fn new(level: u32) -> Gzip {
        Gzip { level, state: State::Collected(Vec::new()) }
    }

    pub(super) fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        match &mut self.state {
            State::Ended => Ok(()),
            State::Streaming(_) => self.push_to_stream(input, progress, out),
            State::Collected(content) if content.len() + input.len() > MAX_WHOLE || progress == Progress::Flush => {
                let content = std::mem::take(content);
                self.state = State::Streaming(idle_stream(self.level));
                self.push_to_stream(&content, Progress::AsConvenient, out)?;
                self.push_to_stream(input, progress, out)
            }
            State::Collected(content) => {
                content.extend_from_slice(input);
                if progress == Progress::Finish {
                    compress_whole(self.level, content, out)?;
                    self.state = State::Ended;
                }
                Ok(())
            }
        }
    }

    fn push_to_stream(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let flush = match progress {
            Progress::AsConvenient => FlushCompress::None,
            Progress::Flush => FlushCompress::Sync,
            Progress::Finish => FlushCompress::Finish,
        };
        let State::Streaming(stream) = &mut self.state else { return Ok(()) };
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

    /// Keeps the stream for another response.
    fn release(&mut self) {
        let State::Streaming(mut stream) = std::mem::replace(&mut self.state, State::Ended) else { return };
        IDLE.with_borrow_mut(|idle| {
            if idle.len() < MAX_IDLE {
                stream.reset();
                idle.push((stream_level(self.level), stream));
            }
        });
    }
}

fn compress_whole(level: u32, content: &[u8], out: &mut Vec<u8>) -> Result<(), BodyError> {
    WHOLE.with_borrow_mut(|compressors| {
        let position = compressors.iter().position(|(own, _)| *own == level).unwrap_or_else(|| {
            let valid = i32::try_from(level).ok().and_then(|level| CompressionLvl::new(level).ok());
            compressors.push((level, Compressor::new(valid.unwrap_or_default())));
            compressors.len() - 1
        });
        let compressor = &mut compressors[position].1;
        let start = out.len();
        out.resize(start + compressor.gzip_compress_bound(content.len()), 0);
        let length = compressor.gzip_compress(content, &mut out[start..]);
        let length = length.map_err(|error| BodyError::Filter(format!("deflate() failed ({error})")))?;
        out.truncate(start + length);
        Ok(())
    })
}

/// A stream at the beginning.
fn idle_stream(level: u32) -> Compress {
    let level = stream_level(level);
    let idle = IDLE.with_borrow_mut(|idle| {
        let position = idle.iter().position(|(own, _)| *own == level)?;
        Some(idle.swap_remove(position).1)
    });
    idle.unwrap_or_else(|| Compress::new_gzip(level, WINDOW_BITS))
}

/// The level of zlib-rs that leaves about as many bytes as zlib does at nginx's `level`. Level 1 of zlib-rs has a fixed
/// code, which leaves a third more.
fn stream_level(level: u32) -> Compression {
    Compression::new(level.max(2))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

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

    /// The gzip member that the content makes in pieces of `size` bytes.
    fn pack(level: u32, content: &[u8], size: usize) -> Vec<u8> {
        let mut packed = Vec::new();
        let mut gzip = Gzip::new(level);
        for piece in content.chunks(size) {
            gzip.push(piece, Progress::AsConvenient, &mut packed).unwrap();
        }
        gzip.push(&[], Progress::Finish, &mut packed).unwrap();
        packed
    }

    fn unpack(packed: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        GzDecoder::new(packed).read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn content_of_any_length_survives() {
        let document = records().repeat(8);
        for length in [0, 1, 5_000, MAX_WHOLE - 1, MAX_WHOLE, MAX_WHOLE + 1, 120_000] {
            for level in 1..=9 {
                for size in [7_000, MAX_WHOLE, 200_000] {
                    let content = &document.as_bytes()[..length];
                    assert!(unpack(&pack(level, content, size)) == content, "{length} bytes at level {level}");
                }
            }
        }
    }

    #[test]
    fn flushed_content_can_be_used() {
        let mut packed = Vec::new();
        let mut gzip = Gzip::new(1);
        gzip.push(b"first", Progress::AsConvenient, &mut packed).unwrap();
        gzip.push(b", second", Progress::Flush, &mut packed).unwrap();
        let mut content = [0; 13];
        GzDecoder::new(&*packed).read_exact(&mut content).unwrap();
        assert_eq!(&content, b"first, second");
        gzip.push(b", third", Progress::Finish, &mut packed).unwrap();
        assert_eq!(unpack(&packed), b"first, second, third");
    }

    #[test]
    fn used_stream_is_like_a_new_one() {
        let document = records().repeat(8);
        let document = &document.as_bytes()[..100_000];
        let new = pack(6, document, 7_000);
        assert_eq!(IDLE.with_borrow(Vec::len), 1);
        pack(6, &[b'x'; 300_000], 7_000);
        assert_eq!(pack(6, document, 7_000), new);
        assert_ne!(pack(1, document, 7_000), new);
        assert_eq!(IDLE.with_borrow(Vec::len), 2);
        // one that does not come to its end is not used again
        Gzip::new(6).push(document, Progress::Flush, &mut Vec::new()).unwrap();
        assert_eq!(IDLE.with_borrow(Vec::len), 1);
        assert_eq!(pack(6, document, 7_000), new);
    }

    #[test]
    fn default_level_leaves_about_what_zlib_does() {
        // of zlib 1.2.13 at level 1, with the memory that nginx gives it
        const ZLIB: usize = 2794;
        let whole = pack(1, records().as_bytes(), MAX_WHOLE).len();
        let mut stream = Vec::new();
        let mut gzip = Gzip::new(1);
        gzip.push(&[], Progress::Flush, &mut stream).unwrap();
        gzip.push(records().as_bytes(), Progress::Finish, &mut stream).unwrap();
        for length in [whole, stream.len()] {
            assert!(length < ZLIB * 11 / 10, "{length} bytes");
        }
    }
}
