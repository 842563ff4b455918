//! The connection after a 101: bytes in both directions, until either side ends.

use std::time::Duration;

use lab_http::h1::outgoing::WriteError;
use lab_http::{BodyDecoder, BodyEncoder, BodyLength, Incoming, Limits, Outgoing};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::context::{ClientWriteHalf, CountingWriter, RequestSource};
use crate::response::StreamReader;
use lab_net::OwnedWriteHalf;
use lab_net::deadline::Timer;
use lab_net::turn::TurnBudget;

/// The time limits of a tunnel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TunnelTimeouts {
    /// `proxy_read_timeout`: between two reads from the upstream. As in nginx, the client's bytes do not extend it.
    pub(crate) read: Duration,
    /// `send_timeout`: for one write, in either direction.
    pub(crate) send: Duration,
}

/// Passes bytes on until one side closes, or a time limit has passed. Neither connection can be reused.
pub(crate) async fn run(
    client: &mut RequestSource<'_, '_>,
    client_out: &mut Outgoing<CountingWriter<ClientWriteHalf<'_>>>,
    upstream: &mut StreamReader,
    upstream_out: &mut Outgoing<CountingWriter<OwnedWriteHalf>>,
    timeouts: TunnelTimeouts,
) {
    // the client has no read timeout
    let client_timeouts = TunnelTimeouts { read: Duration::MAX, ..timeouts };
    let Some(incoming) = client.incoming.as_deref_mut() else { return };
    let up = pump(incoming, upstream_out, client.timer, client_timeouts);
    let down = pump(&mut upstream.incoming, client_out, &mut upstream.timer, timeouts);
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

async fn pump<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    from: &mut Incoming<R>,
    to: &mut Outgoing<W>,
    timer: &mut Timer,
    timeouts: TunnelTimeouts,
) {
    let mut decoder = BodyDecoder::new(BodyLength::UntilClose, &Limits::default());
    let mut encoder = BodyEncoder::new(BodyLength::UntilClose);
    let mut turn = TurnBudget::default();
    while let Ok(Ok(Some(piece))) = timer.within(timeouts.read, from.read_body_piece(&mut decoder)).await {
        let length = piece.len();
        let passing = async {
            to.write_piece(&mut encoder, piece).await?;
            Ok::<(), WriteError>(to.flush().await?)
        };
        if !matches!(timer.within(timeouts.send, passing).await, Ok(Ok(()))) {
            return;
        }
        turn.spend(length).await;
    }
}
