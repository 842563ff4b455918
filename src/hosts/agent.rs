//! The agent of a node: it runs drivers there for the run's coordinator, and reads its clock.
//!
//! It serves one coordinator at a time. When the connection ends, every driver ends. After some time without a message of a
//! coordinator the agent ends, so that a run leaves nothing on a node that it can no longer reach.

mod container_watch;
mod driver_process;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::{Instant, timeout, timeout_at};

use super::message_lines::{MessageReader, send};
use super::network_path::{self, PathResponder};
use super::protocol::{AgentReport, AgentRequest, VERSION};
use crate::measure::procfs;
use driver_process::DriverProcess;
use lab_load::monotonic;
use lab_net::Stream;
use lab_net::tls::ServerConfig;

/// How long a handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);

/// What an agent needs.
#[derive(Debug)]
pub struct Agent {
    /// The lab binary.
    pub lab: PathBuf,
    /// The node's name.
    pub node: String,
    /// Where it writes the files of drivers.
    pub folder: PathBuf,
    pub tls: Arc<ServerConfig>,
    /// How long it lives without a message of a coordinator.
    pub coordinator_timeout: Duration,
    /// Takes messages for a log.
    pub log: fn(&str),
}

impl Agent {
    /// Serves coordinators until there is none for some time.
    ///
    /// # Errors
    /// No connection can be accepted.
    pub async fn run(&self, listener: TcpListener) -> io::Result<()> {
        let mut last_message = Instant::now();
        loop {
            match timeout_at(last_message + self.coordinator_timeout, self.accept(&listener)).await {
                Err(_) => {
                    let seconds = self.coordinator_timeout.as_secs();
                    (self.log)(&format!("no message of a coordinator for {seconds} s"));
                    return Ok(());
                }
                Ok(stream) => {
                    let stream = stream?;
                    last_message = Instant::now();
                    if let Err(error) = self.serve(stream, &mut last_message).await {
                        (self.log)(&format!("the connection to the coordinator has ended: {error}"));
                    }
                }
            }
        }
    }

    /// The next connection of a coordinator. Strangers are refused.
    async fn accept(&self, listener: &TcpListener) -> io::Result<Stream> {
        loop {
            let (stream, peer) = listener.accept().await?;
            match timeout(HANDSHAKE_DEADLINE, self.handshake(stream)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => (self.log)(&format!("refused {peer}: {error}")),
                Err(_) => (self.log)(&format!("refused {peer}: no handshake")),
            }
        }
    }

    async fn handshake(&self, stream: tokio::net::TcpStream) -> io::Result<Stream> {
        stream.set_nodelay(true)?;
        Stream::Tcp(stream).accept_tls(Arc::clone(&self.tls)).await
    }

    /// Serves one coordinator until its connection ends or its messages stop. Then no driver is left. `last_message` is the
    /// instant of its last one.
    async fn serve(&self, stream: Stream, last_message: &mut Instant) -> io::Result<()> {
        let mut drivers = BTreeMap::new();
        let served = self.exchange(stream, &mut drivers, last_message).await;
        self.stop_all(&mut drivers).await;
        served
    }

    async fn exchange(
        &self,
        stream: Stream,
        drivers: &mut BTreeMap<u32, DriverProcess>,
        last_message: &mut Instant,
    ) -> io::Result<()> {
        let (reader, mut writer) = stream.into_split();
        let mut reader = MessageReader::new(reader);
        let (reports, mut queue) = mpsc::unbounded_channel();
        loop {
            let deadline = *last_message + self.coordinator_timeout;
            let request = tokio::select! {
                report = queue.recv() => {
                    // OK because this function holds a sender as well
                    let report = report.expect("a sender");
                    with_deadline(deadline, send(&mut writer, &report)).await?;
                    continue;
                }
                request = with_deadline(deadline, reader.next::<AgentRequest>()) => request?,
            };
            *last_message = Instant::now();
            let deadline = *last_message + self.coordinator_timeout;
            match request {
                None => return Ok(()),
                Some(AgentRequest::KeepAlive) => {}
                Some(AgentRequest::ReadClock { number }) => {
                    let read_ns = u64::try_from(monotonic::now().as_nanos()).unwrap_or(u64::MAX);
                    let reading = AgentReport::Clock { number, read_ns };
                    with_deadline(deadline, send(&mut writer, &reading)).await?;
                }
                Some(AgentRequest::Hello { .. }) => with_deadline(deadline, send(&mut writer, &self.hello())).await?,
                Some(AgentRequest::Prepare { driver, cores, plan }) => {
                    if let Some(earlier) = drivers.remove(&driver) {
                        earlier.stop().await?;
                    }
                    let folder = self.folder.join(format!("driver-{driver}"));
                    let started =
                        DriverProcess::start(&self.lab, &folder, (driver, cores), &plan, reports.clone()).await;
                    match started {
                        Ok(process) => _ = drivers.insert(driver, process),
                        Err(error) => report_failure(&reports, driver, &error),
                    }
                }
                Some(AgentRequest::Start { driver, start }) => {
                    let sent = match drivers.get_mut(&driver) {
                        Some(process) => process.send_start(start).await,
                        None => Err(io::Error::other("there is no such driver")),
                    };
                    if let Err(error) = sent {
                        report_failure(&reports, driver, &error);
                    }
                }
                Some(AgentRequest::Watch { containers, window }) => {
                    let reports = reports.clone();
                    // It ends by itself after the window.
                    tokio::spawn(async move {
                        let report = container_watch::watch(&containers, window).await;
                        // Nobody takes it after the end of the connection.
                        let _ = reports.send(report.unwrap_or_else(|message| AgentReport::WatchFailed { message }));
                    });
                }
                Some(AgentRequest::RespondToProber) => {
                    let report = self.respond_to_prober().await;
                    let report = report.unwrap_or_else(|error| AgentReport::PathFailed { message: error.to_string() });
                    with_deadline(deadline, send(&mut writer, &report)).await?;
                }
                Some(AgentRequest::MeasurePath { host, ports }) => {
                    let reports = reports.clone();
                    tokio::spawn(async move {
                        let report = match network_path::measure(host, ports).await {
                            Ok(measurement) => AgentReport::PathMeasured { measurement },
                            Err(error) => AgentReport::PathFailed { message: error.to_string() },
                        };
                        // Nobody takes it after the end of the connection.
                        let _ = reports.send(report);
                    });
                }
                Some(AgentRequest::Abort) => self.stop_all(drivers).await,
            }
        }
    }

    /// Starts a responder, which ends by itself.
    async fn respond_to_prober(&self) -> io::Result<AgentReport> {
        let responder = PathResponder::bind().await?;
        let ports = responder.ports()?;
        let log = self.log;
        tokio::spawn(async move {
            if let Err(error) = responder.serve().await {
                log(&format!("the measurement of a path has ended: {error}"));
            }
        });
        Ok(AgentReport::Responding { ports })
    }

    fn hello(&self) -> AgentReport {
        let cores = procfs::cores_allowed().unwrap_or_default();
        let cores = cores.into_iter().filter_map(|core| u16::try_from(core).ok()).collect();
        AgentReport::Hello { version: VERSION, node: self.node.clone(), cores }
    }

    async fn stop_all(&self, drivers: &mut BTreeMap<u32, DriverProcess>) {
        for (driver, process) in std::mem::take(drivers) {
            if let Err(error) = process.stop().await {
                (self.log)(&format!("cannot stop driver {driver}: {error}"));
            }
        }
    }
}

/// Gives up at the deadline: behind a partition, neither reading nor writing would ever end.
async fn with_deadline<T>(deadline: Instant, exchange: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout_at(deadline, exchange).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

fn report_failure(reports: &UnboundedSender<AgentReport>, driver: u32, error: &io::Error) {
    // The receiver lives as long as the connection.
    let _ = reports.send(AgentReport::DriverFailed { driver, message: error.to_string() });
}
