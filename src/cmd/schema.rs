//! `lab schema`: the JSON Schema of scenario files, on standard output.

use std::io::Write as _;

use crate::exit::Exit;
use crate::scenario;

/// Prints the schema.
pub(super) fn run() -> anyhow::Result<Exit> {
    writeln!(std::io::stdout(), "{}", scenario::schema().trim_end())?;
    Ok(Exit::Ok)
}
