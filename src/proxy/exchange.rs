//! One request to one upstream connection, and its answer: both directions at once.
//!
//! While the answer is awaited and passed on, the rest of the request's body is still sent, and the client is watched.
//! All of it happens in one task: nothing is spawned, and no thread is changed.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use lab_http::connection::is_persistent;
use lab_http::framing::response_body;
use lab_http::outgoing::WriteError;
use lab_http::{
    BodyDecoder, BodyEncoder, BodyLength, Incoming, Limits, Outgoing, ReadError, Refusal, ResponseHead, Version,
};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};

use super::client::{Client, Next, Subject};
use super::request::Request;
use super::response_head;
use super::sent::Sent;
use super::settings::pass::Pass;
use super::timer::{TimedOut, Timer, now_or_pending};
use super::upload::{BodyTrouble, Upload};
use super::upstream::Connection;
use super::variables::Outcome;

/// A client that sends more requests before it has its answer is read ahead up to this many bytes.
const READ_AHEAD: usize = 64 * 1024;

/// An exchange that came to its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    pub(super) next: Next,
    /// Whether the upstream connection can carry another request.
    pub(super) reusable: bool,
}

/// Why an exchange did not come to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The upstream failed, and the client has got nothing of an answer yet.
    Upstream {
        /// What the client is answered if nobody else can help.
        status: u16,
        message: String,
        /// Whether the upstream may not even have seen the request: nothing of an answer arrived.
        unheard: bool,
    },
    /// The client failed, and nothing of an answer was sent to it: what it is answered, or nothing if it is gone.
    Client { status: Option<u16>, message: String },
    /// One of them failed when the answer had begun.
    Halfway { next: Next, whose: Side, message: String },
}

/// Whose trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Upstream,
}

/// What the two directions tell each other.
#[derive(Debug, Default)]
struct Progress {
    /// The request was sent to its end.
    is_sent: Cell<bool>,
    /// Something of the answer went to the client.
    is_answered: Cell<bool>,
}

/// How sending a request ended, other than with its answer.
enum Sending {
    Client(Trouble),
    /// The upstream does not take any more. It may have answered all the same.
    UpstreamClosed,
}

/// Sends the request over the connection and the answer to the client. The upstream head is in the connection's
/// buffer already, `length` is how it announced the body.
pub(super) async fn exchange(
    client: &mut Client<'_>,
    subject: &Subject<'_>,
    request: &Request<'_>,
    pass: &Pass,
    upload: &mut Upload,
    length: BodyLength,
    connection: &mut Connection,
) -> Result<Done, Trouble> {
    let progress = Progress::default();
    let Connection { incoming: upstream_in, outgoing: upstream_out, .. } = connection;
    let Client { incoming: client_in, outgoing: client_out, read_timer, write_timer, outcome } = client;
    let mut sending = pin!(async {
        let ended = send(client_in, read_timer, subject, pass, upload, length, upstream_out, &progress).await;
        match ended {
            Ok(()) => Sending::Client(watch(client_in, &progress).await),
            Err(ended) => ended,
        }
    });
    let mut relay =
        Relay { subject, request, pass, progress: &progress, upstream: upstream_in, client: client_out, outcome };
    let mut answering = pin!(relay.run(write_timer));
    let mut is_sending = true;
    poll_fn(|cx| {
        // an answer that is there already is worth more than a client that stopped listening just now
        if let Poll::Ready(done) = answering.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        if is_sending && let Poll::Ready(ended) = sending.as_mut().poll(cx) {
            match ended {
                Sending::Client(trouble) => return Poll::Ready(Err(trouble)),
                Sending::UpstreamClosed => is_sending = false,
            }
        }
        Poll::Pending
    })
    .await
}

/// Sends the head and the body, as the client sends it.
#[expect(clippy::too_many_arguments, reason = "the halves of two connections, borrowed one by one")]
async fn send(
    client: &mut Incoming<ReadHalf<'_>>,
    timer: &mut Timer,
    subject: &Subject<'_>,
    pass: &Pass,
    upload: &mut Upload,
    length: BodyLength,
    upstream: &mut Outgoing<Sent<OwnedWriteHalf>>,
    progress: &Progress,
) -> Result<(), Sending> {
    let closed = |_: TimedOut| Sending::UpstreamClosed;
    let failed = |_: WriteError| Sending::UpstreamClosed;
    let mut encoder = BodyEncoder::new(length);
    let collected = upload.collected();
    timer.within(pass.send_timeout, upstream.piece(&mut encoder, collected)).await.map_err(closed)?.map_err(failed)?;
    let limit = subject.rules.client_max_body_size;
    while !upload.is_complete() {
        // what is there goes out together; before waiting for more, everything goes out
        let piece = match now_or_pending(upload.next(client, limit)).await {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                let flushed = timer.within(pass.send_timeout, upstream.flush()).await.map_err(closed)?;
                flushed.map_err(|_| Sending::UpstreamClosed)?;
                let next = upload.next(client, limit);
                timer.within(subject.rules.client_body_timeout, next).await.unwrap_or(Err(BodyTrouble::TimedOut))
            }
        };
        let Some(piece) = piece.map_err(|trouble| Sending::Client(client_trouble(&trouble, progress)))? else { break };
        timer.within(pass.send_timeout, upstream.piece(&mut encoder, piece)).await.map_err(closed)?.map_err(failed)?;
    }
    timer.within(pass.send_timeout, upstream.end(&mut encoder, None)).await.map_err(closed)?.map_err(failed)?;
    progress.is_sent.set(true);
    Ok(())
}

/// Waits for the client to go away, reading ahead what it sends meanwhile.
async fn watch(client: &mut Incoming<ReadHalf<'_>>, progress: &Progress) -> Trouble {
    while client.buffered().len() < READ_AHEAD {
        match poll_fn(|cx| client.poll_fill(cx)).await {
            Ok(0) => return client_trouble(&BodyTrouble::Gone("the connection was closed".to_owned()), progress),
            Ok(_) => {}
            Err(error) => return client_trouble(&BodyTrouble::Gone(error.to_string()), progress),
        }
    }
    std::future::pending().await
}

fn client_trouble(trouble: &BodyTrouble, progress: &Progress) -> Trouble {
    let message = trouble.to_string();
    if progress.is_answered.get() {
        return Trouble::Halfway { next: Next::Cut, whose: Side::Client, message };
    }
    Trouble::Client { status: trouble.status(), message }
}

/// The way of an answer.
struct Relay<'r, 's> {
    subject: &'r Subject<'r>,
    request: &'r Request<'r>,
    pass: &'r Pass,
    progress: &'r Progress,
    upstream: &'r mut Incoming<OwnedReadHalf>,
    client: &'r mut Outgoing<Sent<WriteHalf<'s>>>,
    outcome: &'r mut Outcome,
}

impl Relay<'_, '_> {
    async fn run(&mut self, timer: &mut Timer) -> Result<Done, Trouble> {
        let head = self.final_head(timer).await?;
        let body = response_body(self.request.head.method(), &head).map_err(invalid)?;
        let length = match (body, self.request.head.version) {
            (BodyLength::Chunked | BodyLength::UntilClose, Version::Http11) => BodyLength::Chunked,
            (BodyLength::Chunked, Version::Http10) => BodyLength::UntilClose,
            (length, _) => length,
        };
        // a client that is answered while it still sends will not be asked for another request
        let may_keep = self.progress.is_sent.get() && length != BodyLength::UntilClose;
        let persistence = self.subject.persistence(may_keep);
        let before = self.client.io_mut().bytes;
        let scope = self.subject.scope(self.outcome);
        let out = self.client.buffer();
        let tokens = self.subject.rules.server_tokens;
        response_head::write(&head, self.pass, &scope, tokens, length, persistence, out);
        let head_bytes = out.len() as u64;
        self.outcome.status = head.status;
        self.outcome.head_bytes = head_bytes;

        let passed_on = self.pass_on_body(timer, body, length, before).await;
        self.outcome.body_bytes = (self.client.io_mut().bytes - before).saturating_sub(head_bytes);
        passed_on?;
        let reusable = is_persistent(head.version, &head.headers)
            && body != BodyLength::UntilClose
            && self.progress.is_sent.get()
            && self.upstream.buffered().is_empty()
            && !self.pass.fields.close_always();
        let next = match (persistence.keep_alive, self.progress.is_sent.get()) {
            (true, _) => Next::KeepAlive,
            (false, true) => Next::Close,
            (false, false) => Next::Linger,
        };
        Ok(Done { next, reusable })
    }

    /// Waits for the answer, and passes interim ones on (RFC 9110 §15.2).
    async fn final_head(&mut self, timer: &mut Timer) -> Result<ResponseHead, Trouble> {
        loop {
            let read = timer.within(self.pass.read_timeout, self.upstream.read_response_head()).await;
            let head = match read {
                // as long as the request is on its way, its sender's time limits hold
                Err(TimedOut) if !self.progress.is_sent.get() => continue,
                Err(TimedOut) => {
                    let message = "upstream timed out while reading response header from upstream".to_owned();
                    return Err(Trouble::Upstream { status: 504, message, unheard: false });
                }
                Ok(Ok(Some(head))) => head,
                Ok(Ok(None)) => return Err(self.closed_early("upstream prematurely closed connection")),
                Ok(Err(ReadError::Io(error))) => return Err(self.closed_early(&format!("recv() failed ({error})"))),
                Ok(Err(ReadError::Refused(refusal))) => return Err(invalid(refusal)),
            };
            if head.status == 101 {
                let message = "upstream switched protocols without being asked to".to_owned();
                return Err(Trouble::Upstream { status: 502, message, unheard: false });
            }
            if !head.is_interim() {
                return Ok(head);
            }
            if self.request.head.version == Version::Http11 {
                let scope = self.subject.scope(self.outcome);
                response_head::write_interim(&head, self.pass, &scope, self.client.buffer());
                self.progress.is_answered.set(true);
                self.flush(timer).await?;
            }
        }
    }

    fn closed_early(&self, what: &str) -> Trouble {
        let message = format!("{what} while reading response header from upstream");
        let unheard = self.upstream.buffered().is_empty() && !self.progress.is_answered.get();
        Trouble::Upstream { status: 502, message, unheard }
    }

    async fn pass_on_body(
        &mut self,
        timer: &mut Timer,
        body: BodyLength,
        length: BodyLength,
        before: u64,
    ) -> Result<(), Trouble> {
        let mut decoder = BodyDecoder::new(body, &Limits::response());
        let mut encoder = BodyEncoder::new(length);
        loop {
            let piece = match now_or_pending(self.upstream.read_body_piece(&mut decoder)).await {
                Poll::Ready(piece) => piece,
                Poll::Pending => {
                    self.flush(timer).await?;
                    let read = self.upstream.read_body_piece(&mut decoder);
                    match timer.within(self.pass.read_timeout, read).await {
                        Ok(piece) => piece,
                        Err(TimedOut) => {
                            let message = "upstream timed out while reading upstream".to_owned();
                            return Err(Trouble::Halfway { next: unfinished(length), whose: Side::Upstream, message });
                        }
                    }
                }
            };
            let sending = match piece {
                Ok(Some(piece)) => {
                    timer.within(self.subject.rules.send_timeout, self.client.piece(&mut encoder, piece))
                }
                Ok(None) => break,
                Err(error) => {
                    let trouble = self.broken_off(&error, length, before);
                    // what was sound of it, the client may have
                    self.flush(timer).await?;
                    return Err(trouble);
                }
            };
            gone(sending.await)?;
        }
        gone(timer.within(self.subject.rules.send_timeout, self.client.end(&mut encoder, None)).await)
    }

    /// An answer that is not whole. If the client has got nothing of it, it is told so; otherwise it has to see it.
    fn broken_off(&mut self, error: &ReadError, length: BodyLength, before: u64) -> Trouble {
        let message = match error {
            ReadError::Refused(Refusal::Truncated) => "upstream prematurely closed connection".to_owned(),
            ReadError::Refused(refusal) => format!("upstream sent an invalid body: {refusal}"),
            ReadError::Io(error) => format!("recv() failed ({error})"),
        };
        let message = format!("{message} while reading upstream");
        if self.client.io_mut().bytes == before && !self.progress.is_answered.get() {
            self.client.buffer().clear();
            return Trouble::Upstream { status: 502, message, unheard: false };
        }
        Trouble::Halfway { next: unfinished(length), whose: Side::Upstream, message }
    }

    async fn flush(&mut self, timer: &mut Timer) -> Result<(), Trouble> {
        if self.client.is_flushed() {
            return Ok(());
        }
        self.progress.is_answered.set(true);
        gone(timer.within(self.subject.rules.send_timeout, self.client.flush()).await)
    }
}

/// How a connection is closed on an answer that is not whole: a length or chunks tell by themselves.
fn unfinished(length: BodyLength) -> Next {
    if length == BodyLength::UntilClose { Next::Reset } else { Next::Cut }
}

fn invalid(refusal: Refusal) -> Trouble {
    let message = match refusal {
        Refusal::Truncated => {
            "upstream prematurely closed connection while reading response header from upstream".to_owned()
        }
        refusal => format!("upstream sent an invalid response: {refusal}"),
    };
    Trouble::Upstream { status: 502, message, unheard: false }
}

/// What it means when the client could not be written to.
fn gone<E: std::fmt::Display>(written: Result<Result<(), E>, TimedOut>) -> Result<(), Trouble> {
    let (next, message) = match written {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => (Next::Cut, format!("send() to the client failed ({error})")),
        Err(TimedOut) => (Next::Reset, "client timed out".to_owned()),
    };
    Err(Trouble::Halfway { next, whose: Side::Client, message })
}
