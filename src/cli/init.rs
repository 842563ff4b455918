//! The command line of `lab init`.

use std::path::PathBuf;

use clap::Args;

pub(super) const EXAMPLES: &str = "\
Examples:
  lab init                                 looks at the files of this folder, and asks before it writes lab.toml
  lab init --dry-run                       prints what it would write
  lab init deploy/nginx.conf Procfile      these files rather than others that were found
  lab init --yes && lab provision lab.toml && lab check lab.toml

It looks for nginx configurations (nginx.conf, files of sites), for the way the application is started (Procfile, systemd
unit, compose file, Dockerfile, gunicorn.conf.py), for the application (module:app, create_app(), Django's wsgi.py), for
static files, and for .venv, a lock file, requirements.txt or pyproject.toml. Python files are parsed, and not run.";

/// `lab init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Files to use rather than others that are found
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print what would be written, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Write without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Replace a lab.toml that exists
    #[arg(long)]
    pub force: bool,
}
