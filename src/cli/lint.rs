//! The command line of `lab lint`.

use std::path::PathBuf;

use clap::Args;
use lab_proxy::config::nginx_version::NginxVersion;

pub(super) const EXAMPLES: &str = "\
Examples:
  lab lint /etc/nginx/sites-enabled/app
  lab lint nginx.conf gunicorn.conf.py app.py     also how they fit together
  lab lint nginx.conf --format sarif > lint.sarif for code scanning
  lab lint --rules                                the rules and their reasons

Files named *.py are parsed as Python, by Python's parser, and not run; all others as nginx.conf, with the files they
include. The exit code is 4 for an error or a warning, and 0 for advice only.";

/// `lab lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// nginx.conf or one site's file; gunicorn.conf.py; the application's file
    #[arg(value_name = "FILE", required_unless_present = "rules")]
    pub files: Vec<PathBuf>,
    /// The format of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: LintFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// The version of nginx that the findings are for [default: any from 1.22 on]
    #[arg(long, value_name = "VERSION", conflicts_with = "rules")]
    pub nginx_version: Option<NginxVersion>,
    /// Write the fixes that change nothing but the fault into the files, then print what is left
    #[arg(long, conflicts_with = "rules")]
    pub fix: bool,
    /// In a step of GitHub Actions: write the job summary, and annotate the lines of the findings
    #[arg(long, conflicts_with = "rules")]
    pub github: bool,
    /// Print the rules and their reasons
    #[arg(long, conflicts_with = "files")]
    pub rules: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LintFormat {
    /// Each finding with its line, the reason and a fix
    Text,
    /// A list of the findings
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}
