//! The command line of `lab compare`.

use std::path::PathBuf;

use clap::Args;

use super::{MeasureArgs, OutcomeArgs, OutputArgs, StackArgs};

pub(super) const EXAMPLES: &str = "\
Examples:
  lab compare main                                   did the working tree break anything since main?
  lab compare origin/main --merge-base --gate        what CI runs for a pull request
  lab compare HEAD~1 scenarios/default.toml --rounds auto
  lab compare ../as-deployed scenarios/default.toml  against a folder, without git
  lab compare HEAD --base-lab /usr/local/bin/lab     lab's own proxy and server against those of another lab
  lab compare . --base-image shop:2026-10            the image of today against an earlier one

Each stack is run as it is and as it was: with the application, its requirements, the configurations and the scenario file
of both versions, in one session, in blocks that visit both in random order. Checks, loads, rounds and margins are today's.
A revision is checked out as a git worktree below reports/revisions, which is removed after the run; uncommitted changes
count as today's. Submodules are not checked out, ignored files are missing, and absolute paths lead to the same files in
both versions. No snapshot is read or written.";

/// An image of an earlier version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// `None` is every stack whose server has an image.
    pub stack: Option<String>,
    pub image: String,
}

impl BaseImage {
    /// The name of an image has no `=`.
    #[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
    fn parse(text: &str) -> Result<BaseImage, String> {
        Ok(match text.split_once('=') {
            Some((stack, image)) => BaseImage { stack: Some(stack.to_owned()), image: image.to_owned() },
            None => BaseImage { stack: None, image: text.to_owned() },
        })
    }
}

impl std::fmt::Display for BaseImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.stack.iter().try_for_each(|stack| write!(f, "{stack}="))?;
        f.write_str(&self.image)
    }
}

/// `lab compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// What to compare with: a branch, a tag, a commit, or a folder with the project as it was
    #[arg(value_name = "REVISION|FOLDER")]
    pub revision: String,
    /// The scenario file [default: lab.toml, the only one in scenarios/, or scenarios/default.toml]
    #[arg(value_name = "SCENARIO.toml")]
    pub scenario: Option<PathBuf>,
    /// Compare with the best common ancestor of the revision and HEAD: only what this branch has changed
    #[arg(long)]
    pub merge_base: bool,
    /// The lab binary of the earlier version, where lab itself is a proxy or a server [default: this one]
    #[arg(long, value_name = "FILE")]
    pub base_lab: Option<PathBuf>,
    /// The image of the earlier version, for the servers of all stacks that have an image, or of one stack
    #[arg(long, value_name = "[STACK=]IMAGE", value_parser = BaseImage::parse)]
    pub base_image: Vec<BaseImage>,
    #[command(flatten)]
    pub stacks: StackArgs,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub outcome: OutcomeArgs,
    #[command(flatten)]
    pub measure: MeasureArgs,
}
