//! Leads connections from this machine into the network of a run, which only containers reach.
//!
//! Each connection is a `lab connect` in the coordinator's container, which the docker client attaches to. So nothing
//! listens on an address of a node, and it works with every context.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, JoinSet};

use super::docker_client::DockerClient;
use crate::stack::container::lab_image::LAB;

/// Forwards connections to one address of the network until it is dropped.
#[derive(Debug)]
pub(super) struct Forwarder {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Forwarder {
    /// Listens on a free loopback port for connections to `target`, which `container` reaches.
    ///
    /// # Errors
    /// No port is free.
    pub(super) async fn open(docker: DockerClient, container: String, target: SocketAddr) -> io::Result<Forwarder> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                // Started before it is needed: an engine takes a tenth of a second or more to start a program.
                let connecting = connect_command(&docker, &container, target).spawn();
                let Ok((stream, _)) = listener.accept().await else { return };
                if let Ok(child) = connecting {
                    connections.spawn(forward(stream, child));
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Forwarder { address, task })
    }

    /// The address on this machine.
    #[must_use]
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn connect_command(docker: &DockerClient, container: &str, target: SocketAddr) -> Command {
    let target = target.to_string();
    let mut command = docker.command(&["exec", "--interactive", container, LAB, "connect", &target]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Passes bytes on in both directions until the far side has ended.
async fn forward(stream: TcpStream, mut child: Child) {
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else { return };
    // A client's request must not wait for the acknowledgement of the bytes before it.
    let _ = stream.set_nodelay(true);
    let (mut reader, mut writer) = stream.into_split();
    let sending = async move {
        let _ = tokio::io::copy(&mut reader, &mut input).await;
        // The end of the input is the end of the client's requests, not of the connection.
        drop(input);
        std::future::pending::<()>().await;
    };
    let receiving = async move {
        let _ = tokio::io::copy(&mut output, &mut writer).await;
    };
    tokio::select! {
        () = sending => {}
        () = receiving => {}
    }
}
