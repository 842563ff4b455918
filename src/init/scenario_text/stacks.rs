//! Writes the stacks: the deployment, and its twins.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::super::deployment::{Deployment, ServerCommand};
use super::{Refusals, quoted, quoted_path};

/// A stack, and why it cannot run.
struct StackText {
    name: &'static str,
    proxy: String,
    server: String,
    reasons: Vec<String>,
}

impl StackText {
    fn can_run(&self) -> bool {
        self.reasons.is_empty()
    }

    fn write(&self, text: &mut String, is_reference: bool) {
        let reference = if is_reference { "reference = true\n" } else { "" };
        let StackText { name, proxy, server, .. } = self;
        let lines = format!("[[stack]]\nname      = \"{name}\"\n{proxy}{server}{reference}");
        if self.can_run() {
            let _ = writeln!(text, "{lines}");
            return;
        }
        for line in self.reasons.iter().flat_map(|reason| reason.lines()).chain(lines.lines()) {
            let _ = writeln!(text, "# {line}");
        }
        text.push('\n');
    }
}

pub(super) fn write(text: &mut String, deployment: &Deployment, config: Option<&Path>, refusals: &Refusals) {
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
    let is_asgi = deployment.app.as_ref().is_some_and(|app| app.is_asgi);
    let is_gunicorn = server.kind.starts_with("gunicorn") && !is_asgi;
    let stack = |name, proxy: Option<String>, server: &str, refusals: [&Option<String>; 2]| StackText {
        name,
        proxy: proxy.unwrap_or_default(),
        server: server.to_owned(),
        reasons: refusals.into_iter().flatten().cloned().collect(),
    };
    let mut stacks = vec![stack("original", proxy(original), &own, [&refusals.nginx, &None])];
    if config.is_some() && !is_uwsgi {
        stacks.push(stack("lab-proxy", proxy("lab"), &own, [&refusals.lab_proxy, &None]));
    }
    if is_gunicorn {
        stacks.push(stack("lab-serve", proxy(original), &lab, [&refusals.nginx, &refusals.lab_serve]));
    }
    if config.is_some() && is_gunicorn {
        stacks.push(stack("lab", proxy("lab"), &lab, [&refusals.lab_proxy, &refusals.lab_serve]));
    }
    if !stacks.iter().any(StackText::can_run) {
        // A scenario has at least one stack, and the reason shows when it runs.
        stacks[0].reasons.clear();
    }
    let reference = stacks.iter().position(StackText::can_run);
    for (index, stack) in stacks.iter().enumerate() {
        stack.write(text, reference == Some(index));
        if index == 0 && is_asgi && server.kind.starts_with("gunicorn") {
            text.push_str("# lab serve, the twin of gunicorn, runs WSGI applications only.\n\n");
        }
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
