//! Writes the stacks: the deployment, and its twins.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::super::deployment::{Deployment, ServerCommand};
use super::{Twin, quoted, quoted_path};

pub(super) fn write(text: &mut String, deployment: &Deployment, config: Option<&Path>, twin: &Twin) {
    text.push_str("# --- The deployment, and the same files on lab's twins of nginx and gunicorn\n\n");
    let Some(server) = &deployment.server else { return };
    let folders = folders_key(&deployment.document_folders);
    let proxy = |kind: &str| {
        config.map(|config| {
            format!("proxy     = {{ kind = {}, config = {}{folders} }}\n", quoted(kind), quoted_path(config))
        })
    };
    let is_uwsgi = deployment.nginx.as_ref().is_some_and(|nginx| nginx.speaks_uwsgi);
    let original = if is_uwsgi { "nginx/uwsgi" } else { "nginx" };
    let own = server_line(server, &server.kind, &server.arguments);
    let lab = server_line(server, "lab", &twin_arguments(server));
    let _ = write!(
        text,
        "[[stack]]\nname      = \"original\"\n{}{own}reference = true\n\n",
        proxy(original).unwrap_or_default()
    );
    let is_asgi = deployment.app.as_ref().is_some_and(|app| app.is_asgi);
    if server.kind.starts_with("gunicorn") && is_asgi {
        text.push_str("# lab serve, the twin of gunicorn, runs WSGI applications only.\n\n");
    }
    let mut stack = |name: &str, refusals: [&Option<String>; 2], proxy: Option<String>, server: &str| {
        let lines = format!("[[stack]]\nname      = \"{name}\"\n{}{server}\n", proxy.unwrap_or_default());
        let reasons: Vec<&str> = refusals.iter().filter_map(|reason| reason.as_deref()).collect();
        if reasons.is_empty() {
            text.push_str(&lines);
            return;
        }
        for reason in reasons.iter().flat_map(|reason| reason.lines()) {
            let _ = writeln!(text, "# {reason}");
        }
        for line in lines.trim_end().lines() {
            let _ = writeln!(text, "# {line}");
        }
        text.push('\n');
    };
    let is_gunicorn = server.kind.starts_with("gunicorn") && !is_asgi;
    if config.is_some() && !is_uwsgi {
        stack("lab-proxy", [&twin.proxy_refusal, &None], proxy("lab"), &own);
    }
    if is_gunicorn {
        stack("lab-serve", [&None, &twin.server_refusal], proxy(original), &lab);
    }
    if config.is_some() && is_gunicorn {
        stack("lab", [&twin.proxy_refusal, &twin.server_refusal], proxy("lab"), &lab);
    }
}

/// The key that says where folders of a container are here.
fn folders_key(folders: &[(PathBuf, PathBuf)]) -> String {
    let pairs = folders.iter().map(|(named, here)| format!("{} = {}", quoted_path(named), quoted_path(here)));
    match folders {
        [] => String::new(),
        _ => format!(", folders = {{ {} }}", pairs.collect::<Vec<_>>().join(", ")),
    }
}

/// The arguments of the twin, which knows no variants for classes of workers. Its number of threads decides between those
/// without greenlets.
fn twin_arguments(server: &ServerCommand) -> Vec<String> {
    const CLASS: &str = "--worker-class";
    let mut arguments = server.arguments.clone();
    let is_variant = server.kind.contains('/') && server.kind != "gunicorn/gthread";
    let class = server.worker_class.iter().filter(|_| is_variant && !arguments.iter().any(|own| own == CLASS));
    let class: Vec<&String> = class.collect();
    arguments.extend(class.into_iter().flat_map(|class| [CLASS.to_owned(), class.clone()]));
    arguments
}

fn server_line(server: &ServerCommand, kind: &str, arguments: &[String]) -> String {
    let mut keys = format!("kind = {}", quoted(kind));
    if let Some(config) = &server.config {
        let _ = write!(keys, ", config = {}", quoted_path(config));
    }
    if let Some(workers) = server.workers {
        let _ = write!(keys, ", workers = {workers}");
    }
    if let Some(threads) = server.threads {
        let _ = write!(keys, ", threads = {threads}");
    }
    if !arguments.is_empty() {
        let arguments: Vec<String> = arguments.iter().map(|argument| quoted(argument)).collect();
        let _ = write!(keys, ", arguments = [{}]", arguments.join(", "));
    }
    format!("server    = {{ {keys} }}\n")
}
