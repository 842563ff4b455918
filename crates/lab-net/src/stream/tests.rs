use std::net::Ipv4Addr;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::Listener;
use crate::tls::{ClientAuth, HTTP_1_1, HTTP_2, ServerTls, ServerTrust, client_config};

struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

fn configs() -> Configs {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let tls = ServerTls::new(None).unwrap().with_client_auth(ClientAuth::None).unwrap();
    let mut server = Arc::unwrap_or_clone(tls.build(vec![cert.der().clone()], key).unwrap());
    server.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = client_config(ServerTrust::Roots(roots), &[HTTP_1_1]).unwrap();
    Configs { server: Arc::new(server), client }
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

async fn tcp_pair() -> (Stream, Stream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::Tcp(listener);
    let (client, accepted) = tokio::join!(Stream::connect_tcp(address), listener.accept());
    let (client, (server, peer)) = (client.unwrap(), accepted.unwrap());
    assert_eq!(peer, Some(client.tcp().unwrap().local_addr().unwrap()));
    (client, server)
}

fn unix_pair() -> (Stream, Stream) {
    let (client, server) = UnixStream::pair().unwrap();
    (Stream::Unix(client), Stream::Unix(server))
}

async fn over_tls((client, server): (Stream, Stream)) -> (Stream, Stream) {
    let Configs { server: server_config, client: client_config } = configs();
    let (client, server) =
        tokio::join!(client.connect_tls(client_config, localhost()), server.accept_tls(server_config));
    (client.unwrap(), server.unwrap())
}

async fn all_pairs() -> [(Stream, Stream); 4] {
    [tcp_pair().await, unix_pair(), over_tls(tcp_pair().await).await, over_tls(unix_pair()).await]
}

/// Writes more than sockets and sessions hold, then ends the stream.
async fn send(write: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    write.write_all(bytes).await.unwrap();
    write.shutdown().await.unwrap();
}

async fn receive(read: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut received = Vec::new();
    read.read_to_end(&mut received).await.unwrap();
    received
}

fn sample() -> Vec<u8> {
    (0..3_000_000_u32).map(|number| (number % 251) as u8).collect()
}

#[tokio::test]
async fn borrowed_halves_carry_both_directions_at_once() {
    for (mut client, mut server) in all_pairs().await {
        let (up, down) = (sample(), sample()[1..].to_vec());
        let (mut client_read, mut client_write) = client.split();
        let (mut server_read, mut server_write) = server.split();
        let (_, _, at_server, at_client) = tokio::join!(
            send(&mut client_write, &up),
            send(&mut server_write, &down),
            receive(&mut server_read),
            receive(&mut client_read)
        );
        assert!(at_server == up && at_client == down);
    }
}

#[tokio::test]
async fn owned_halves_work_in_separate_tasks() {
    for (client, server) in all_pairs().await {
        let (client_read, mut client_write) = client.into_split();
        let (mut server_read, mut server_write) = server.into_split();
        let echo = tokio::spawn(async move {
            let received = receive(&mut server_read).await;
            send(&mut server_write, &received).await;
        });
        let mut client_read = client_read;
        let received = tokio::spawn(async move { receive(&mut client_read).await });
        send(&mut client_write, &sample()).await;
        assert!(received.await.unwrap() == sample());
        echo.await.unwrap();
    }
}

#[tokio::test]
async fn vectored_writes_arrive_in_order() {
    for (mut client, mut server) in all_pairs().await {
        assert!(client.is_write_vectored());
        let slices = [IoSlice::new(b"he"), IoSlice::new(b""), IoSlice::new(b"llo")];
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 5);
        client.flush().await.unwrap();
        let mut received = [0; 5];
        server.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"hello");
    }
}

#[tokio::test]
async fn idle_connection_is_quiet_until_something_arrives() {
    for ends in [false, true] {
        for (client, mut server) in all_pairs().await {
            let (mut read, write) = client.into_split();
            // TLS 1.3's session tickets are not content
            server.write_all(b"x").await.unwrap();
            assert_eq!(read.read_u8().await.unwrap(), b'x');
            assert!(read.is_quiet(false) && read.is_quiet(true));
            if ends {
                server.shutdown().await.unwrap();
            } else {
                server.write_all(b"y").await.unwrap();
            }
            while read.is_quiet(false) {
                tokio::task::yield_now().await;
            }
            drop(write);
        }
    }
}

#[tokio::test]
async fn kernel_knows_of_bytes_before_the_loop() {
    for (client, mut server) in all_pairs().await {
        let (mut read, _write) = client.into_split();
        server.write_all(b"x").await.unwrap();
        assert_eq!(read.read_u8().await.unwrap(), b'x');
        server.write_all(b"y").await.unwrap();
        // the runtime has not polled since, because nothing yielded
        assert!(!read.is_quiet(true));
    }
}

#[tokio::test]
async fn session_bypasses_the_event_loop() {
    for pair in [tcp_pair().await, unix_pair()] {
        let (mut client, server) = over_tls(pair).await;
        let session = Arc::clone(server.session().unwrap());
        assert_eq!(session.alpn_protocol().as_deref(), Some(HTTP_1_1));
        assert_eq!(session.receive(server.as_fd(), &mut [0; 9]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.write_all(b"hello").await.unwrap();
        let mut received = [0; 9];
        assert_eq!(session.receive(server.as_fd(), &mut received).unwrap(), 5);
        assert_eq!(&received[..5], b"hello");
        assert_eq!(session.send(server.as_fd(), b"hi").unwrap(), 2);
        let mut received = [0; 2];
        client.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"hi");
        let raw = server.write_with(|| Ok(())).await;
        assert_eq!(raw.unwrap_err().kind(), io::ErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn full_socket_blocks_a_direct_send_without_loss() {
    let (mut client, mut server) = over_tls(tcp_pair().await).await;
    let session = Arc::clone(server.session().unwrap());
    let content = sample();
    let mut sent = 0;
    let sending = async {
        while sent < content.len() {
            match session.send(server.as_fd(), &content[sent..]) {
                Ok(more) => sent += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
        server.shutdown().await.unwrap();
    };
    let ((), received) = tokio::join!(sending, receive(&mut client));
    assert!(received == content);
}

#[tokio::test]
async fn cut_connection_is_an_error_for_clients_only() {
    let (mut client, server) = over_tls(tcp_pair().await).await;
    rustix::net::shutdown(&server, rustix::net::Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0; 9]).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    let (client, mut server) = over_tls(tcp_pair().await).await;
    rustix::net::shutdown(&client, rustix::net::Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
}

#[tokio::test]
async fn failed_handshakes_tell_both_sides_why() {
    let (client, server) = tcp_pair().await;
    let untrusting = client_config(ServerTrust::Roots(RootCertStore::empty()), &[HTTP_1_1]).unwrap();
    let (client, server) =
        tokio::join!(client.connect_tls(untrusting, localhost()), server.accept_tls(configs().server));
    let rustls = |error: io::Error| *error.into_inner().unwrap().downcast::<rustls::Error>().unwrap();
    let error = rustls(client.unwrap_err());
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
    let error = rustls(server.unwrap_err());
    assert!(matches!(error, rustls::Error::AlertReceived(_)), "{error}");

    let (client, server) = tcp_pair().await;
    drop(client);
    assert_eq!(server.accept_tls(configs().server).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn any_certificate_is_accepted_if_configured() {
    let (client, server) = tcp_pair().await;
    let trusting = client_config(ServerTrust::AnyCertificate, &[HTTP_1_1]).unwrap();
    let other = ServerName::try_from("elsewhere.example").unwrap();
    let (client, server) = tokio::join!(client.connect_tls(trusting, other), server.accept_tls(configs().server));
    assert!(client.is_ok() && server.is_ok());
}

#[tokio::test]
async fn reset_on_drop_reaches_the_peer() {
    for pair in [tcp_pair().await, over_tls(tcp_pair().await).await] {
        let (mut client, server) = pair;
        server.reset_on_drop();
        drop(server);
        assert_eq!(receive_error(&mut client).await, io::ErrorKind::ConnectionReset);
    }
}

async fn receive_error(read: &mut Stream) -> io::ErrorKind {
    read.read_to_end(&mut Vec::new()).await.unwrap_err().kind()
}

#[test]
fn halves_of_plain_sockets_are_two_words() {
    assert_eq!(size_of::<ReadHalf<'_>>(), 2 * size_of::<usize>());
    assert_eq!(size_of::<WriteHalf<'_>>(), 2 * size_of::<usize>());
}
