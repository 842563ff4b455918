//! Output and exit codes of finished processes.

use std::process::Output;

use lab::exit::Exit;

/// Both streams as text.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Fails with the whole output unless lab ended with `exit`.
#[track_caller]
pub(crate) fn assert_exit(output: &Output, exit: Exit) {
    let expected = i32::from(exit as u8);
    assert_eq!(output.status.code(), Some(expected), "{exit:?} expected; {}\n{}", output.status, text(output));
}
