//! `zstd`: compresses responses with Zstandard (RFC 8878).

use std::io::{self, Write as _};

use zstd::stream::write::Encoder;

use super::compressible::announce;
use super::progress::Progress;
use crate::context::RequestContext;
use crate::response::{BodyError, Response};

/// Compresses the response if the configuration and the request allow it.
pub(super) fn apply(context: &RequestContext<'_>, response: &mut Response) -> Option<Zstd> {
    let rules = &context.config().zstd;
    announce(context, response, rules, "zstd").then_some(Zstd { level: rules.level, state: State::New })
}

/// The largest window that every decoder of the content coding has, as a power of 2 (RFC 9659 §3).
const WINDOW_BITS: u32 = 23;
/// The highest level that has no larger window by default.
const MAX_LEVEL_WITHIN_WINDOW: u32 = 19;

pub(crate) struct Zstd {
    level: u32,
    state: State,
}

enum State {
    New,
    Open(Encoder<'static, Vec<u8>>),
    Finished,
}

impl Zstd {
    pub(super) fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        self.encode(input, progress, out).map_err(|error| BodyError::Filter(format!("zstd failed ({error})")))
    }

    fn encode(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> io::Result<()> {
        let mut encoder = match std::mem::replace(&mut self.state, State::Finished) {
            State::New => encoder(self.level)?,
            State::Open(encoder) => encoder,
            State::Finished => return Ok(()),
        };
        encoder.write_all(input)?;
        if progress == Progress::Finish {
            out.extend(encoder.finish()?);
            return Ok(());
        }
        if progress == Progress::Flush {
            encoder.flush()?;
        }
        out.append(encoder.get_mut());
        self.state = State::Open(encoder);
        Ok(())
    }
}

fn encoder(level: u32) -> io::Result<Encoder<'static, Vec<u8>>> {
    let mut encoder = Encoder::new(Vec::new(), level.cast_signed())?;
    if level > MAX_LEVEL_WITHIN_WINDOW {
        encoder.window_log(WINDOW_BITS)?;
    }
    Ok(encoder)
}

impl std::fmt::Debug for Zstd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zstd").field("level", &self.level).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn decompress(packed: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        let mut decoder = zstd::stream::read::Decoder::new(packed).unwrap();
        decoder.window_log_max(WINDOW_BITS).unwrap();
        // the end of a stream that was only flushed is missing
        _ = decoder.read_to_end(&mut content);
        content
    }

    #[test]
    fn content_is_complete_at_flushes_and_end() {
        let content: Vec<u8> = (0..50_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
        for level in [1, 19, 22] {
            let mut zstd = Zstd { level, state: State::New };
            let mut packed = Vec::new();
            zstd.push(b"data: 1\n\n", Progress::Flush, &mut packed).unwrap();
            assert_eq!(decompress(&packed), b"data: 1\n\n");
            for piece in content.chunks(70_000) {
                zstd.push(piece, Progress::AsConvenient, &mut packed).unwrap();
            }
            zstd.push(&[], Progress::Finish, &mut packed).unwrap();
            assert_eq!(decompress(&packed), [b"data: 1\n\n", &*content].concat());
            assert!(packed.len() < content.len() / 2);
        }
    }
}
