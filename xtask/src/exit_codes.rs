//! The page under docs/ that lists the exit codes.

use lab::exit::Exit;

use super::markdown::{HEADER, line};

/// docs/exit-codes.md
pub(crate) fn page() -> String {
    let mut page = format!("{HEADER}# Exit codes\n\n| code | meaning |\n|---|---|\n");
    for exit in Exit::ALL {
        line(&mut page, &[&(exit as u8).to_string(), exit.meaning()]);
    }
    page
}
