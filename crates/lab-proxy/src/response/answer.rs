//! The way of an answer: its head judged and rewritten, its body passed on as the client takes it.

use std::future::poll_fn;
use std::task::Poll;

use lab_http::connection::is_persistent;
use lab_http::framing::{is_bodyless, response_body};
use lab_http::outgoing::WriteError;
use lab_http::{
    BodyDecoder, BodyEncoder, BodyLength, Incoming, Limits, Outgoing, ReadError, Refusal, ResponseHead, Version,
};
use lab_net::deadline::{TimedOut, Timer, now_or_pending};
use lab_net::{OwnedReadHalf, WriteHalf};

use crate::config::logs::Severity;
use crate::config::pass::Pass;
use crate::config::retry::Retry;
use crate::downstream::client::{Next, Subject};
use crate::downstream::sent::Sent;
use crate::downstream::waiting::Waiting;
use crate::eval::Outcome;
use crate::response::accel::{self, Instead, Orders, Substitute};
use crate::response::response_head;
use crate::routing::request::Request;
use crate::runtime::clock;
use crate::upstream::exchange::{Done, Failing, Progress, Side, Trouble};

/// The way of an answer.
pub(crate) struct Relay<'r, 's> {
    pub(crate) subject: &'r Subject<'r>,
    pub(crate) request: &'r Request<'r>,
    pub(crate) pass: &'r Pass,
    pub(crate) progress: &'r Progress,
    pub(crate) upstream: &'r mut Incoming<OwnedReadHalf>,
    pub(crate) client: &'r mut Outgoing<Sent<WriteHalf<'s>>>,
    pub(crate) outcome: &'r mut Outcome,
    /// Which statuses are another server's chance, if there is one.
    pub(crate) others: Option<&'r Retry>,
    /// Whether the upstream is read ahead of a slow client: `proxy_buffering`, or what the answer says of it.
    pub(crate) buffers: bool,
}

/// What became of an answer.
#[derive(Debug)]
pub(crate) enum Answered {
    /// It was read to its end.
    Done(Done),
    /// It was a 101 that the client had asked for: what follows is not HTTP.
    Switched,
}

impl Relay<'_, '_> {
    pub(crate) async fn run(&mut self, timer: &mut Timer) -> Result<Answered, Trouble> {
        let head = self.final_head(timer).await?;
        if let Some(attempt) = self.outcome.attempts.last_mut() {
            attempt.head_took = Some(clock::since(attempt.begun));
            attempt.status = head.status;
        }
        if head.status == 101 {
            self.outcome.status = 101;
            let scope = self.subject.scope(self.outcome);
            let tokens = self.subject.rules.server_tokens;
            response_head::write_switching(&head, self.pass, &scope, tokens, self.client.buffer());
            self.outcome.head_bytes = self.client.buffer().len() as u64;
            self.flush(timer).await?;
            return Ok(Answered::Switched);
        }
        let body = response_body(self.request.head.method(), &head).map_err(invalid)?;
        if self.others.is_some_and(|others| others.on_status(head.status)) {
            let message = format!("upstream answered {}", head.status);
            return Err(Trouble::Upstream { failing: Failing::Status(head.status), message });
        }
        self.outcome.keep_upstream(&head.headers);
        let orders = accel::orders(&head, self.pass);
        if orders.rate.is_some() {
            self.client.io_mut().pace(orders.rate);
        }
        if let Some(instead) = self.instead(&head, &orders) {
            let reusable = body.is_empty() && self.may_carry_another(&head);
            return Err(Trouble::Instead { instead, status: head.status, reusable });
        }
        if let Some(charset) = orders.charset {
            let message = format!("unknown charset \"{}\" to override", charset.escape_ascii());
            self.subject.log_error(self.outcome, Severity::Error, &message, None);
        }
        self.buffers = orders.buffering.unwrap_or(self.subject.rules.buffering.answers);
        let status = self.subject.route.status.unwrap_or(head.status);
        // an error page of an upstream's may be answered with a status that has no content
        let is_cut = is_bodyless(status) && !is_bodyless(head.status);
        let body = if is_cut { BodyLength::None } else { body };
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
        self.outcome.keep_sent(out);
        self.outcome.status = status;
        self.outcome.head_bytes = head_bytes;

        let passed_on = self.pass_on_body(timer, body, length, before).await;
        self.outcome.body_bytes = (self.client.io_mut().bytes - before).saturating_sub(head_bytes);
        let waiting = passed_on?;
        let reusable = !is_cut && body != BodyLength::UntilClose && self.may_carry_another(&head);
        let next = match (persistence.keep_alive, self.progress.is_sent.get()) {
            (true, _) => Next::KeepAlive,
            (false, true) => Next::Close,
            (false, false) => Next::Linger,
        };
        Ok(Answered::Done(Done { next, reusable, waiting, before }))
    }

    /// What the client gets in place of this answer, if it does not get the answer.
    fn instead(&self, head: &ResponseHead, orders: &Orders<'_>) -> Option<Instead> {
        let rules = self.subject.rules;
        let has_page = || !self.subject.route.has_error_page && rules.error_page(head.status).is_some();
        if rules.intercept_errors && head.status >= 300 && has_page() {
            return Some(Instead { by: Substitute::Page(head.status), kept: accel::kept_of_intercepted(head) });
        }
        let target = orders.redirect?.to_vec();
        let kept = accel::kept_of_redirect(head, self.pass, &self.subject.scope(self.outcome));
        Some(Instead { by: Substitute::Path(target), kept })
    }

    /// Whether the connection can carry another request, once this answer's body was read.
    fn may_carry_another(&self, head: &ResponseHead) -> bool {
        head.version == Version::Http11
            && is_persistent(head.version, &head.headers)
            && self.progress.is_sent.get()
            && self.upstream.buffered().is_empty()
            && !self.pass.fields.close_always()
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
                    return Err(Trouble::Upstream { failing: Failing::Timeout, message });
                }
                Ok(Ok(Some(head))) => head,
                Ok(Ok(None)) => return Err(self.closed_early("upstream prematurely closed connection")),
                Ok(Err(ReadError::Io(error))) => return Err(self.closed_early(&format!("recv() failed ({error})"))),
                Ok(Err(ReadError::Refused(refusal))) => return Err(invalid(refusal)),
            };
            if head.status == 101 && !self.may_switch() {
                let message = "upstream switched protocols without being asked to".to_owned();
                return Err(Trouble::Upstream { failing: Failing::ForGood, message });
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

    /// Whether the upstream was asked for another protocol, by the client and by us (RFC 9110 §7.8).
    fn may_switch(&self) -> bool {
        let headers = &self.request.head.headers;
        let is_asked = self.request.head.version == Version::Http11
            && headers.contains("upgrade")
            && headers.list_contains("connection", "upgrade");
        is_asked && self.pass.fields.asks_for_upgrade(&self.subject.scope(self.outcome))
    }

    fn closed_early(&self, what: &str) -> Trouble {
        let message = format!("{what} while reading response header from upstream");
        let failing = match self.progress.is_answered.get() {
            // the client has had an interim answer, and shall not wonder at two
            true => Failing::ForGood,
            false => Failing::Error { unheard: self.upstream.buffered().is_empty() },
        };
        Trouble::Upstream { failing, message }
    }

    /// Reads the body to its end and sends it on; returns what the client has not taken by then.
    ///
    /// As long as the client takes what comes, nothing waits longer than it takes to read what is there. A slower client
    /// makes it wait: in memory up to `proxy_buffers`, and then, with `proxy_buffering on`, in a file, so that the
    /// upstream is done early; or it makes the upstream wait.
    async fn pass_on_body(
        &mut self,
        timer: &mut Timer,
        body: BodyLength,
        length: BodyLength,
        before: u64,
    ) -> Result<Waiting, Trouble> {
        let mut decoder = BodyDecoder::new(body, &Limits::response());
        let mut encoder = BodyEncoder::new(length);
        let mut waiting = Waiting::default();
        let rules = self.subject.rules;
        let buffering = &rules.buffering;
        loop {
            if !waiting.is_empty() {
                self.advance(&mut waiting).await?;
                if waiting.file_length() >= buffering.answer_file {
                    self.wait(timer, &mut waiting, false, length).await?;
                    continue;
                }
            }
            match now_or_pending(self.upstream.read_body_piece(&mut decoder)).await {
                Poll::Ready(Ok(Some(piece))) if waiting.is_empty() => {
                    count(self.outcome, piece);
                    let sending = self.client.piece_without_waiting(&mut encoder, piece).await;
                    gone(Ok(sending))?;
                    if self.client.unwritten() > buffering.answer_memory {
                        self.progress.is_answered.set(true);
                        if !self.buffers || buffering.answer_file == 0 {
                            gone(timer.within(rules.send_timeout, self.client.flush()).await)?;
                        } else {
                            waiting.begin(buffering.answer_folder.as_deref()).map_err(|error| no_file(&error))?;
                        }
                    }
                }
                Poll::Ready(Ok(Some(piece))) => {
                    count(self.outcome, piece);
                    waiting.push(&mut encoder, piece).map_err(|error| no_file(&error))?;
                }
                Poll::Ready(Ok(None)) => break,
                Poll::Ready(Err(error)) => {
                    let trouble = self.broken_off(&error, length, before);
                    // what was sound of it, the client may have
                    self.drain(timer, &mut waiting).await?;
                    return Err(trouble);
                }
                Poll::Pending => {
                    if !self.client.is_flushed() {
                        self.progress.is_answered.set(true);
                    }
                    let has_room = self.buffers
                        && (buffering.answer_file > 0 || self.client.unwritten() <= buffering.answer_memory);
                    self.wait(timer, &mut waiting, has_room, length).await?;
                }
            }
        }
        if waiting.is_empty() {
            let ended = encoder.end(self.client.buffer(), None).map_err(WriteError::from);
            gone(Ok(ended))?;
        } else {
            waiting.end(&mut encoder).map_err(|error| no_file(&error))?;
        }
        self.progress.is_answered.set(true);
        Ok(waiting)
    }

    /// Has the client take what it will of what waits, without waiting for it.
    async fn advance(&mut self, waiting: &mut Waiting) -> Result<(), Trouble> {
        if let Poll::Ready(flushed) = now_or_pending(self.client.flush()).await {
            gone(Ok(flushed))?;
            waiting.has_moved();
            waiting.load(self.client).map_err(|error| no_file(&error))?;
        }
        Ok(())
    }

    /// Waits until there is more of the answer, or the client has taken what there was.
    async fn wait(
        &mut self,
        timer: &mut Timer,
        waiting: &mut Waiting,
        may_read: bool,
        length: BodyLength,
    ) -> Result<(), Trouble> {
        let rules = self.subject.rules;
        match now_or_pending(self.client.flush()).await {
            Poll::Ready(flushed) => {
                gone(Ok(flushed))?;
                if waiting.load(self.client).map_err(|error| no_file(&error))? {
                    return Ok(());
                }
                let arriving = poll_fn(|cx| self.upstream.poll_fill(cx));
                match timer.within(self.pass.read_timeout, arriving).await {
                    // whatever it was, reading on tells
                    Ok(_) => Ok(()),
                    Err(TimedOut) => {
                        let message = "upstream timed out while reading upstream".to_owned();
                        Err(Trouble::Halfway { next: unfinished(length), whose: Side::Upstream, message })
                    }
                }
            }
            Poll::Pending => {
                let left = waiting.patience(rules.send_timeout);
                let either = poll_fn(|cx| {
                    if let Poll::Ready(flushed) = self.client.poll_flush(cx) {
                        return Poll::Ready(Some(flushed));
                    }
                    if may_read && self.upstream.poll_fill(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                    Poll::Pending
                });
                match timer.within(left, either).await {
                    Ok(None) => Ok(()),
                    Ok(Some(flushed)) => {
                        waiting.has_moved();
                        gone(Ok(flushed))
                    }
                    Err(TimedOut) => gone::<std::io::Error>(Err(TimedOut)),
                }
            }
        }
    }

    /// Sends what waits.
    async fn drain(&mut self, timer: &mut Timer, waiting: &mut Waiting) -> Result<(), Trouble> {
        loop {
            self.flush(timer).await?;
            if !waiting.load(self.client).map_err(|error| no_file(&error))? {
                return Ok(());
            }
        }
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
            return Trouble::Upstream { failing: Failing::ForGood, message };
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

/// Counts content of the present upstream's answer.
fn count(outcome: &mut Outcome, piece: &[u8]) {
    if let Some(attempt) = outcome.attempts.last_mut() {
        attempt.content += piece.len() as u64;
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
    let failing = if refusal == Refusal::Truncated { Failing::Error { unheard: false } } else { Failing::Invalid };
    Trouble::Upstream { failing, message }
}

/// What it means when what waits for the client has nowhere to be.
fn no_file(error: &std::io::Error) -> Trouble {
    let message = format!("a file for the upstream's answer failed ({error})");
    Trouble::Halfway { next: Next::Reset, whose: Side::Upstream, message }
}

/// What it means when the client could not be written to.
pub(crate) fn gone<E: std::fmt::Display>(written: Result<Result<(), E>, TimedOut>) -> Result<(), Trouble> {
    let (next, message) = match written {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => (Next::Cut, format!("send() to the client failed ({error})")),
        Err(TimedOut) => (Next::Reset, "client timed out".to_owned()),
    };
    Err(Trouble::Halfway { next, whose: Side::Client, message })
}
