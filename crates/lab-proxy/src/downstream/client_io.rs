//! The two sides of a client, and the waits between the requests of a connection.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use lab_http::http2::{RequestHalf, ResponseHalf};
use lab_http::{Incoming, Limits, Outgoing};

use crate::config::location::lingering::Lingering;
use crate::context::{ClientReadHalf, ClientWriteHalf, CountingWriter, WorkerContext};
use lab_net::Stream;
use lab_net::deadline::{TimedOut, Timer, last_look, now_or_pending};
use lab_net::proxy_protocol::{self, Addresses, Origin, Parsed};
use lab_net::turn::TurnBudget;

/// How long an idle connection of a quitting worker still accepts a request.
pub(crate) const LAST_CALL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct ClientIo<'s> {
    pub(crate) incoming: Incoming<ClientReadHalf<'s>>,
    pub(crate) outgoing: Outgoing<CountingWriter<ClientWriteHalf<'s>>>,
    pub(crate) read_timer: Timer,
    pub(crate) write_timer: Timer,
}

impl<'s> ClientIo<'s> {
    pub(crate) fn new(stream: &'s mut Stream, limits: Limits) -> ClientIo<'s> {
        let (read, write) = stream.split();
        ClientIo::of_halves(ClientReadHalf::Connection(read), ClientWriteHalf::Connection(write), limits)
    }

    /// The client of one stream.
    pub(crate) fn of_stream(request: RequestHalf, response: ResponseHalf) -> ClientIo<'s> {
        let (read, write) = (Box::new(request), Box::new(response));
        ClientIo::of_halves(ClientReadHalf::Stream(read), ClientWriteHalf::Stream(write), Limits::default())
    }

    fn of_halves(read: ClientReadHalf<'s>, write: ClientWriteHalf<'s>, limits: Limits) -> ClientIo<'s> {
        ClientIo {
            incoming: Incoming::new(read, limits),
            outgoing: Outgoing::new(CountingWriter::new(write)),
            read_timer: Timer::new(),
            write_timer: Timer::new(),
        }
    }

    /// The stream, if the client speaks HTTP/2.
    pub(crate) fn stream_mut(&mut self) -> Option<&mut ResponseHalf> {
        self.outgoing.io_mut().io_mut().stream_mut()
    }
}

impl ClientIo<'_> {
    /// Reads the PROXY header. Returns the addresses and the header itself; the received bytes if it is invalid.
    pub(crate) async fn read_proxy_header(&mut self, limit: Duration) -> Result<(Option<Addresses>, Vec<u8>), Vec<u8>> {
        let incoming = &mut self.incoming;
        let reading = async {
            loop {
                match proxy_protocol::parse(incoming.buffered()) {
                    Ok(Parsed::Incomplete) => {}
                    Err(_) => return Err(incoming.take_buffered()),
                    Ok(Parsed::Header { length, origin }) => {
                        let mut header = incoming.take_buffered();
                        let behind = header.split_off(length);
                        incoming.unread(&behind);
                        let addresses = match origin {
                            Origin::Forwarded(addresses) => Some(addresses),
                            // as in nginx: the addresses of the connection itself hold
                            Origin::Unknown | Origin::Unsupported(_) => None,
                        };
                        return Ok((addresses, header));
                    }
                }
                if !matches!(poll_fn(|cx| incoming.poll_fill(cx)).await, Ok(1..)) {
                    return Err(incoming.take_buffered());
                }
            }
        };
        self.read_timer.within(limit, reading).await.unwrap_or(Err(Vec::new()))
    }

    /// Waits for the first byte of a request; false if none will come.
    pub(crate) async fn wait(&mut self, worker: &WorkerContext, slot: usize, limit: Duration) -> bool {
        let waited = match worker.is_quitting() {
            true => Ok(None),
            false => self.wait_unless_quitting(worker, slot, limit).await,
        };
        let arrived = match waited {
            Ok(Some(arrived)) => return arrived,
            // the client does not know that the worker quits, and may have sent another request
            Ok(None) => self.read_timer.within(limit.min(LAST_CALL), self.incoming.wait()).await,
            Err(TimedOut) => Err(TimedOut),
        };
        match arrived {
            Ok(arrived) => arrived.unwrap_or(false),
            Err(TimedOut) => matches!(last_look(self.incoming.wait()).await, Poll::Ready(Ok(true))),
        }
    }

    /// Waits for the first byte; `None` once the worker quits.
    async fn wait_unless_quitting(
        &mut self,
        worker: &WorkerContext,
        slot: usize,
        limit: Duration,
    ) -> Result<Option<bool>, TimedOut> {
        let mut waiting = pin!(self.incoming.wait());
        let either = poll_fn(|cx| match waiting.as_mut().poll(cx) {
            Poll::Ready(arrived) => Poll::Ready(Some(arrived.unwrap_or(false))),
            Poll::Pending if worker.is_quitting() => Poll::Ready(None),
            Poll::Pending => {
                worker.connections.register(slot, cx.waker());
                Poll::Pending
            }
        });
        self.read_timer.within(limit, either).await
    }

    /// Whether the client has sent bytes that were not read.
    pub(crate) async fn has_unread(&mut self) -> bool {
        let incoming = &mut self.incoming;
        !incoming.buffered().is_empty()
            || matches!(now_or_pending(poll_fn(|cx| incoming.poll_fill(cx))).await, Poll::Ready(Ok(1..)))
    }

    /// Tells a client of TLS that the connection ends here, if it accepts that without waiting. Otherwise it could not
    /// know whether the connection was cut.
    pub(crate) async fn announce_end(&mut self) {
        _ = now_or_pending(self.outgoing.shutdown()).await;
    }

    /// Shuts the connection down for writing, and discards the bytes that still arrive. There is no limit for them, only
    /// for the time: a client may send its whole request before it reads the response.
    pub(crate) async fn linger(&mut self, lingering: &Lingering) {
        let end = Instant::now() + lingering.time;
        let mut turn = TurnBudget::default();
        if !matches!(self.read_timer.within(lingering.timeout, self.outgoing.shutdown()).await, Ok(Ok(()))) {
            return;
        }
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let reading = self.incoming.discard_once();
            match self.read_timer.within(left.min(lingering.timeout), reading).await {
                Ok(Ok(read @ 1..)) => turn.spend(read).await,
                _ => return,
            }
        }
    }
}

/// Awaits `sending`, and discards what the client sends in the meantime: it may read the response only after it has
/// sent everything, and a long response must not wait for that.
pub(crate) async fn discard_alongside<T>(
    client: &mut Incoming<ClientReadHalf<'_>>,
    sending: Pin<&mut impl Future<Output = T>>,
) -> T {
    let discarding = async {
        while let Ok(1..) = client.discard_once().await {}
        pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        sent = sending => sent,
        never = discarding => match never {},
    }
}
