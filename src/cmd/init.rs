//! `lab init`: writes a scenario for the deployment in this folder.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, Role};
use crate::cli::InitArgs;
use crate::exit::Exit;
use crate::init::{self, App, Deployment, Refusals, SettingLine, Setup};
use crate::scenario::{self, model::Stack};
use crate::stack::service::missing as missing_service;
use crate::stack::verify;
use crate::whole_file;
use lab_proxy::config::nginx_version::NginxVersion;
use lab_serve::process::interpreter;
use lab_serve::settings;

/// The scenario that is written.
const SCENARIO: &str = "lab.toml";
/// The configuration that is written around a site's file.
const WRAPPER: &str = "lab-nginx.conf";
/// Where Debian's nginx has the types of files.
const MIME_TYPES: &str = "/etc/nginx/mime.types";

/// Writes it, after a question unless `--yes` is given.
pub(super) fn run(args: &InitArgs) -> anyhow::Result<Exit> {
    let folder = std::env::current_dir()?;
    let mut out = anstream::stdout().lock();
    if folder.join(SCENARIO).exists() && !args.force && !args.dry_run {
        writeln!(
            anstream::stderr(),
            "lab init: {SCENARIO} exists\nhint: --force replaces it, --dry-run prints what it would be"
        )?;
        return Ok(Exit::Usage);
    }
    let deployment = match init::survey(&folder, &args.files, python(&folder)) {
        Ok(deployment) => deployment,
        Err(error) => {
            writeln!(anstream::stderr(), "lab init: {:#}", anyhow::Error::new(error))?;
            return Ok(Exit::Usage);
        }
    };
    print_list(&mut out, "found", &deployment.found)?;
    print_list(&mut out, "not found", &deployment.missing)?;
    let Some(app) = &deployment.app else {
        writeln!(
            anstream::stderr(),
            "lab init: without an application there is no scenario; name its file: lab init FILE"
        )?;
        return Ok(Exit::BadScenario);
    };
    let wrapper = deployment.nginx.as_ref().and_then(|nginx| match &nginx.filled {
        Some(text) => Some(text.clone()),
        None if nginx.is_whole => None,
        None => Some(init::site_wrapper(&nginx.file, Path::new(MIME_TYPES).exists())),
    });
    let config = deployment.nginx.as_ref().map(|nginx| match wrapper {
        Some(_) => PathBuf::from(WRAPPER),
        None => nginx.file.clone(),
    });
    let refusals = Refusals {
        nginx: nginx_refusal(&deployment),
        lab_proxy: config.as_ref().and_then(|config| proxy_refusal(&folder, config, wrapper.as_deref())),
        lab_serve: server_refusal(&deployment),
    };
    let text = init::scenario_text(&deployment, app, config.as_deref(), &refusals);
    let files: Vec<(&str, &str)> =
        wrapper.iter().map(|text| (WRAPPER, text.as_str())).chain([(SCENARIO, text.as_str())]).collect();
    if args.dry_run {
        for (name, text) in files {
            write!(out, "\n--- {name}\n{text}")?;
        }
        return Ok(Exit::Ok);
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    if !args.yes && !confirm(&mut out, &names.join(" and "))? {
        return Ok(Exit::Usage);
    }
    for (name, text) in &files {
        whole_file::replace(&folder.join(name), text.as_bytes())?;
        writeln!(out, "wrote {name}")?;
    }
    report_next(&mut out, &folder, &deployment, app, &refusals)
}

/// The Python that reads the files: the project's own, or the first on the path.
fn python(folder: &Path) -> Result<PathBuf, String> {
    let own = folder.join(".venv/bin/python");
    if own.is_file() {
        return Ok(own);
    }
    let active = std::env::var("VIRTUAL_ENV").ok();
    interpreter::find(None, active.as_deref()).map_err(|error| error.to_string())
}

fn print_list(out: &mut impl std::io::Write, title: &str, lines: &[String]) -> std::io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "{title}:")?;
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))
}

/// Asks whether to write the files. It needs a terminal.
fn confirm(out: &mut impl std::io::Write, names: &str) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        writeln!(
            anstream::stderr(),
            "lab init: nothing is written, for want of an answer\nhint: --yes writes {names}, --dry-run prints it"
        )?;
        return Ok(false);
    }
    write!(out, "write {names}? [Y/n] ")?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(["", "y", "yes"].contains(&line.trim().to_lowercase().as_str()))
}

/// Why lab proxy cannot run the configuration, with file and line.
fn proxy_refusal(folder: &Path, config: &Path, wrapper: Option<&str>) -> Option<String> {
    verify::twin_refusal(folder, config, wrapper)
}

/// Why lab serve cannot take gunicorn's place, one reason per line.
fn server_refusal(deployment: &Deployment) -> Option<String> {
    let server = deployment.server.as_ref()?;
    let config = server.config.as_deref().unwrap_or(Path::new("")).display();
    let of_command = server.worker_class.iter().filter_map(|class| {
        let hint = settings::refusal("worker_class", class)?;
        Some(format!("lab serve has no worker class {class}: {hint}"))
    });
    let of_file = server.settings.iter().filter_map(|SettingLine { name, value, line }| {
        let hint = settings::refusal(name, value)?;
        Some(format!("{config}:{line}: lab serve cannot take {name} = {value}: {hint}"))
    });
    let reasons: Vec<String> = of_command.chain(of_file).collect();
    (!reasons.is_empty()).then(|| reasons.join("\n"))
}

/// Why the nginx of this machine cannot run the configuration.
fn nginx_refusal(deployment: &Deployment) -> Option<String> {
    let nginx = deployment.nginx.as_ref()?;
    let line = nginx.http2_line?;
    let output = std::process::Command::new("nginx").arg("-v").stdin(std::process::Stdio::null()).output().ok()?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    let version: NginxVersion = printed.split_whitespace().find(|word| word.starts_with("nginx/"))?.parse().ok()?;
    let file = nginx.file.display();
    let message = format!("nginx is {version} here, and `http2` in {file}:{line} needs 1.25.1 or newer");
    (!version.has_http2_directive()).then_some(message)
}

/// Says whether the scenario is valid, and what comes next.
fn report_next(
    out: &mut impl std::io::Write,
    folder: &Path,
    deployment: &Deployment,
    app: &App,
    refusals: &Refusals,
) -> anyhow::Result<Exit> {
    let scenario = match scenario::load(&folder.join(SCENARIO), None) {
        Ok(scenario) => scenario,
        Err(errors) => {
            super::select::print_errors(&errors)?;
            return Ok(Exit::BadScenario);
        }
    };
    let notes = match verify::configurations(&scenario) {
        Ok(notes) => notes,
        Err(error) => {
            writeln!(anstream::stderr(), "lab init: {:#}", anyhow::Error::new(error))?;
            return Ok(Exit::BadScenario);
        }
    };
    for note in notes {
        writeln!(out, "{note}")?;
    }
    if let Some(command) = app.setup.as_ref().and_then(Setup::proposed) {
        writeln!(out, "before each start: {command}")?;
    }
    let has_nginx = Catalog::builtin().choose(Role::Proxy, "nginx").is_ok();
    if deployment.nginx.is_some() && has_nginx && !crate::provision::is_on_path("nginx") {
        writeln!(out, "nginx is not installed here: apt-get install nginx-light")?;
    }
    if let Some(reason) = &refusals.nginx {
        writeln!(out, "{reason}: its stacks cannot run here")?;
    }
    for service in scenario.stacks.iter().take(1).flat_map(Stack::services) {
        if let Some(reason) = service.kind.and_then(missing_service) {
            writeln!(out, "the service {}: {reason}", service.name)?;
        }
    }
    writeln!(out, "next: lab provision {SCENARIO} && lab check {SCENARIO}")?;
    Ok(Exit::Ok)
}
