//! The first bytes of a connection (RFC 9113 section 3.4).

use std::future::poll_fn;
use std::time::Duration;

use lab_http::Limits;
use lab_http::http2::{PREFACE, PREFACE_REFUSAL};
use lab_net::Stream;

use crate::config::location::lingering::Lingering;
use crate::downstream::client_io::ClientIo;

/// What a connection begins with. The bytes were read.
#[derive(Debug)]
pub(crate) enum FirstBytes {
    Preface(Vec<u8>),
    Other(Vec<u8>),
}

/// Reads until the preface is complete or cannot become so. None if the client sends too little within `limit`.
pub(crate) async fn read_preface(stream: &mut Stream, received: &[u8], limit: Duration) -> Option<FirstBytes> {
    let mut client = ClientIo::new(stream, Limits::default());
    client.incoming.unread(received);
    let incoming = &mut client.incoming;
    let reading = async {
        loop {
            let bytes = incoming.buffered();
            if bytes.starts_with(PREFACE) {
                return Some(FirstBytes::Preface(incoming.take_buffered()));
            }
            if !PREFACE.starts_with(bytes) {
                return Some(FirstBytes::Other(incoming.take_buffered()));
            }
            if !matches!(poll_fn(|cx| incoming.poll_fill(cx)).await, Ok(1..)) {
                return None;
            }
        }
    };
    client.read_timer.within(limit, reading).await.ok().flatten()
}

/// Tells a client that its connection does not begin with the preface, and closes it.
pub(crate) async fn refuse_preface(stream: &mut Stream, send_timeout: Duration, lingering: &Lingering) {
    let mut client = ClientIo::new(stream, Limits::default());
    client.outgoing.buffer().extend_from_slice(PREFACE_REFUSAL);
    let flushed = client.write_timer.within(send_timeout, client.outgoing.flush()).await;
    if matches!(flushed, Ok(Ok(()))) {
        client.linger(lingering).await;
    }
}
