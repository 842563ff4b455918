//! `lab completions`: a completion script for a shell, on standard output, or installed together with the manual pages.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;

use crate::cli::{Cli, CompletionsArgs};
use crate::exit::Exit;
use crate::whole_file;

/// Prints the script, or installs it.
pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let Some(shell) = args.shell.or_else(Shell::from_env) else {
        let accepted: Vec<String> = Shell::value_variants().iter().map(ToString::to_string).collect();
        writeln!(
            anstream::stderr(),
            "lab: the variable SHELL names no shell that lab knows\nhint: `lab completions {}`",
            accepted.join("|")
        )?;
        return Ok(Exit::Usage);
    };
    let script = script(shell);
    if !args.install {
        std::io::stdout().write_all(&script)?;
        return Ok(Exit::Ok);
    }
    let Some(folders) = UserFolders::from_environment() else {
        let mut err = anstream::stderr();
        writeln!(err, "lab: the variable HOME is not set, so there is no folder to install into")?;
        writeln!(err, "hint: `lab completions {shell}` prints the script")?;
        return Ok(Exit::Usage);
    };
    let Some(file) = folders.completion(shell) else {
        writeln!(
            anstream::stderr(),
            "lab: {shell} has no folder for completions\nhint: add the output of `lab completions {shell}` to your profile"
        )?;
        return Ok(Exit::Usage);
    };
    let mut out = anstream::stdout().lock();
    install(&file, &script)?;
    writeln!(out, "wrote {}", file.display())?;
    let pages = install_manual(&folders.manual())?;
    writeln!(out, "wrote {pages} manual pages in {}: `man lab`", folders.manual().display())?;
    match shell {
        Shell::Zsh => writeln!(
            out,
            "next: add `fpath=({} $fpath)` before `compinit` in ~/.zshrc, and start a new shell",
            file.parent().unwrap_or(Path::new("/")).display()
        )?,
        _ => writeln!(out, "next: start a new shell")?,
    }
    Ok(Exit::Ok)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lab", &mut script);
    script
}

/// The folders of a person's own files, by the XDG base directory specification.
struct UserFolders {
    data: PathBuf,
    config: PathBuf,
}

impl UserFolders {
    fn from_environment() -> Option<UserFolders> {
        let home = PathBuf::from(std::env::var_os("HOME").filter(|home| !home.is_empty())?);
        // A relative path is invalid there.
        let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Some(UserFolders {
            data: named("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share")),
            config: named("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
        })
    }

    /// `None` for shells without such a folder.
    fn completion(&self, shell: Shell) -> Option<PathBuf> {
        match shell {
            Shell::Bash => Some(self.data.join("bash-completion/completions/lab")),
            Shell::Zsh => Some(self.data.join("zsh/site-functions/_lab")),
            Shell::Fish => Some(self.config.join("fish/completions/lab.fish")),
            _ => None,
        }
    }

    fn manual(&self) -> PathBuf {
        self.data.join("man/man1")
    }
}

fn install(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    whole_file::replace(file, content).with_context(|| format!("write {}", file.display()))
}

/// Writes a page for lab and for each of its subcommands; returns their number.
fn install_manual(folder: &Path) -> anyhow::Result<usize> {
    let mut command = Cli::command();
    // Names of subcommands with that of lab, as in `lab-run(1)`.
    command.build();
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
    let pages: Vec<clap::Command> = std::iter::once(command.clone()).chain(shown.cloned()).collect();
    for page in &pages {
        let name = page.get_display_name().unwrap_or_else(|| page.get_name()).to_owned();
        let mut text = Vec::new();
        clap_mangen::Man::new(page.clone()).render(&mut text).with_context(|| format!("write the page of {name}"))?;
        install(&folder.join(format!("{name}.1")), &text)?;
    }
    Ok(pages.len())
}
