//! Running programs in the repository.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository").to_owned()
}

/// Runs cargo with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    run(cargo_command().args(arguments))
}

/// The cargo that runs this program.
pub(crate) fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Prints a command, runs it, and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    let line = announce(command);
    let status = command.status().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    check(&line, status)
}

/// Prints a command, and returns it as it would be typed.
pub(crate) fn announce(command: &Command) -> String {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let line = format!("{program} {}", arguments.join(" "));
    eprintln!("$ {line}");
    line
}

/// Fails, naming the command, unless it has succeeded.
pub(crate) fn check(line: &str, status: ExitStatus) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(format!("`{line}`: {status}")) }
}
