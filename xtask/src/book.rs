//! The book of `docs/`, which mdbook builds.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{cargo, root, run};

/// The version of mdbook that builds it.
const VERSION: &str = "0.5.4";

/// Builds the book in `target/book`. Installs mdbook in `target/tools` the first time, which takes some minutes.
pub(crate) fn build() -> Result<(), String> {
    let tools = root().join("target/tools").join(format!("mdbook-{VERSION}"));
    let mdbook: PathBuf = tools.join("bin/mdbook");
    if !mdbook.is_file() {
        let tools = tools.to_str().ok_or("the path of the repository is not UTF-8")?;
        cargo(&["install", "mdbook", "--version", VERSION, "--locked", "--root", tools])?;
    }
    run(Command::new(mdbook).arg("build").arg(root().join("docs")))?;
    eprintln!("the book is target/book/index.html");
    Ok(())
}
