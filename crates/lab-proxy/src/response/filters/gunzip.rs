//! `gunzip`: decompresses responses for clients that do not accept gzip.

use flate2::{Decompress, FlushDecompress, Status};

use super::progress::Progress;
use super::recode;
use crate::context::RequestContext;
use crate::phases::accepts_gzip;
use crate::response::{BodyError, Response};

/// Decompresses the response if the client does not accept it as it is.
pub(super) fn apply(context: &RequestContext<'_>, response: &mut Response) -> Option<Gunzip> {
    let rules = &context.config().gzip;
    if !rules.gunzip {
        return None;
    }
    let fields = response.head.fields();
    if !fields.get("content-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case(b"gzip")) {
        return None;
    }
    let is_accepted = accepts_gzip(context.request.head, rules, fields);
    if !is_accepted {
        recode(response);
    }
    response.varies = true;
    (!is_accepted && !context.is_head()).then(Gunzip::new)
}

const WINDOW_BITS: u8 = 15;
/// How much room the output gets at a time.
const ROOM: usize = 16 * 1024;

/// A decompressor of one or more gzip members (RFC 1952 §2.2).
#[derive(Debug)]
pub(crate) struct Gunzip {
    stream: Decompress,
    /// Whether the current member has ended.
    is_at_end: bool,
}

impl Gunzip {
    fn new() -> Gunzip {
        Gunzip { stream: Decompress::new_gzip(WINDOW_BITS), is_at_end: false }
    }

    pub(super) fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let mut rest = input;
        loop {
            if self.is_at_end {
                if rest.is_empty() {
                    return Ok(());
                }
                self.stream = Decompress::new_gzip(WINDOW_BITS);
                self.is_at_end = false;
            }
            out.reserve(ROOM);
            let before = self.stream.total_in();
            let status = self.stream.decompress_vec(rest, out, FlushDecompress::None);
            let status = status.map_err(|error| BodyError::Filter(format!("inflate() failed ({error})")))?;
            let taken = usize::try_from(self.stream.total_in() - before).unwrap_or(rest.len());
            rest = &rest[taken.min(rest.len())..];
            self.is_at_end = status == Status::StreamEnd;
            let is_done = rest.is_empty() && (self.is_at_end || out.len() < out.capacity());
            if is_done && progress == Progress::Finish && !self.is_at_end {
                return Err(BodyError::Filter("upstream prematurely closed the gzip stream".to_owned()));
            }
            if is_done {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::gzip::Gzip;
    use super::*;

    #[test]
    fn content_survives_both_directions() {
        let content: Vec<u8> = (0..300_000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
        let mut gzip = Gzip::new(6);
        let mut packed = Vec::new();
        for (index, piece) in content.chunks(70_000).enumerate() {
            let progress = if index == 1 { Progress::Flush } else { Progress::AsConvenient };
            gzip.push(piece, progress, &mut packed).unwrap();
        }
        gzip.push(&[], Progress::Finish, &mut packed).unwrap();
        assert!(packed.len() < content.len() / 2);
        // two members, byte by byte and in pieces
        for size in [1, 1000, usize::MAX] {
            let doubled = [&*packed, &*packed].concat();
            let mut gunzip = Gunzip::new();
            let mut unpacked = Vec::new();
            for piece in doubled.chunks(size.min(doubled.len())) {
                gunzip.push(piece, Progress::AsConvenient, &mut unpacked).unwrap();
            }
            gunzip.push(&[], Progress::Finish, &mut unpacked).unwrap();
            assert_eq!(unpacked.len(), 2 * content.len());
            assert!(unpacked.starts_with(&content) && unpacked.ends_with(&content));
        }
        let mut cut = Gunzip::new();
        cut.push(&packed[..packed.len() / 2], Progress::AsConvenient, &mut Vec::new()).unwrap();
        assert!(cut.push(&[], Progress::Finish, &mut Vec::new()).is_err());
    }

    #[test]
    fn flushed_content_can_be_used_at_once() {
        let (mut gzip, mut gunzip) = (Gzip::new(1), Gunzip::new());
        let (mut packed, mut unpacked) = (Vec::new(), Vec::new());
        gzip.push(b"data: 1\n\n", Progress::Flush, &mut packed).unwrap();
        gunzip.push(&packed, Progress::AsConvenient, &mut unpacked).unwrap();
        assert_eq!(unpacked, b"data: 1\n\n");
    }
}
