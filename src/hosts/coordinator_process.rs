//! The coordinator as a process of its own, near the agents: lab leads it by messages on its standard input.
//!
//! Standard input is its lifeline. However lab ends, the input ends, then the coordinator, then its connections, then the
//! drivers of all agents.

use std::error::Error;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use super::coordination::{DriverTask, SharedDrive, WatchTask};
use super::coordinator::{AgentAddress, Coordinator};
use super::message_lines::{MessageReader, send};
use super::network_path::PathMeasurement;
use lab_net::tls::ClientConfig;

/// From lab.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum CoordinatorRequest {
    /// Connect to the agents of a run. The first message.
    Connect { run: String, agents: Vec<AgentAddress> },
    #[serde(untagged)]
    Connected(ConnectedRequest),
}

/// A request that needs connected agents.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum ConnectedRequest {
    /// Measure the path between two agents, given their positions.
    MeasurePath { from: usize, to: usize },
    /// Carry out a drive.
    Drive { tasks: Vec<DriverTask>, watched: Vec<WatchTask> },
}

/// From the coordinator: one for each request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum CoordinatorReport {
    Connected,
    PathMeasured {
        measurement: PathMeasurement,
    },
    Driven {
        shared: Box<SharedDrive>,
    },
    /// The request could not be met. After a drive that has failed, the next one may succeed.
    Failed {
        message: String,
    },
}

/// Serves lab until the input ends.
///
/// # Errors
/// The input is no protocol, or lab reads nothing any more.
pub async fn run(
    tls: Arc<ClientConfig>,
    input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut input = MessageReader::new(input);
    let mut coordinator = None;
    while let Some(request) = input.next::<CoordinatorRequest>().await? {
        let report = match request {
            CoordinatorRequest::Connect { run, agents } => {
                match Coordinator::connect(run, agents, Arc::clone(&tls)).await {
                    Ok(connected) => {
                        coordinator = Some(connected);
                        CoordinatorReport::Connected
                    }
                    Err(error) => failed(&error),
                }
            }
            CoordinatorRequest::Connected(request) => {
                let Some(coordinator) = &mut coordinator else {
                    return Err(io::Error::other("a request before the agents are known"));
                };
                tokio::select! {
                    report = carry_out(coordinator, request) => report,
                    next = input.next::<CoordinatorRequest>() => match next? {
                        None => return Ok(()),
                        Some(_) => return Err(io::Error::other("a request during another")),
                    },
                }
            }
        };
        send(&mut output, &report).await?;
    }
    Ok(())
}

async fn carry_out(coordinator: &mut Coordinator, request: ConnectedRequest) -> CoordinatorReport {
    match request {
        ConnectedRequest::MeasurePath { from, to } => match coordinator.measure_path(from, to).await {
            Ok(measurement) => CoordinatorReport::PathMeasured { measurement },
            Err(error) => failed(&error),
        },
        ConnectedRequest::Drive { tasks, watched } => match coordinator.drive(tasks, watched).await {
            Ok(shared) => CoordinatorReport::Driven { shared: Box::new(shared) },
            Err(error) => failed(&error),
        },
    }
}

/// An error and its causes in one line.
fn failed(error: &dyn Error) -> CoordinatorReport {
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    CoordinatorReport::Failed { message: causes.join(": ") }
}
