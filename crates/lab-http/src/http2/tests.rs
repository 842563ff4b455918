use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Response;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::{ConnectionEvent, Http2Limits, IoLimits, PREFACE, ServerConnection, halves};

/// A client that sends nothing more, and notes the size of each write.
#[derive(Debug, Default)]
struct Recorder(Rc<RefCell<Vec<usize>>>);

impl AsyncRead for Recorder {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().push(bytes.len());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A connection whose client has sent a GET on each of the first streams.
async fn connection(streams: u8) -> (ServerConnection<Recorder>, Rc<RefCell<Vec<usize>>>) {
    let mut received = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    for number in 0..streams {
        // HEADERS with END_STREAM and END_HEADERS: GET, http, `/` and the authority `a` (RFC 7541 appendix A)
        received.extend([0, 0, 6, 1, 5, 0, 0, 0, 2 * number + 1, 0x82, 0x86, 0x84, 1, 1, b'a']);
    }
    let io = Recorder::default();
    let writes = Rc::clone(&io.0);
    let limits = Http2Limits {
        max_concurrent_streams: 100,
        stream_window: 65_535,
        max_frame_size: 16_384,
        max_header_list_size: 16_384,
    };
    let io_limits = IoLimits { send_timeout: Duration::from_secs(60), lingering: None };
    (ServerConnection::handshake(io, received, limits, io_limits).await.unwrap(), writes)
}

/// Responds to every request with this content, until the connection waits for its client.
async fn respond(connection: &mut ServerConnection<Recorder>, content: &[u8]) -> usize {
    let mut responses = 0;
    while let Poll::Ready(event) = poll_fn(|cx| Poll::Ready(connection.poll_event(cx))).await {
        let ConnectionEvent::Stream(request, response) = event else { panic!("{event:?}") };
        let (_, mut stream) = halves(request.into_body(), response, false, connection.traffic());
        stream.set_head(Response::new(()));
        stream.write_all(content).await.unwrap();
        stream.finish(None);
        stream.flush().await.unwrap();
        connection.count_served(false);
        responses += 1;
    }
    responses
}

#[tokio::test]
async fn frames_of_one_turn_leave_in_one_write() {
    let (mut connection, writes) = connection(10).await;
    assert_eq!(respond(&mut connection, &[b'x'; 1000]).await, 10);
    assert_eq!(writes.borrow().len(), 1, "{writes:?}");
    assert!(writes.borrow()[0] > 10_000);
    assert!(connection.is_idle());
}

#[tokio::test]
async fn large_frames_leave_at_once() {
    let (mut connection, writes) = connection(2).await;
    assert_eq!(respond(&mut connection, &[b'x'; 16 * 1024]).await, 2);
    assert_eq!(writes.borrow().len(), 2, "{writes:?}");
}
