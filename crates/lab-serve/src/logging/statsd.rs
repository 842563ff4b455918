//! Metrics for a statsd server, under gunicorn's names (its documentation: "Instrumentation").

use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use lab_worker::access_record::AccessRecord;

/// Metrics for statsd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsdConfig {
    pub host: StatsdHost,
    /// The prefix of metric names; empty, or ending in a dot.
    pub prefix: String,
    /// Tags in DogStatsD's format.
    pub tags: String,
    /// Whether to send the backlog.
    pub backlog: bool,
}

/// A statsd server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsdHost {
    /// A host and a port, over UDP.
    Udp(String, u16),
    Unix(PathBuf),
}

/// A connection to a statsd server. Sending never blocks; a metric that cannot be sent is lost.
#[derive(Debug)]
pub struct Statsd {
    socket: Socket,
    prefix: String,
    tags: String,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Statsd {
    /// Connects to the server of a configuration.
    ///
    /// # Errors
    /// The host has no address, or there is no socket at the path.
    pub fn connect(config: &StatsdConfig) -> io::Result<Statsd> {
        let socket = match &config.host {
            StatsdHost::Udp(host, port) => {
                let local = if host.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
                let socket = UdpSocket::bind(local)?;
                socket.connect((host.as_str(), *port))?;
                socket.set_nonblocking(true)?;
                Socket::Udp(socket)
            }
            StatsdHost::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_nonblocking(true)?;
                Socket::Unix(socket)
            }
        };
        Ok(Statsd { socket, prefix: config.prefix.clone(), tags: config.tags.clone() })
    }

    /// Sends the metrics of one request.
    pub fn request(&self, record: &AccessRecord) {
        #[expect(clippy::cast_precision_loss, reason = "a request does not take 285 years")]
        let millis = record.duration_us as f64 / 1000.0;
        self.send(&metric("gunicorn.request.duration", &python_float(millis), "ms"));
        self.send(&metric("gunicorn.requests", "1", "c|@1.0"));
        self.send(&metric(&format!("gunicorn.request.status.{}", record.status), "1", "c|@1.0"));
    }

    /// Sends the number of workers.
    pub fn workers(&self, count: usize) {
        self.send(&metric("gunicorn.workers", &count.to_string(), "g"));
    }

    /// Sends the number of connections that wait to be accepted.
    pub fn backlog(&self, count: u64) {
        self.send(&metric("gunicorn.backlog", &count.to_string(), "h"));
    }

    /// Counts a line of the error log, of level `warning`, `error` or `critical`.
    pub fn log(&self, level: &str) {
        self.send(&metric(&format!("gunicorn.log.{level}"), "1", "c|@1.0"));
    }

    fn send(&self, metric: &str) {
        let tags = if self.tags.is_empty() { String::new() } else { format!("|#{}", self.tags) };
        let datagram = format!("{}{metric}{tags}", self.prefix);
        let _lost = match &self.socket {
            Socket::Udp(socket) => socket.send(datagram.as_bytes()),
            Socket::Unix(socket) => socket.send(datagram.as_bytes()),
        };
    }
}

fn metric(name: &str, value: &str, kind: &str) -> String {
    format!("{name}:{value}|{kind}")
}

/// Formats a float as Python does, always with a decimal point.
fn python_float(value: f64) -> String {
    let text = value.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(tags: &str, send: impl FnOnce(&Statsd)) -> Vec<String> {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let host = StatsdHost::Udp("127.0.0.1".into(), server.local_addr().unwrap().port());
        let config = StatsdConfig { host, prefix: "p.".into(), tags: tags.into(), backlog: true };
        let statsd = Statsd::connect(&config).unwrap();
        send(&statsd);
        statsd.send("end");
        let mut metrics = Vec::new();
        loop {
            let mut datagram = [0; 512];
            let length = server.recv(&mut datagram).unwrap();
            let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            if text.starts_with("p.end") {
                return metrics;
            }
            metrics.push(text);
        }
    }

    #[test]
    fn metrics_have_gunicorns_names() {
        let record = AccessRecord { status: 404, duration_us: 1500, ..AccessRecord::default() };
        let metrics = received("", |statsd| {
            statsd.request(&record);
            statsd.workers(3);
            statsd.backlog(7);
            statsd.log("error");
        });
        let expected = [
            "p.gunicorn.request.duration:1.5|ms",
            "p.gunicorn.requests:1|c|@1.0",
            "p.gunicorn.request.status.404:1|c|@1.0",
            "p.gunicorn.workers:3|g",
            "p.gunicorn.backlog:7|h",
            "p.gunicorn.log.error:1|c|@1.0",
        ];
        assert_eq!(metrics, expected);
    }

    #[test]
    fn tags_follow_each_metric() {
        assert_eq!(received("a:b,c", |statsd| statsd.workers(1)), ["p.gunicorn.workers:1|g|#a:b,c"]);
        assert_eq!(python_float(2.0), "2.0");
    }
}
