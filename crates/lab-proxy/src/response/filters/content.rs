//! Filters of content.

use std::future::pending;
use std::task::Poll;

use lab_net::deadline::now_or_pending;

use super::brotli::Brotli;
use super::gunzip::Gunzip;
use super::gzip::Gzip;
use super::progress::Progress;
use super::recoding::Recoding;
use super::substitution::Substitution;
use super::zstd::Zstd;
use crate::eval::Compression;
use crate::response::{Body, BodyError};

/// Changes content piece by piece.
///
/// An enum instead of a trait object: most responses pass no filter, the others one.
#[derive(Debug)]
pub(crate) enum ContentFilter {
    Brotli(Brotli),
    Gzip(Gzip),
    Gunzip(Gunzip),
    Recoding(Recoding),
    Substitution(Substitution),
    Zstd(Zstd),
}

impl ContentFilter {
    /// The content coding of a filter that compresses.
    fn coding(&self) -> Option<&'static str> {
        match self {
            ContentFilter::Brotli(_) => Some("br"),
            ContentFilter::Gzip(_) => Some("gzip"),
            ContentFilter::Zstd(_) => Some("zstd"),
            ContentFilter::Gunzip(_) | ContentFilter::Recoding(_) | ContentFilter::Substitution(_) => None,
        }
    }

    /// Appends the output for a piece of content.
    fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        match self {
            ContentFilter::Brotli(brotli) => brotli.push(input, progress, out),
            ContentFilter::Gzip(gzip) => gzip.push(input, progress, out),
            ContentFilter::Gunzip(gunzip) => gunzip.push(input, progress, out),
            ContentFilter::Recoding(recoding) => {
                recoding.push(input, progress, out);
                Ok(())
            }
            ContentFilter::Substitution(substitution) => substitution.push(input, progress, out),
            ContentFilter::Zstd(zstd) => zstd.push(input, progress, out),
        }
    }
}

/// The bytes that gzip's format adds to those of deflate (RFC 1952 §2.3).
const GZIP_FRAME: u64 = 18;

/// The filters that a body passes, in order.
#[derive(Debug)]
pub(crate) struct FilterChain {
    steps: Vec<ContentFilter>,
    /// Counted so far, if a filter compresses.
    compression: Option<Compression>,
    output: Vec<u8>,
    scratch: Vec<u8>,
    /// Whether content is flushed when the source has no more for now.
    flushes: bool,
    /// Whether content went in since the last flush.
    holds_content: bool,
    is_finished: bool,
}

impl FilterChain {
    pub(crate) fn new() -> FilterChain {
        FilterChain {
            steps: Vec::new(),
            compression: None,
            output: Vec::new(),
            scratch: Vec::new(),
            flushes: false,
            holds_content: false,
            is_finished: false,
        }
    }

    pub(crate) fn push(&mut self, step: ContentFilter) {
        let compression = step.coding().map(|coding| Compression { coding, input: 0, output: 0 });
        self.compression = self.compression.or(compression);
        self.steps.push(step);
    }

    /// Whether content is as long afterwards as it was.
    pub(crate) fn keeps_length(&self) -> bool {
        let keeps = |step: &ContentFilter| matches!(step, ContentFilter::Recoding(recoding) if recoding.keeps_length());
        self.steps.iter().all(keeps)
    }

    /// The effect of compression; none before the end of the content, or without a filter that compresses.
    pub(crate) fn compression(&self) -> Option<Compression> {
        let compression = self.compression.filter(|_| self.is_finished)?;
        // as in nginx, the head and the end of gzip's format do not count
        let frame = if compression.coding == "gzip" { GZIP_FRAME } else { 0 };
        Some(Compression { output: compression.output.saturating_sub(frame), ..compression })
    }

    /// Has content flushed whenever the source waits, as nginx does without `proxy_buffering`.
    pub(crate) fn flush_when_idle(&mut self) {
        self.flushes = true;
    }

    /// The next piece of the filtered content, which may be empty; none at the end. Cancel-safe.
    pub(crate) async fn next_piece(&mut self, body: &mut Body) -> Result<Option<&[u8]>, BodyError> {
        if self.is_finished {
            return Ok(None);
        }
        let progress = match now_or_pending(body.next_piece()).await {
            Poll::Ready(piece) => match piece? {
                Some(piece) => {
                    let FilterChain { steps, compression, output, scratch, .. } = self;
                    run(steps, compression, piece, Progress::AsConvenient, output, scratch)?;
                    self.holds_content = true;
                    return Ok(Some(&self.output));
                }
                None => {
                    self.is_finished = true;
                    Progress::Finish
                }
            },
            Poll::Pending if self.flushes && self.holds_content => Progress::Flush,
            Poll::Pending => return pending().await,
        };
        self.holds_content = false;
        run(&mut self.steps, &mut self.compression, &[], progress, &mut self.output, &mut self.scratch)?;
        Ok(Some(&self.output))
    }
}

/// Replaces `output` with what the filters make of the input.
fn run(
    steps: &mut [ContentFilter],
    compression: &mut Option<Compression>,
    input: &[u8],
    progress: Progress,
    output: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
) -> Result<(), BodyError> {
    output.clear();
    let Some((first, rest)) = steps.split_first_mut() else {
        output.extend_from_slice(input);
        return Ok(());
    };
    first.push(input, progress, output)?;
    count(first, compression, input, output);
    for step in rest {
        std::mem::swap(output, scratch);
        output.clear();
        step.push(scratch, progress, output)?;
        count(step, compression, scratch, output);
    }
    Ok(())
}

fn count(step: &ContentFilter, compression: &mut Option<Compression>, input: &[u8], output: &[u8]) {
    if let Some(compression) = compression.as_mut().filter(|compression| step.coding() == Some(compression.coding)) {
        compression.input += input.len() as u64;
        compression.output += output.len() as u64;
    }
}
