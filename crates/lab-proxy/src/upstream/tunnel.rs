//! What follows a 101: bytes in both directions, until either side is done.

use std::time::Duration;

use lab_http::outgoing::WriteError;
use lab_http::{BodyDecoder, BodyEncoder, BodyLength, Incoming, Limits, Outgoing};
use lab_net::deadline::Timer;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::downstream::client::Client;
use crate::upstream::group::Connection;

/// Passes bytes on until one side closes, sends nothing for too long (`proxy_read_timeout`, which the other side's bytes
/// do not extend, as in nginx), or takes nothing for too long. Then both connections are done.
pub(crate) async fn run(
    client: &mut Client<'_>,
    connection: &mut Connection,
    read_timeout: Duration,
    send_timeout: Duration,
) {
    let Client { incoming, outgoing, read_timer, write_timer, .. } = client;
    // a client may be silent for as long as it likes
    let up = pump(incoming, &mut connection.outgoing, read_timer, Duration::MAX, send_timeout);
    let down = pump(&mut connection.incoming, outgoing, write_timer, read_timeout, send_timeout);
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// Passes on what arrives, until nothing more does or nobody takes it.
async fn pump<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    from: &mut Incoming<R>,
    to: &mut Outgoing<W>,
    timer: &mut Timer,
    patience: Duration,
    send_timeout: Duration,
) {
    let mut decoder = BodyDecoder::new(BodyLength::UntilClose, &Limits::default());
    let mut encoder = BodyEncoder::new(BodyLength::UntilClose);
    while let Ok(Ok(Some(piece))) = timer.within(patience, from.read_body_piece(&mut decoder)).await {
        let passing = async {
            to.piece(&mut encoder, piece).await?;
            Ok::<(), WriteError>(to.flush().await?)
        };
        if !matches!(timer.within(send_timeout, passing).await, Ok(Ok(()))) {
            return;
        }
    }
}
