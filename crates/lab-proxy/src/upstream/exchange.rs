//! One request to one upstream connection, and its answer: both directions at once.
//!
//! While the answer is awaited and passed on, the rest of the request's body is still sent, and the client is watched.
//! All of it happens in one task: nothing is spawned, and no thread is changed.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use lab_http::outgoing::WriteError;
use lab_http::{BodyEncoder, BodyLength, Incoming, Outgoing};
use lab_net::deadline::{TimedOut, Timer, now_or_pending};
use lab_net::{OwnedWriteHalf, ReadHalf};

use crate::config::pass::Pass;
use crate::config::retry::Retry;
use crate::downstream::client::{Client, Next, Subject};
use crate::downstream::sent::Sent;
use crate::downstream::upload::{BodyTrouble, Upload};
use crate::downstream::waiting::Waiting;
use crate::response::accel::Instead;
use crate::response::answer::{Answered, Relay};
use crate::routing::request::Request;
use crate::upstream::group::Connection;
use crate::upstream::tunnel;

/// A client that sends more requests before it has its answer is read ahead up to this many bytes.
const READ_AHEAD: usize = 64 * 1024;

/// An exchange that came to its end.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) next: Next,
    /// Whether the upstream connection can carry another request.
    pub(crate) reusable: bool,
    /// What the client has not taken yet, besides what is in its connection's buffer.
    pub(crate) waiting: Waiting,
    /// How many bytes the client's connection had sent before this answer.
    pub(crate) before: u64,
}

/// Why an exchange did not come to its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The upstream failed, and the client has got nothing of an answer yet.
    Upstream { failing: Failing, message: String },
    /// The upstream answered, with this status, and the client gets something else; the connection may carry another
    /// request, or not.
    Instead { instead: Instead, status: u16, reusable: bool },
    /// The client failed, and nothing of an answer was sent to it: what it is answered, or nothing if it is gone.
    Client { status: Option<u16>, message: String },
    /// One of them failed when the answer had begun.
    Halfway { next: Next, whose: Side, message: String },
}

/// How an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// It could not be reached, or broke off before its head was there.
    Error {
        /// Whether it may not even have seen the request: nothing of an answer arrived.
        unheard: bool,
    },
    /// It took too long.
    Timeout,
    /// Its head, or what it was to frame, is not to be accepted.
    Invalid,
    /// It answered with a status that is another server's chance.
    Status(u16),
    /// It failed in a way that asking another server cannot mend.
    ForGood,
}

impl Failing {
    /// What the client is answered if nobody else can help.
    pub(crate) fn status(self) -> u16 {
        match self {
            Failing::Error { .. } | Failing::Invalid | Failing::ForGood => 502,
            Failing::Timeout => 504,
            Failing::Status(status) => status,
        }
    }
}

/// Whose trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Upstream,
}

/// What the two directions tell each other.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The request was sent to its end.
    pub(crate) is_sent: Cell<bool>,
    /// Something of the answer went to the client.
    pub(crate) is_answered: Cell<bool>,
}

/// How sending a request ended, other than with its answer.
enum Sending {
    Client(Trouble),
    /// The upstream does not take any more. It may have answered all the same.
    UpstreamClosed,
}

/// Sends the request over the connection and the answer to the client. The upstream head is in the connection's
/// buffer already, `length` is how it announced the body. `others` says which statuses are another server's chance, if
/// there is one.
#[expect(clippy::too_many_arguments, reason = "both sides, and what is between them")]
pub(crate) async fn exchange(
    client: &mut Client<'_>,
    subject: &Subject<'_>,
    request: &Request<'_>,
    pass: &Pass,
    upload: &mut Upload,
    length: BodyLength,
    connection: &mut Connection,
    others: Option<&Retry>,
) -> Result<Done, Trouble> {
    let progress = Progress::default();
    let answered = {
        let Connection { incoming: upstream_in, outgoing: upstream_out, .. } = connection;
        let Client { incoming: client_in, outgoing: client_out, read_timer, write_timer, outcome } = client;
        let mut sending = pin!(async {
            let ended = send(client_in, read_timer, subject, pass, upload, length, upstream_out, &progress).await;
            match ended {
                Ok(()) if subject.rules.ignore_client_abort => std::future::pending().await,
                Ok(()) => Sending::Client(watch(client_in, &progress).await),
                Err(ended) => ended,
            }
        });
        let mut relay = Relay {
            subject,
            request,
            pass,
            progress: &progress,
            upstream: upstream_in,
            client: client_out,
            outcome,
            others,
            buffers: subject.rules.buffering.answers,
        };
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
        .await?
    };
    match answered {
        Answered::Done(done) => Ok(done),
        Answered::Switched => {
            let before = client.outgoing.io_mut().bytes - client.outcome.head_bytes;
            tunnel::run(client, connection, pass.read_timeout, subject.rules.send_timeout).await;
            Ok(Done { next: Next::Close, reusable: false, waiting: Waiting::default(), before })
        }
    }
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
    let client_failed = |trouble: BodyTrouble| Sending::Client(client_trouble(&trouble, progress));
    let mut encoder = BodyEncoder::new(length);
    let memory = upload.memory();
    timer.within(pass.send_timeout, upstream.piece(&mut encoder, memory)).await.map_err(closed)?.map_err(failed)?;
    let (mut position, mut block) = (0, Vec::new());
    loop {
        block.clear();
        let read = upload.read_file(position, &mut block).map_err(client_failed)?;
        if read == 0 {
            break;
        }
        position += read as u64;
        timer.within(pass.send_timeout, upstream.piece(&mut encoder, &block)).await.map_err(closed)?.map_err(failed)?;
    }
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
        let Some(piece) = piece.map_err(client_failed)? else { break };
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
