//! `ssl_stapling` without a file: the status of certificates, fetched from their OCSP responders (RFC 6960).
//!
//! As in nginx, responses are fetched again after an hour, or five minutes before they expire.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lab_http::h1::framing::response_body;
use lab_http::{BodyDecoder, Incoming, Limits, ReadError};
use lab_net::Stream;
use lab_net::tls::{CertificateDer, ServerCertificate, StatusQuery, UnixTime, find_issuer, responder_url};
use tokio::io::AsyncWriteExt as _;

use super::files;
use crate::config::tls::server::{ServerTlsConfig, Stapling};
use crate::config::upstream::resolver::Resolver;
use lab_nginx_conf::ConfError;

/// The certificates of a configuration whose status is fetched.
#[derive(Debug, Default)]
pub(super) struct Staplings {
    pub(super) certificates: Vec<Arc<StapledCertificate>>,
    /// Why other certificates get no response.
    pub(super) warnings: Vec<String>,
}

/// A certificate whose status is fetched. All workers share it.
#[derive(Debug)]
pub(crate) struct StapledCertificate {
    certificate: ServerCertificate,
    /// In messages.
    name: String,
    query: StatusQuery,
    responder: Responder,
    resolver: Option<Resolver>,
    schedule: Mutex<Schedule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Schedule {
    refresh_at: Instant,
    /// When the response must not be sent any more.
    expires_at: Option<Instant>,
}

/// The parts of a responder's URL.
#[derive(Debug, PartialEq, Eq)]
struct Responder {
    host: String,
    port: u16,
    path: String,
}

/// How long a fetch may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest time between two fetches.
const MIN_PAUSE: Duration = Duration::from_secs(300);
const MAX_PAUSE: Duration = Duration::from_secs(3600);
/// The largest response that is read.
const MAX_RESPONSE: usize = 64 * 1024;

impl Staplings {
    /// Adds the certificates of a server.
    ///
    /// # Errors
    /// The files with authorities cannot be read.
    pub(super) fn add(
        &mut self,
        tls: &ServerTlsConfig,
        certificates: &[ServerCertificate],
        resolver: Option<Resolver>,
    ) -> Result<(), ConfError> {
        let Stapling::Responder { url } = &tls.stapling else { return Ok(()) };
        let mut authorities = Vec::new();
        for file in tls.clients.authorities.iter().chain(&tls.clients.trusted) {
            authorities.extend(files::read_authorities(file)?);
        }
        for (source, certificate) in tls.certificates.iter().zip(certificates) {
            let name = source.certificate.name();
            match StapledCertificate::new(certificate, &name, &authorities, url.as_deref(), resolver) {
                Ok(stapled) => self.certificates.push(Arc::new(stapled)),
                Err(reason) => self.warnings.push(format!("\"ssl_stapling\" ignored, {reason}")),
            }
        }
        Ok(())
    }
}

impl StapledCertificate {
    /// # Errors
    /// Why no response can be fetched, in nginx's words.
    fn new(
        certificate: &ServerCertificate,
        name: &str,
        authorities: &[CertificateDer<'static>],
        url: Option<&str>,
        resolver: Option<Resolver>,
    ) -> Result<StapledCertificate, String> {
        let no_issuer = || format!("issuer certificate not found for certificate \"{name}\"");
        let (own, chain) = certificate.chain().split_first().ok_or_else(no_issuer)?;
        let issuer = find_issuer(own, chain).or_else(|| find_issuer(own, authorities)).ok_or_else(no_issuer)?;
        let query = StatusQuery::new(own, &issuer).map_err(|_| no_issuer())?;
        let url = url.map(str::to_owned).or_else(|| responder_url(own));
        let url = url.ok_or_else(|| format!("no OCSP responder URL in the certificate \"{name}\""))?;
        if !url.starts_with("http://") {
            return Err(format!("invalid URL prefix in OCSP responder \"{url}\" in the certificate \"{name}\""));
        }
        let responder = Responder::parse(&url)
            .ok_or_else(|| format!("invalid URL in OCSP responder \"{url}\" in the certificate \"{name}\""))?;
        let schedule = Mutex::new(Schedule { refresh_at: Instant::now(), expires_at: None });
        let (certificate, name) = (certificate.clone(), name.to_owned());
        Ok(StapledCertificate { certificate, name, query, responder, resolver, schedule })
    }

    /// Whether a fetch is due, which then counts as begun. Drops a response that has expired.
    pub(super) fn claim(&self) -> bool {
        let now = Instant::now();
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        if schedule.take_expiry(now) {
            self.certificate.staple(None);
        }
        schedule.begin_fetch(now)
    }

    /// Fetches the response of the next handshakes. Without a new one, the current response stays until it expires.
    ///
    /// # Errors
    /// A line for the error log.
    pub(crate) async fn refresh(&self) -> Result<(), String> {
        let Responder { host, .. } = &self.responder;
        let described = |reason: String| {
            let name = &self.name;
            format!("{reason} while requesting certificate status, responder: {host}, certificate: \"{name}\"")
        };
        let fetched = tokio::time::timeout(TIMEOUT, self.fetch()).await;
        let response = fetched.map_err(|_| described("OCSP responder timed out".to_owned()))?.map_err(described)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let verified = self.query.verify(&response, UnixTime::since_unix_epoch(now));
        let expiry = verified.map_err(|error| described(error.to_string()))?;
        let validity = expiry.map(|expiry| Duration::from_secs(expiry.as_secs()).saturating_sub(now));
        let mut schedule = self.schedule.lock().unwrap_or_else(PoisonError::into_inner);
        *schedule = Schedule::of_response(validity, Instant::now());
        self.certificate.staple(Some(response));
        Ok(())
    }

    /// The response in DER.
    async fn fetch(&self) -> Result<Vec<u8>, String> {
        let stream = self.connect().await?;
        let (reader, mut writer) = stream.into_split();
        let request = self.responder.request(self.query.request());
        writer.write_all(request.as_bytes()).await.map_err(|error| format!("send() failed ({error})"))?;
        let invalid = |error: ReadError| format!("OCSP responder sent an invalid response ({error})");
        let mut incoming = Incoming::new(reader, Limits::response());
        let head = incoming.read_response_head().await.map_err(invalid)?;
        let head = head.ok_or("OCSP responder prematurely closed connection")?;
        if head.status != 200 {
            return Err(format!("OCSP responder sent status {}", head.status));
        }
        let length = response_body(b"GET", &head).map_err(|refusal| invalid(refusal.into()))?;
        let mut body = BodyDecoder::new(length, &Limits::response());
        let mut response = Vec::new();
        while let Some(piece) = incoming.read_body_piece(&mut body).await.map_err(invalid)? {
            response.extend_from_slice(piece);
            if response.len() > MAX_RESPONSE {
                return Err("OCSP responder sent too large a response".to_owned());
            }
        }
        Ok(response)
    }

    /// Connects to the first address that accepts. As for `proxy_pass` with variables, the system looks up the name.
    async fn connect(&self) -> Result<Stream, String> {
        let Responder { host, port, .. } = &self.responder;
        let unresolved = |error: io::Error| format!("{host} could not be resolved ({error})");
        let uses_ipv6 = self.resolver.is_none_or(|resolver| resolver.ipv6);
        let addresses = tokio::net::lookup_host((host.as_str(), *port)).await.map_err(unresolved)?;
        let mut failure = format!("{host} could not be resolved (3: Host not found)");
        for address in addresses.filter(|address: &SocketAddr| uses_ipv6 || address.is_ipv4()) {
            match Stream::connect_tcp(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = format!("connect() to {address} failed ({error})"),
            }
        }
        Err(failure)
    }
}

impl Schedule {
    /// The schedule after a response that arrived `now`. Without a `validity` it does not expire.
    fn of_response(validity: Option<Duration>, now: Instant) -> Schedule {
        let pause =
            validity.map_or(MAX_PAUSE, |validity| validity.saturating_sub(MIN_PAUSE).clamp(MIN_PAUSE, MAX_PAUSE));
        // a validity beyond the clock's range does not end
        Schedule { refresh_at: now + pause, expires_at: validity.and_then(|validity| now.checked_add(validity)) }
    }

    /// Whether the response has expired since the last call.
    fn take_expiry(&mut self, now: Instant) -> bool {
        self.expires_at.take_if(|expires_at| *expires_at <= now).is_some()
    }

    /// Whether a fetch is due. If it fails, the next one is due after a pause.
    fn begin_fetch(&mut self, now: Instant) -> bool {
        let is_due = self.refresh_at <= now;
        if is_due {
            self.refresh_at = now + MIN_PAUSE;
        }
        is_due
    }
}

impl Responder {
    fn parse(url: &str) -> Option<Responder> {
        let rest = url.strip_prefix("http://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, 80),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_valid = !host.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid.then(|| Responder { host: host.to_owned(), port, path: path.to_owned() })
    }

    /// As nginx sends it: a GET (RFC 6960 appendix A.1), which caches between here and the responder may answer.
    fn request(&self, der: &[u8]) -> String {
        let Responder { host, path, .. } = self;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let separator = if path.ends_with('/') { "" } else { "/" };
        let encoded = STANDARD.encode(der).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        format!("GET {path}{separator}{encoded} HTTP/1.0\r\nHost: {host}\r\n\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responders_are_split_into_their_parts() {
        let responder = |host: &str, port, path: &str| Responder { host: host.to_owned(), port, path: path.to_owned() };
        for (url, expected) in [
            ("http://r3.o.lencr.org", Some(responder("r3.o.lencr.org", 80, ""))),
            ("http://ocsp.example:8080/a/b", Some(responder("ocsp.example", 8080, "/a/b"))),
            ("http://[::1]/", Some(responder("::1", 80, "/"))),
            ("http://[::1]:81", Some(responder("::1", 81, ""))),
            ("http:///a", None),
            ("http://a:port", None),
            ("http://a b/", None),
        ] {
            assert_eq!(Responder::parse(url), expected, "{url}");
        }
    }

    #[test]
    fn responses_are_fetched_before_they_expire() {
        let start = Instant::now();
        let minutes = |count: u64| Duration::from_secs(60 * count);
        for (validity, pause) in [(None, 60), (Some(600), 60), (Some(30), 25), (Some(3), 5), (Some(0), 5)] {
            let mut schedule = Schedule::of_response(validity.map(minutes), start);
            assert!(!schedule.begin_fetch(start + minutes(pause) - Duration::from_secs(1)), "{validity:?}");
            assert!(schedule.begin_fetch(start + minutes(pause)), "{validity:?}");
            assert!(!schedule.begin_fetch(start + minutes(pause)), "one fetch at a time");
            assert!(schedule.begin_fetch(start + minutes(pause + 5)), "the next attempt after a failure");
        }
        let mut schedule = Schedule::of_response(Some(minutes(3)), start);
        let expiries = [2, 3, 4].map(|count| schedule.take_expiry(start + minutes(count)));
        assert_eq!(expiries, [false, true, false]);
    }

    #[test]
    fn request_is_encoded_in_the_path() {
        let request = |url: &str| Responder::parse(url).unwrap().request(&[0xfb, 0xef, 0xff, 0x00]);
        assert_eq!(request("http://a.example"), "GET /%2B%2B%2F%2FAA%3D%3D HTTP/1.0\r\nHost: a.example\r\n\r\n");
        assert!(request("http://[::1]:80/ocsp").starts_with("GET /ocsp/%2B%2B"));
        assert!(request("http://[::1]:80/ocsp/").contains("Host: [::1]\r\n"));
    }
}
