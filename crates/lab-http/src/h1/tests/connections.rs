//! The reading and the writing side, over pipes in memory.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::h1::outgoing::WriteError;
use crate::h1::write;
use crate::{BodyDecoder, BodyEncoder, BodyLength, Incoming, Limits, Outgoing, ReadError, Refusal};

/// Runs a test on the same kind of runtime as the servers.
fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(test)
}

/// A connection on which `text` arrives in pieces of `step` bytes and then ends.
fn arriving(text: &[u8], step: usize) -> (Incoming<DuplexStream>, impl Future<Output = ()>) {
    let (near, mut far) = duplex(step);
    let text = text.to_vec();
    let sending = async move {
        // The reader may be gone.
        let _ = far.write_all(&text).await;
    };
    (Incoming::new(near, Limits::default()), sending)
}

#[test]
fn pipelined_messages_are_read_one_by_one() {
    let text = b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nHello\
        POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n\
        GET /3 HTTP/1.1\r\nHost: a\r\n\r\n";
    for step in [1, 7, 1000] {
        run(async {
            let (mut incoming, sending) = arriving(text, step);
            let reading = async {
                let mut seen = Vec::new();
                while let Some(head) = incoming.read_request_head().await.unwrap() {
                    let length = crate::h1::framing::request_body(&head).unwrap();
                    let mut body = BodyDecoder::new(length, &Limits::default());
                    let mut content = head.target().to_vec();
                    while let Some(piece) = incoming.read_body_piece(&mut body).await.unwrap() {
                        content.extend_from_slice(piece);
                    }
                    seen.push(String::from_utf8(content).unwrap());
                }
                seen
            };
            let (seen, ()) = tokio::join!(reading, sending);
            assert_eq!(seen, ["/1Hello", "/2abc", "/3"], "in steps of {step}");
        });
    }
}

#[test]
fn eof_within_head_or_body_is_an_error() {
    run(async {
        let (mut incoming, sending) = arriving(b"GET / HT", 100);
        sending.await;
        assert!(matches!(incoming.read_request_head().await, Err(ReadError::Refused(Refusal::Truncated))));

        let (mut incoming, sending) = arriving(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHel", 100);
        sending.await;
        let head = incoming.read_response_head().await.unwrap().unwrap();
        let length = crate::h1::framing::response_body(b"GET", &head).unwrap();
        let mut body = BodyDecoder::new(length, &Limits::default());
        assert_eq!(incoming.read_body_piece(&mut body).await.unwrap(), Some(&b"Hel"[..]));
        assert!(matches!(incoming.read_body_piece(&mut body).await, Err(ReadError::Refused(Refusal::Truncated))));
    });
}

#[test]
fn dropped_read_loses_nothing() {
    run(async {
        let (near, mut far) = duplex(100);
        let mut incoming = Incoming::new(near, Limits::default());
        far.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
        tokio::select! {
            biased;
            _ = incoming.read_request_head() => panic!("the head is not complete"),
            () = std::future::ready(()) => {}
        }
        far.write_all(b"st: a\r\n\r\n").await.unwrap();
        let head = incoming.read_request_head().await.unwrap().unwrap();
        assert_eq!(head.headers.get("host"), Some(&b"a"[..]));
    });
}

#[test]
fn interim_responses_are_read_before_the_final_one() {
    let text = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nrest";
    run(async {
        let (mut incoming, sending) = arriving(text, 1000);
        sending.await;
        let mut statuses = Vec::new();
        loop {
            let head = incoming.read_response_head().await.unwrap().unwrap();
            statuses.push(head.status);
            if !head.is_interim() {
                break;
            }
        }
        assert_eq!(statuses, [100, 103, 200]);
        let mut body = BodyDecoder::new(BodyLength::UntilClose, &Limits::default());
        assert_eq!(incoming.read_body_piece(&mut body).await.unwrap(), Some(&b"rest"[..]));
        assert_eq!(incoming.read_body_piece(&mut body).await.unwrap(), None);
    });
}

#[test]
fn drain_is_bounded() {
    run(async {
        for (length, bound, drained) in [(5, 5, true), (6, 5, false)] {
            let (mut incoming, sending) = arriving(b"HelloX", 1000);
            sending.await;
            let mut body = BodyDecoder::new(BodyLength::Sized(length), &Limits::default());
            assert_eq!(incoming.drain(&mut body, bound).await.unwrap(), drained);
        }
        let (mut incoming, sending) = arriving(b"3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\nGET", 1000);
        sending.await;
        let mut body = BodyDecoder::new(BodyLength::Chunked, &Limits::default());
        assert!(incoming.drain(&mut body, 6).await.unwrap());
        assert_eq!(incoming.buffered(), b"GET");
    });
}

#[test]
fn large_heads_and_bodies_fit_the_buffer() {
    let cookie = "c".repeat(8000);
    let body = "b".repeat(300_000);
    let text =
        format!("POST / HTTP/1.1\r\nHost: a\r\nA: {cookie}\r\nB: {cookie}\r\nContent-Length: 300000\r\n\r\n{body}GET");
    run(async {
        let (mut incoming, sending) = arriving(text.as_bytes(), 100_000);
        let reading = async {
            let head = incoming.read_request_head().await.unwrap().unwrap();
            assert_eq!(head.headers.get("b").map(<[u8]>::len), Some(8000));
            let mut decoder = BodyDecoder::new(BodyLength::Sized(300_000), &Limits::default());
            let mut read = 0;
            while let Some(piece) = incoming.read_body_piece(&mut decoder).await.unwrap() {
                read += piece.len();
            }
            assert_eq!(read, 300_000);
            assert!(matches!(incoming.read_request_head().await, Err(ReadError::Refused(Refusal::Truncated))));
        };
        tokio::join!(reading, sending);
    });
}

#[test]
fn head_and_body_share_one_write() {
    run(async {
        let large = vec![b'x'; 100_000];
        for pieces in [vec![&b"Hello"[..]], vec![&large, b"y"], vec![b"", b"z", &large]] {
            let (near, mut far) = duplex(1000);
            let mut outgoing = Outgoing::new(near);
            let size: usize = pieces.iter().map(|piece| piece.len()).sum();
            let writing = async {
                write::content_length(outgoing.buffer(), size as u64);
                write::end(outgoing.buffer());
                let mut encoder = BodyEncoder::new(BodyLength::Sized(size as u64));
                for piece in &pieces {
                    outgoing.write_piece(&mut encoder, piece).await.unwrap();
                }
                outgoing.finish_body(&mut encoder, None).await.unwrap();
                outgoing.shutdown().await.unwrap();
            };
            let mut received = Vec::new();
            let (read, ()) = tokio::join!(far.read_to_end(&mut received), writing);
            read.unwrap();
            let expected = [format!("Content-Length: {size}\r\n\r\n").into_bytes(), pieces.concat()].concat();
            assert_eq!(received, expected);
        }
    });
}

#[test]
fn body_of_wrong_length_is_a_write_error() {
    run(async {
        let mut outgoing = Outgoing::new(Vec::new());
        let mut encoder = BodyEncoder::new(BodyLength::Sized(3));
        assert!(matches!(outgoing.write_piece(&mut encoder, b"four").await, Err(WriteError::Length(_))));
    });
}

#[test]
fn long_message_is_written_in_parts() {
    run(async {
        let (near, mut far) = duplex(10);
        let mut outgoing = Outgoing::new(near);
        outgoing.buffer().extend_from_slice(b"head");
        // The peer reads nothing yet, and accepts ten bytes all the same.
        assert_eq!(outgoing.write_some(b"0123456789").await.unwrap(), 6);
        let (written, mut read) = (outgoing.write_some(b"6789"), [0; 14]);
        let (written, got) = tokio::join!(written, far.read_exact(&mut read));
        assert_eq!((written.unwrap(), got.unwrap()), (4, 14));
        assert_eq!(&read, b"head0123456789");
        assert!(outgoing.is_flushed());
        assert_eq!(outgoing.write_some(b"").await.unwrap(), 0);
    });
}

#[test]
fn caller_may_write_the_buffer_itself() {
    let mut outgoing = Outgoing::new(Vec::new());
    outgoing.buffer().extend_from_slice(b"head");
    assert_eq!(outgoing.parts().1, b"head");
    outgoing.mark_written(1);
    assert_eq!(outgoing.parts().1, b"ead");
    outgoing.mark_written(3);
    assert!(outgoing.is_flushed());
    run(async {
        outgoing.buffer().extend_from_slice(b"next");
        outgoing.flush().await.unwrap();
        assert_eq!(outgoing.io_mut(), b"next");
    });
}
