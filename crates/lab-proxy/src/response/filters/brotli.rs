//! `brotli`: compresses responses with brotli (RFC 7932).

use std::io::Write as _;

use brotli::CompressorWriter;

use super::compressible::announce;
use super::progress::Progress;
use crate::context::RequestContext;
use crate::response::{BodyError, Response};

/// Compresses the response if the configuration and the request allow it.
pub(super) fn apply(context: &RequestContext<'_>, response: &mut Response) -> Option<Brotli> {
    let rules = &context.config().brotli;
    announce(context, response, &rules.coding, "br").then(|| Brotli::new(rules.coding.level, rules.window_bits))
}

/// The bytes of input that are compressed at a time.
const INPUT: usize = 4096;

pub(crate) struct Brotli {
    /// None at the end.
    writer: Option<Box<CompressorWriter<Vec<u8>>>>,
}

impl Brotli {
    fn new(level: u32, window_bits: u32) -> Brotli {
        Brotli { writer: Some(Box::new(CompressorWriter::new(Vec::new(), INPUT, level, window_bits))) }
    }

    pub(super) fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let failed = |error: std::io::Error| BodyError::Filter(format!("brotli failed ({error})"));
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write_all(input).map_err(failed)?;
        if progress == Progress::Flush {
            writer.flush().map_err(failed)?;
        }
        if progress == Progress::Finish {
            // taking the inner writer ends the stream
            out.extend(self.writer.take().map(|writer| writer.into_inner()).unwrap_or_default());
        } else {
            out.append(writer.get_mut());
        }
        Ok(())
    }
}

impl std::fmt::Debug for Brotli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Brotli").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn decompress(packed: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        // the end of a stream that was only flushed is missing
        _ = brotli::Decompressor::new(packed, 4096).read_to_end(&mut content);
        content
    }

    #[test]
    fn content_is_complete_at_flushes_and_end() {
        let content: Vec<u8> = (0..50_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
        for level in [0, 6] {
            let mut brotli = Brotli::new(level, 19);
            let mut packed = Vec::new();
            brotli.push(b"data: 1\n\n", Progress::Flush, &mut packed).unwrap();
            assert_eq!(decompress(&packed), b"data: 1\n\n");
            for piece in content.chunks(70_000) {
                brotli.push(piece, Progress::AsConvenient, &mut packed).unwrap();
            }
            brotli.push(&[], Progress::Finish, &mut packed).unwrap();
            assert_eq!(decompress(&packed), [b"data: 1\n\n", &*content].concat());
            assert!(packed.len() < content.len() / 2);
        }
    }
}
