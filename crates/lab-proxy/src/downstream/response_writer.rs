//! Writes a response to the client: the head, and the body as fast as the client accepts it.

mod sendfile;

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use lab_http::h1::outgoing::WriteError;
use lab_http::http2::{ResponseHalf, fields};
use lab_http::{BodyEncoder, BodyLength, Headers, Outgoing};

use crate::config::proxy::buffering::BufferingConfig;
use crate::context::{ClientWriteHalf, ConnectionDisposition, CountingWriter, Persistence, RequestContext};
use crate::downstream::head_writer::{write_head, write_informational_head};
use crate::downstream::response_buffer::ResponseBuffer;
use crate::downstream::stream_fields;
use crate::response::{Body, BodyError, FilterChain, Head};
use lab_net::deadline::{TimedOut, Timer, now_or_pending};
use lab_net::turn::TurnBudget;

/// How many bytes a piece counts that a filter has kept back.
const FILTERED: usize = 64 * 1024;

/// The writing side of a client, while one response is written.
#[derive(Debug)]
pub(crate) struct ResponseWriter<'w, 's> {
    pub(crate) outgoing: &'w mut Outgoing<CountingWriter<ClientWriteHalf<'s>>>,
    timer: &'w mut Timer,
    send_timeout: Duration,
    /// Bytes that the connection had sent before this response's head.
    bytes_before: u64,
    framing: BodyLength,
    /// The body that the stream's next flush ends.
    complete: Option<CompleteBody>,
}

/// Evaluates the trailers at the end of a body.
pub(crate) type Trailers<'t> = &'t (dyn Fn() -> Headers + 't);

/// A body that was read to its end. On a stream its end is no part of the content.
#[derive(Debug)]
struct CompleteBody {
    trailers: Option<Headers>,
}

/// How far a body is read ahead of a slow client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadAhead<'b> {
    pub(crate) buffering: &'b BufferingConfig,
    /// Whether content beyond the memory limit goes to a spool file, instead of holding up the source.
    pub(crate) spools: bool,
}

impl ReadAhead<'_> {
    /// How many bytes may wait in memory.
    fn memory(&self) -> usize {
        if self.spools { self.buffering.response_memory } else { self.buffering.head }
    }
}

#[derive(Debug)]
pub(crate) enum SendError {
    /// The client is gone, or accepts no more bytes.
    Client { disposition: ConnectionDisposition, message: String },
    /// The source of the body failed.
    Body(BodyError),
    /// The source of the body sent nothing for too long.
    BodyTimedOut,
    /// The spool file failed.
    SpoolFile(io::Error),
}

impl SendError {
    pub(crate) fn message(&self) -> String {
        match self {
            SendError::Client { message, .. } => message.clone(),
            SendError::Body(error) => error.to_string(),
            SendError::BodyTimedOut => "upstream timed out while reading upstream".to_owned(),
            SendError::SpoolFile(error) => format!("a temporary file for the response failed ({error})"),
        }
    }

    fn timed_out() -> SendError {
        SendError::Client { disposition: ConnectionDisposition::Reset, message: "client timed out".to_owned() }
    }
}

impl From<WriteError> for SendError {
    fn from(error: WriteError) -> SendError {
        let message = format!("send() to the client failed ({error})");
        SendError::Client { disposition: ConnectionDisposition::Abort, message }
    }
}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> SendError {
        let message = format!("send() to the client failed ({error})");
        SendError::Client { disposition: ConnectionDisposition::Abort, message }
    }
}

impl<'w, 's> ResponseWriter<'w, 's> {
    pub(crate) fn new(
        outgoing: &'w mut Outgoing<CountingWriter<ClientWriteHalf<'s>>>,
        timer: &'w mut Timer,
        send_timeout: Duration,
    ) -> ResponseWriter<'w, 's> {
        let bytes_before = outgoing.io_mut().bytes;
        let framing = BodyLength::None;
        ResponseWriter { outgoing, timer, send_timeout, bytes_before, framing, complete: None }
    }

    /// Puts a head into the output buffer, where the body follows it.
    pub(crate) fn begin(
        &mut self,
        context: &mut RequestContext<'_>,
        head: &Head,
        framing: BodyLength,
        persistence: Persistence,
    ) {
        self.framing = framing;
        self.bytes_before = self.outgoing.io_mut().bytes;
        context.outcome.status = head.status;
        if self.stream().is_some() {
            return self.begin_stream(context, head);
        }
        let out = self.outgoing.buffer();
        let start = out.len();
        write_head(head, framing, persistence, out);
        context.outcome.keep_sent(&out[start..]);
        context.outcome.head_bytes = (out.len() - start) as u64;
    }

    /// Hands a head to the stream, where the body follows it.
    fn begin_stream(&mut self, context: &mut RequestContext<'_>, head: &Head) {
        if context.outcome.keeps_response_heads {
            let mut text = Vec::new();
            write_informational_head(head, &mut text);
            context.outcome.keep_sent(&text);
        }
        let head = stream_fields::response_head(head);
        context.outcome.head_bytes = fields::size(head.headers()) as u64;
        if let Some(stream) = self.stream() {
            stream.set_head(head);
        }
    }

    /// The stream, if the client speaks HTTP/2.
    fn stream(&mut self) -> Option<&mut ResponseHalf> {
        self.outgoing.io_mut().io_mut().stream_mut()
    }

    /// Puts the head of a 1xx response into the output buffer; returns its size.
    pub(crate) fn begin_informational(&mut self, head: &Head) -> u64 {
        self.bytes_before = self.outgoing.io_mut().bytes;
        if let Some(stream) = self.stream() {
            let head = stream_fields::response_head(head);
            let size = fields::size(head.headers()) as u64;
            // a stream that has failed fails again when the response is written
            _ = stream.send_informational(head);
            return size;
        }
        let out = self.outgoing.buffer();
        let start = out.len();
        write_informational_head(head, out);
        (out.len() - start) as u64
    }

    /// Records how many bytes of the body were sent so far.
    pub(crate) fn record_sent(&mut self, context: &mut RequestContext<'_>) {
        let sent = self.outgoing.io_mut().bytes - self.bytes_before;
        // the head of a stream is not among its bytes
        let head = if self.stream().is_some() { 0 } else { context.outcome.head_bytes };
        context.outcome.body_bytes = sent.saturating_sub(head);
    }

    /// The fate of the connection after an incomplete response. With a length or chunks, the client notices by itself.
    pub(crate) fn disposition_after(&self, error: &SendError) -> ConnectionDisposition {
        match error {
            SendError::Client { disposition, .. } => *disposition,
            SendError::SpoolFile(_) => ConnectionDisposition::Reset,
            SendError::Body(_) | SendError::BodyTimedOut => match self.framing {
                BodyLength::UntilClose => ConnectionDisposition::Reset,
                _ => ConnectionDisposition::Abort,
            },
        }
    }

    /// Reads the body to its end and writes it. Returns the part that the client has not accepted.
    ///
    /// While the client keeps up, every piece is written when it arrives. A slower client's content queues in memory up
    /// to `proxy_buffers`. Beyond that it goes to a file, which frees the upstream early; or the source must wait.
    pub(crate) async fn body(
        &mut self,
        body: &mut Body,
        filters: Option<&mut FilterChain>,
        read_ahead: ReadAhead<'_>,
        trailers: Option<Trailers<'_>>,
    ) -> Result<ResponseBuffer, SendError> {
        let mut filters = filters;
        let mut encoder = BodyEncoder::new(self.framing);
        let mut queue = ResponseBuffer::default();
        let mut turn = TurnBudget::default();
        let memory = read_ahead.memory();
        let ReadAhead { buffering, spools } = read_ahead;
        loop {
            if !queue.is_empty() {
                self.advance(&mut queue).await?;
                if queue.file_length() >= buffering.response_file_limit {
                    self.wait(body, &mut queue, false).await?;
                    continue;
                }
            }
            let next = match &mut filters {
                Some(chain) => now_or_pending(chain.next_piece(body)).await,
                None => now_or_pending(body.next_piece()).await,
            };
            match next {
                // a filter may keep everything back; compressing takes its time
                Poll::Ready(Ok(Some([]))) => turn.spend(FILTERED).await,
                Poll::Ready(Ok(Some(piece))) if queue.is_empty() => {
                    let length = piece.len();
                    self.outgoing.write_piece_nonblocking(&mut encoder, piece).await?;
                    if self.outgoing.unwritten() > memory {
                        if spools && buffering.response_file_limit > 0 {
                            queue.open(buffering.response_folder.as_deref()).map_err(SendError::SpoolFile)?;
                        } else {
                            self.flush().await?;
                        }
                    }
                    turn.spend(length).await;
                }
                Poll::Ready(Ok(Some(piece))) => {
                    let length = piece.len();
                    queue.push(&mut encoder, piece).map_err(SendError::SpoolFile)?;
                    turn.spend(length).await;
                }
                Poll::Ready(Ok(None)) => break,
                Poll::Ready(Err(error)) => {
                    // as in nginx: the client gets the part that has arrived, however little that is
                    self.drain(&mut queue).await?;
                    return Err(SendError::Body(error));
                }
                Poll::Pending => {
                    let has_room = buffering.response_file_limit > 0 || self.outgoing.unwritten() <= memory;
                    self.wait(body, &mut queue, spools && has_room).await?;
                }
            }
        }
        let trailers = trailers.map(|evaluate| evaluate());
        if self.stream().is_some() {
            self.complete = Some(CompleteBody { trailers: trailers.clone() });
        }
        if queue.is_empty() {
            encoder.finish(self.outgoing.buffer(), trailers.as_ref()).map_err(WriteError::from)?;
        } else {
            queue.end(&mut encoder, trailers.as_ref()).map_err(SendError::SpoolFile)?;
        }
        Ok(queue)
    }

    /// Writes the whole queue.
    pub(crate) async fn drain(&mut self, queue: &mut ResponseBuffer) -> Result<(), SendError> {
        let mut turn = TurnBudget::default();
        loop {
            if queue.is_empty() {
                self.finish_stream();
                return self.flush().await;
            }
            self.flush().await?;
            let loaded = queue.load(self.outgoing).map_err(SendError::SpoolFile)?;
            turn.spend(loaded).await;
        }
    }

    /// Lets the next flush end the stream, if the whole body is on its way.
    fn finish_stream(&mut self) {
        let Some(CompleteBody { trailers }) = self.complete.take() else { return };
        let trailers = trailers.filter(|trailers| !trailers.is_empty()).as_ref().map(fields::trailers);
        if let Some(stream) = self.stream() {
            stream.finish(trailers);
        }
    }

    /// Writes the output buffer.
    pub(crate) async fn flush(&mut self) -> Result<(), SendError> {
        match self.timer.within(self.send_timeout, self.outgoing.flush()).await {
            Ok(flushed) => Ok(flushed?),
            Err(TimedOut) => Err(SendError::timed_out()),
        }
    }

    /// Flushes as much of the queue as the client accepts, without blocking.
    async fn advance(&mut self, queue: &mut ResponseBuffer) -> Result<(), SendError> {
        if let Poll::Ready(flushed) = now_or_pending(self.outgoing.flush()).await {
            flushed?;
            queue.record_progress();
            queue.load(self.outgoing).map_err(SendError::SpoolFile)?;
        }
        Ok(())
    }

    /// Waits until more of the body has arrived, or the client has accepted bytes.
    async fn wait(&mut self, body: &mut Body, queue: &mut ResponseBuffer, may_read: bool) -> Result<(), SendError> {
        // only a stream may have to wait for a piece, and slices for the next one
        let Body::Stream(stream) = body else {
            self.flush().await?;
            return body.wait().await.map_err(|TimedOut| SendError::BodyTimedOut);
        };
        match now_or_pending(self.outgoing.flush()).await {
            Poll::Ready(flushed) => {
                flushed?;
                if queue.load(self.outgoing).map_err(SendError::SpoolFile)? > 0 {
                    return Ok(());
                }
                stream.wait().await.map_err(|TimedOut| SendError::BodyTimedOut)
            }
            Poll::Pending => {
                let time_left = queue.time_left(self.send_timeout);
                let may_read = may_read && stream.reads_ahead();
                let outgoing = &mut *self.outgoing;
                let either = poll_fn(|cx| {
                    if let Poll::Ready(flushed) = outgoing.poll_flush(cx) {
                        return Poll::Ready(Some(flushed));
                    }
                    if may_read && stream.reader.incoming.poll_fill(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                    Poll::Pending
                });
                match self.timer.within(time_left, either).await {
                    Ok(None) => Ok(()),
                    Ok(Some(flushed)) => {
                        queue.record_progress();
                        Ok(flushed?)
                    }
                    Err(TimedOut) => Err(SendError::timed_out()),
                }
            }
        }
    }
}
