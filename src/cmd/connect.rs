//! `lab connect`: a connection from a container of a run into its network, on behalf of lab. Hidden; see
//! [`stack::swarm`](crate::stack::swarm).

use anyhow::Context as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::unix::pipe;

use crate::cli::ConnectArgs;
use crate::exit::Exit;

/// Passes bytes on until the address closes the connection.
pub(super) fn run(args: &ConnectArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Pipes, because a thread that reads a terminal would outlive the connection.
        let input = rustix::io::dup(rustix::stdio::stdin()).context("keep standard input")?;
        let mut input = pipe::Receiver::from_owned_fd(input).context("standard input must be a pipe")?;
        let output = rustix::io::dup(rustix::stdio::stdout()).context("keep standard output")?;
        let mut output = pipe::Sender::from_owned_fd(output).context("standard output must be a pipe")?;
        // lab starts a connection before it is needed, and a server would close one without a request.
        input.readable().await.context("wait for input")?;
        let stream = TcpStream::connect(args.address).await.with_context(|| format!("connect to {}", args.address))?;
        stream.set_nodelay(true)?;
        let (mut reader, mut writer) = stream.into_split();
        let sending = async {
            if tokio::io::copy(&mut input, &mut writer).await.is_ok() {
                let _ = writer.shutdown().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = sending => {}
            received = tokio::io::copy(&mut reader, &mut output) => {
                received.context("pass on what the address sends")?;
            }
        }
        Ok(Exit::Ok)
    })
}
