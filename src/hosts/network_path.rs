//! Measures the path between two hosts: its round trip, its throughput and its loss of datagrams.
//!
//! The *responder* on one host listens on ports of its own; the *prober* on the other measures. The responder lives as long
//! as the prober's first connection, and no longer than [`LIFETIME`].

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

/// How long a measurement may take. It takes about a second; a slow path must first deliver what fills its buffers.
pub const LIFETIME: Duration = Duration::from_secs(30);

/// Round trips that only warm the path up, and those that count.
const WARM_UP_TRIPS: usize = 20;
const TRIPS: usize = 200;
/// How long the prober sends as fast as it can, and the size of its writes in bytes.
const STREAM_TIME: Duration = Duration::from_millis(400);
const STREAM_WRITE: usize = 64 * 1024;
/// The datagrams, their size in bytes and the time between two of them. They are as small as requests and far below the
/// capacity of any path, so they measure its loss and not its queues.
const DATAGRAMS: usize = 200;
const DATAGRAM_BYTES: usize = 64;
const DATAGRAM_INTERVAL: Duration = Duration::from_millis(1);
/// How long after the last datagram a reply still counts.
const REPLY_TIME: Duration = Duration::from_millis(250);

/// The ports of a responder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponderPorts {
    pub tcp: u16,
    pub udp: u16,
}

/// The path from a prober to a responder and back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PathMeasurement {
    /// The shortest round trip of one byte over TCP.
    pub shortest_trip: Duration,
    pub median_trip: Duration,
    /// The throughput of one TCP connection, from the prober to the responder.
    pub bytes_per_s: f64,
    /// The share of datagrams without a reply.
    pub loss: f64,
}

/// Responds to one prober.
#[derive(Debug)]
pub struct PathResponder {
    listener: TcpListener,
    datagrams: UdpSocket,
}

impl PathResponder {
    /// Listens on free ports of all addresses.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn bind() -> io::Result<PathResponder> {
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Ok(PathResponder { listener: TcpListener::bind(any).await?, datagrams: UdpSocket::bind(any).await? })
    }

    /// # Errors
    /// The sockets do not report their addresses.
    pub fn ports(&self) -> io::Result<ResponderPorts> {
        Ok(ResponderPorts { tcp: self.listener.local_addr()?.port(), udp: self.datagrams.local_addr()?.port() })
    }

    /// Responds until the prober closes its first connection.
    ///
    /// # Errors
    /// The measurement takes longer than [`LIFETIME`], or a socket fails.
    pub async fn serve(self) -> io::Result<()> {
        let served = async {
            let (first, _) = self.listener.accept().await?;
            tokio::select! {
                ended = echo(first) => ended,
                failed = count_streams(&self.listener) => failed,
                failed = echo_datagrams(&self.datagrams) => failed,
            }
        };
        timeout(LIFETIME, served).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Measures the path to a responder.
///
/// # Errors
/// The responder cannot be reached, or the measurement takes longer than [`LIFETIME`].
pub async fn measure(host: IpAddr, ports: ResponderPorts) -> io::Result<PathMeasurement> {
    let measured = async {
        let mut first = TcpStream::connect((host, ports.tcp)).await?;
        let mut trips = round_trips(&mut first).await?;
        trips.sort();
        let bytes_per_s = throughput((host, ports.tcp).into()).await?;
        let loss = datagram_loss((host, ports.udp).into()).await?;
        Ok(PathMeasurement { shortest_trip: trips[0], median_trip: trips[trips.len() / 2], bytes_per_s, loss })
    };
    timeout(LIFETIME, measured).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn round_trips(stream: &mut TcpStream) -> io::Result<Vec<Duration>> {
    stream.set_nodelay(true)?;
    let mut trips = Vec::with_capacity(TRIPS);
    for number in 0..WARM_UP_TRIPS + TRIPS {
        let sent = Instant::now();
        stream.write_u8(0).await?;
        stream.read_u8().await?;
        if number >= WARM_UP_TRIPS {
            trips.push(sent.elapsed());
        }
    }
    Ok(trips)
}

/// In bytes per second, until the responder has received the last byte.
async fn throughput(responder: SocketAddr) -> io::Result<f64> {
    let mut stream = TcpStream::connect(responder).await?;
    let content = vec![0; STREAM_WRITE];
    let started = Instant::now();
    while started.elapsed() < STREAM_TIME {
        // A full path must not hold the last write up for longer than the time of the others.
        match timeout_at(started + STREAM_TIME, stream.write(&content)).await {
            Ok(written) => _ = written?,
            Err(_) => break,
        }
    }
    stream.shutdown().await?;
    let received = stream.read_u64().await?;
    Ok(received as f64 / started.elapsed().as_secs_f64())
}

async fn datagram_loss(responder: SocketAddr) -> io::Result<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(responder).await?;
    let mut replied = [false; DATAGRAMS];
    let mut due = interval(DATAGRAM_INTERVAL);
    // Datagrams sent at once to make up for a late timer could overflow a queue.
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reply = [0; DATAGRAM_BYTES];
    let mut sent = 0;
    let mut until = Instant::now() + LIFETIME;
    loop {
        tokio::select! {
            _ = due.tick(), if sent < DATAGRAMS => {
                let mut datagram = [0; DATAGRAM_BYTES];
                datagram[..8].copy_from_slice(&(sent as u64).to_be_bytes());
                socket.send(&datagram).await?;
                sent += 1;
                until = Instant::now() + REPLY_TIME;
            }
            received = socket.recv(&mut reply) => {
                if let Some(replied) = number(&reply[..received?]).and_then(|number| replied.get_mut(number)) {
                    *replied = true;
                }
                if replied.iter().all(|replied| *replied) {
                    return Ok(0.0);
                }
            }
            () = tokio::time::sleep_until(until), if sent == DATAGRAMS => {
                let lost = replied.iter().filter(|replied| !**replied).count();
                return Ok(lost as f64 / DATAGRAMS as f64);
            }
        }
    }
}

/// The number in a datagram.
fn number(datagram: &[u8]) -> Option<usize> {
    usize::try_from(u64::from_be_bytes(datagram.get(..8)?.try_into().ok()?)).ok()
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut byte = [0];
    while stream.read(&mut byte).await? != 0 {
        stream.write_all(&byte).await?;
    }
    Ok(())
}

/// Replies to each stream with the number of its bytes. Ends only with an error.
async fn count_streams(listener: &TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut buffer = vec![0; STREAM_WRITE];
        let mut bytes = 0;
        loop {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => bytes += read as u64,
            }
        }
        stream.write_u64(bytes).await?;
    }
}

/// Ends only with an error.
async fn echo_datagrams(socket: &UdpSocket) -> io::Result<()> {
    let mut datagram = [0; DATAGRAM_BYTES];
    loop {
        let (bytes, from) = socket.recv_from(&mut datagram).await?;
        socket.send_to(&datagram[..bytes], from).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn loopback_is_fast_and_loses_nothing() {
        let responder = PathResponder::bind().await.unwrap();
        let ports = responder.ports().unwrap();
        let serving = tokio::spawn(responder.serve());
        let measured = measure(HERE, ports).await.unwrap();
        assert!(measured.shortest_trip > Duration::ZERO && measured.shortest_trip <= measured.median_trip);
        assert!(measured.median_trip < Duration::from_millis(20), "{measured:?}");
        assert!(measured.bytes_per_s > 1e6, "{measured:?}");
        assert_eq!(measured.loss, 0.0, "{measured:?}");
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn datagrams_without_a_reply_are_lost() {
        let socket = UdpSocket::bind((HERE, 0)).await.unwrap();
        let responder = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut datagram = [0; DATAGRAM_BYTES];
            loop {
                let (bytes, from) = socket.recv_from(&mut datagram).await.unwrap();
                if !number(&datagram).unwrap().is_multiple_of(4) {
                    socket.send_to(&datagram[..bytes], from).await.unwrap();
                }
            }
        });
        assert_eq!(datagram_loss(responder).await.unwrap(), 0.25);
    }

    #[tokio::test]
    async fn a_responder_that_is_gone_is_an_error() {
        let responder = PathResponder::bind().await.unwrap();
        let ports = responder.ports().unwrap();
        drop(responder);
        assert!(measure(HERE, ports).await.is_err());
    }
}
