//! The docker client. It knows every kind of context: sockets, TLS and SSH.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::AsyncRead;
use tokio::process::Command;

/// How long a command may take. Pushing and pulling images take long.
const DEADLINE: Duration = Duration::from_secs(300);

/// Runs docker commands in one context.
#[derive(Debug, Clone, Default)]
pub struct DockerClient {
    context: Option<String>,
}

/// Why a docker command has no result.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    #[error("cannot run `docker`, which `backend = \"swarm\"` needs")]
    Program(#[source] io::Error),
    #[error("docker cannot {operation}: {message}")]
    Refused {
        /// In the imperative, as in "list services".
        operation: String,
        message: String,
    },
    #[error("docker did not {operation} within {} s", .deadline.as_secs())]
    Deadline { operation: String, deadline: Duration },
    #[error("docker did not {operation} in a form that lab knows")]
    Description { operation: String, source: serde_json::Error },
}

impl DockerClient {
    /// For the context `context`; `None` is the one that the docker command would use.
    #[must_use]
    pub fn new(context: Option<String>) -> DockerClient {
        DockerClient { context }
    }

    /// The arguments that select the context.
    #[must_use]
    pub fn context_arguments(&self) -> Vec<String> {
        self.context.iter().flat_map(|context| ["--context".to_owned(), context.clone()]).collect()
    }

    /// A docker command. It is killed when its handle is dropped.
    pub fn command<A: AsRef<str>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new("docker");
        command.args(self.context_arguments()).args(arguments.iter().map(AsRef::as_ref));
        // A group of its own keeps the terminal's Ctrl-C away from it: lab handles that.
        command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        command
    }

    /// Runs a command and returns what it prints. An error names the `operation`.
    ///
    /// # Errors
    /// [`DockerError`].
    pub async fn run<A: AsRef<str>>(&self, operation: &str, arguments: &[A]) -> Result<String, DockerError> {
        self.run_with_input(operation, arguments, tokio::io::empty()).await
    }

    /// The same with an input.
    ///
    /// # Errors
    /// As for [`run`](DockerClient::run).
    pub async fn run_with_input<A: AsRef<str>>(
        &self,
        operation: &str,
        arguments: &[A],
        mut input: impl AsyncRead + Unpin,
    ) -> Result<String, DockerError> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Images are built by the engine itself, which every version of Docker can.
        command.env("DOCKER_BUILDKIT", "0");
        let mut child = command.spawn().map_err(DockerError::Program)?;
        let stdin = child.stdin.take();
        let feeding = async {
            if let Some(mut stdin) = stdin {
                // A client that reads no further says why itself.
                let _ = tokio::io::copy(&mut input, &mut stdin).await;
            }
        };
        let finished = async { tokio::join!(feeding, child.wait_with_output()).1 };
        let output = match tokio::time::timeout(DEADLINE, finished).await {
            Ok(output) => output.map_err(DockerError::Program)?,
            Err(_) => return Err(DockerError::Deadline { operation: operation.to_owned(), deadline: DEADLINE }),
        };
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => {
                let message = message(&String::from_utf8_lossy(&output.stderr));
                Err(DockerError::Refused { operation: operation.to_owned(), message })
            }
        }
    }

    /// Writes everything that a command prints into `file`, as long as it does not take longer than `limit`.
    ///
    /// # Errors
    /// The file cannot be written, or the command cannot be started.
    pub async fn write_output<A: AsRef<str>>(&self, arguments: &[A], file: &Path, limit: Duration) -> io::Result<()> {
        let file = std::fs::File::create(file)?;
        let mut command = self.command(arguments);
        let mut child = command.stdout(file.try_clone()?).stderr(file).spawn()?;
        match tokio::time::timeout(limit, child.wait()).await {
            Ok(ended) => ended.map(drop),
            // It is killed when it is dropped, and the file has what it printed.
            Err(_) => Ok(()),
        }
    }

    /// Runs a command that prints a line for each object.
    ///
    /// # Errors
    /// As for [`run`](DockerClient::run).
    pub async fn lines<A: AsRef<str>>(&self, operation: &str, arguments: &[A]) -> Result<Vec<String>, DockerError> {
        let text = self.run(operation, arguments).await?;
        Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Describes objects of one type, `node` or `task` for example.
    ///
    /// # Errors
    /// As for [`run`](DockerClient::run), or the description has another form.
    pub async fn inspect<T: DeserializeOwned>(
        &self,
        kind: &str,
        objects: &[impl AsRef<str>],
    ) -> Result<Vec<T>, DockerError> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        let operation = format!("describe a {kind}");
        // Tasks have no command of their own.
        let mut arguments = if kind == "task" { vec!["inspect", "--type", kind] } else { vec![kind, "inspect"] };
        arguments.extend(objects.iter().map(AsRef::as_ref));
        let text = self.run(&operation, &arguments).await?;
        serde_json::from_str(&text).map_err(|source| DockerError::Description { operation, source })
    }
}

/// What the client says, without its own prefixes, on one line.
fn message(stderr: &str) -> String {
    let lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines = lines.map(|line| line.strip_prefix("Error response from daemon: ").unwrap_or(line));
    let message = lines.collect::<Vec<_>>().join("; ");
    if message.is_empty() { "it does not say why".to_owned() } else { message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_their_prefixes() {
        let stderr = "Error response from daemon: This node is not a swarm manager.\n\n";
        assert_eq!(message(stderr), "This node is not a swarm manager.");
        assert_eq!(message(""), "it does not say why");
    }
}
