//! The first bytes of a connection without TLS, by which a client shows that it speaks HTTP/2 (RFC 9113 §3.3).

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use lab_http::http2::PREFACE;
use lab_http::{Incoming, Outgoing};
use lab_net::Stream;
use lab_net::deadline::within;
use tokio::time::timeout;

use crate::config::WorkerConfig;
use crate::idle_connections::{IdleSlot, IdleStage};
use crate::response;

/// How long the preface may take from its first byte to its last, as in gunicorn.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a connection begins with.
pub(crate) enum FirstBytes {
    /// The preface, and what follows it.
    Preface(Vec<u8>),
    Other,
    /// The client has sent nothing in time, or is gone.
    Nothing,
}

/// Reads the preface.
pub(crate) async fn read_preface(stream: Stream, config: &WorkerConfig, idle: &IdleSlot) -> (Stream, FirstBytes) {
    let mut incoming = Incoming::new(stream, config.limits);
    let arrived = {
        let waiting = pin!(within(config.idle_timeout, incoming.wait()));
        idle.while_idle(IdleStage::Silent, waiting).await
    };
    if !matches!(arrived, Ok(Ok(Ok(true)))) {
        return (incoming.into_io(), FirstBytes::Nothing);
    }
    let is_preface = {
        let reading = pin!(within(PREFACE_TIMEOUT, has_preface(&mut incoming)));
        matches!(idle.while_idle(IdleStage::Partial, reading).await, Ok(Ok(true)))
    };
    let first = if is_preface { FirstBytes::Preface(incoming.take_buffered()) } else { FirstBytes::Other };
    (incoming.into_io(), first)
}

/// Reads until the preface is complete, or cannot become so.
async fn has_preface(incoming: &mut Incoming<Stream>) -> bool {
    loop {
        let bytes = incoming.buffered();
        if bytes.starts_with(PREFACE) {
            return true;
        }
        if !PREFACE.starts_with(bytes) || !matches!(poll_fn(|cx| incoming.poll_fill(cx)).await, Ok(1..)) {
            return false;
        }
    }
}

/// Responds in HTTP/1.1 to a client that does not speak HTTP/2.
pub(crate) async fn refuse_other_protocol(stream: Stream, config: &WorkerConfig) {
    let mut outgoing = Outgoing::new(stream);
    response::write_preface_error(outgoing.buffer());
    let sending = async {
        outgoing.shutdown().await?;
        // A close with unread bytes would reset the connection, and the client could lose the response.
        Incoming::new(outgoing.into_io(), config.limits).discard(config.linger_bytes).await
    };
    // The connection is closed next, whether this succeeded or not.
    _ = timeout(config.linger_timeout, sending).await;
}
