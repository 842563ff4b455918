//! Filters of content.

use std::future::pending;
use std::task::Poll;

use lab_net::deadline::now_or_pending;

use super::brotli::Brotli;
use super::gunzip::Gunzip;
use super::gzip::Gzip;
use super::progress::Progress;
use super::substitution::Substitution;
use super::zstd::Zstd;
use crate::response::{Body, BodyError};

/// Changes content piece by piece.
///
/// An enum instead of a trait object: most responses pass no filter, the others one.
#[derive(Debug)]
pub(crate) enum ContentFilter {
    Brotli(Brotli),
    Gzip(Gzip),
    Gunzip(Gunzip),
    Substitution(Substitution),
    Zstd(Zstd),
}

impl ContentFilter {
    /// Appends the output for a piece of content.
    fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        match self {
            ContentFilter::Brotli(brotli) => brotli.push(input, progress, out),
            ContentFilter::Gzip(gzip) => gzip.push(input, progress, out),
            ContentFilter::Gunzip(gunzip) => gunzip.push(input, progress, out),
            ContentFilter::Substitution(substitution) => substitution.push(input, progress, out),
            ContentFilter::Zstd(zstd) => zstd.push(input, progress, out),
        }
    }
}

/// The filters that a body passes, in order.
#[derive(Debug)]
pub(crate) struct FilterChain {
    steps: Vec<ContentFilter>,
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
            output: Vec::new(),
            scratch: Vec::new(),
            flushes: false,
            holds_content: false,
            is_finished: false,
        }
    }

    pub(crate) fn push(&mut self, step: ContentFilter) {
        self.steps.push(step);
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
                    run(&mut self.steps, piece, Progress::AsConvenient, &mut self.output, &mut self.scratch)?;
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
        run(&mut self.steps, &[], progress, &mut self.output, &mut self.scratch)?;
        Ok(Some(&self.output))
    }
}

/// Replaces `output` with what the filters make of the input.
fn run(
    steps: &mut [ContentFilter],
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
    for step in rest {
        std::mem::swap(output, scratch);
        output.clear();
        step.push(scratch, progress, output)?;
    }
    Ok(())
}
