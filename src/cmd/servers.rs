//! `lab servers`: the kinds of the catalogue, and which of them this machine has.

use std::io::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::provision::catalog;
use super::tool_paths::tool_paths;
use crate::catalog::kind::{Ability, Install, Interface, Kind, Published};
use crate::catalog::{Catalog, Role};
use crate::cli::ServersArgs;
use crate::exit::Exit;
use crate::provision::{self, AppPackages, ToolPaths};
use crate::report::numbers::grouped;

/// The start of the reason of a kind whose environment is missing.
const NOT_PROVISIONED: &str = "not provisioned";

/// Prints a table of all kinds, or the details of some.
pub(super) fn run(args: &ServersArgs) -> anyhow::Result<Exit> {
    let catalog = match catalog(&args.kinds)? {
        Ok(catalog) => catalog,
        Err(exit) => return Ok(exit),
    };
    let tools = tool_paths(&args.kinds)?;
    let mut out = anstream::stdout().lock();
    if args.only.is_empty() {
        write!(out, "{}", table(&catalog, &tools))?;
        return Ok(Exit::Ok);
    }
    for (at, name) in args.only.iter().enumerate() {
        let kinds: Vec<&Kind> = catalog.kinds().filter(|kind| kind.name == *name).collect();
        if kinds.is_empty() {
            writeln!(anstream::stderr(), "lab: there is no kind `{name}`; `lab servers` lists them")?;
            return Ok(Exit::Usage);
        }
        for kind in kinds {
            if at > 0 {
                writeln!(out)?;
            }
            write!(out, "{}", details(kind, &tools))?;
        }
    }
    Ok(Exit::Ok)
}

/// The width of the output. Cells are wrapped between words.
const WIDTH: u16 = 80;

fn table(catalog: &Catalog, tools: &ToolPaths) -> String {
    let mut text = String::new();
    let mut reasons = wrapped_table();
    let mut has_unprovisioned = false;
    for (role, title) in [(Role::Server, "servers"), (Role::Proxy, "proxies")] {
        let mut table = wrapped_table();
        table.set_header([title, "version", "variants", "cannot", "state"]);
        for kind in catalog.kinds().filter(|kind| kind.role == role) {
            let (version, state) = match version_and_state(kind, tools) {
                Ok((version, state)) => (version, state),
                Err(reason) if reason.starts_with(NOT_PROVISIONED) => {
                    has_unprovisioned = true;
                    ("-".to_owned(), NOT_PROVISIONED)
                }
                Err(reason) => {
                    reasons.add_row([kind.name.clone(), reason]);
                    ("-".to_owned(), "unavailable")
                }
            };
            let variants: Vec<&str> = kind.variants.iter().map(|variant| variant.name.as_str()).collect();
            let cannot: Vec<&str> = kind.cannot.keys().map(|ability| ability.name()).collect();
            table.add_row([kind.name.clone(), version, variants.join(", "), cannot.join(", "), state.to_owned()]);
        }
        text.push_str(&table.trim_fmt());
        text.push_str("\n\n");
    }
    if has_unprovisioned {
        text.push_str(" `lab provision NAME` makes the environment of a server that is not provisioned.\n");
    }
    if !reasons.is_empty() {
        text.push_str(&format!(" unavailable:\n{}\n", reasons.trim_fmt()));
    }
    text
}

fn wrapped_table() -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table
}

/// The version and the state of the kind on this machine.
///
/// # Errors
/// Why it is not available, in one line.
fn version_and_state(kind: &Kind, tools: &ToolPaths) -> Result<(String, &'static str), String> {
    match provision::find(kind, interface(kind), &AppPackages::None, tools) {
        Ok(found) => {
            let state = match (&kind.install, &found.venv) {
                (_, Some(_)) => "provisioned",
                (Install::Lab, _) => "lab itself",
                _ => "installed",
            };
            Ok((found.version, state))
        }
        Err(reason) => Err(reason.lines().next().unwrap_or_default().to_owned()),
    }
}

/// The interface that a kind is looked up for.
fn interface(kind: &Kind) -> Option<Interface> {
    (kind.role == Role::Server).then_some(Interface::Wsgi)
}

fn details(kind: &Kind, tools: &ToolPaths) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        for (index, value) in value.lines().enumerate() {
            text.push_str(&format!("{:<12}{value}\n", if index == 0 { label } else { "" }));
        }
    };
    line(&kind.role.to_string(), &kind.name);
    line("title", &kind.title);
    match provision::find(kind, interface(kind), &AppPackages::None, tools) {
        Ok(found) => {
            line("version", &found.version);
            if let Some(path) = found.venv.or(found.program) {
                line("path", &path.display().to_string());
            }
        }
        Err(reason) => line("unavailable", &reason),
    }
    match &kind.install {
        Install::Environment { pip, source, needs, lock, .. } => {
            let source = source.first().map(|folder| folder.display().to_string());
            line("installs", &pip.iter().cloned().chain(source).collect::<Vec<_>>().join(", "));
            if !needs.is_empty() {
                line("needs", &format!("Debian's {}", needs.join(", ")));
            }
            if !pip.is_empty() {
                line("lock file", if lock.is_some() { "yes, with hashes" } else { "none" });
            }
        }
        Install::Debian { package, .. } => line("installs", &format!("Debian's {package}")),
        Install::Image(image) => line("installs", &format!("the image {image}")),
        Install::Lab | Install::Nowhere => {}
    }
    if kind.role == Role::Server && kind.run.is_ok() {
        let run = kind.run.as_ref();
        let has_variant = kind.variants.iter().any(|variant| variant.asgi.is_some());
        let hosted = Interface::ALL.into_iter().filter(|interface| match interface {
            Interface::Wsgi => run.is_ok_and(|run| run.wsgi.is_some()),
            Interface::Asgi => has_variant || run.is_ok_and(|run| run.asgi.is_some()),
            Interface::Native => run.is_ok_and(|run| run.native.is_some()),
        });
        line("hosts", &hosted.map(Interface::name).collect::<Vec<_>>().join(", "));
    }
    if let Ok(run) = &kind.run {
        let command: Vec<String> = run.command.iter().map(ToString::to_string).collect();
        line("command", &command.join(" "));
    }
    for variant in &kind.variants {
        line("variant", &format!("{}/{}: {}", kind.name, variant.name, variant.title));
    }
    for ability in Ability::ALL {
        if let Some(reason) = kind.cannot.get(&ability) {
            line("cannot", &format!("{}: {reason}", ability.name()));
        }
    }
    for note in kind.notes.iter().chain(kind.variants.iter().flat_map(|variant| &variant.notes)) {
        line("note", note);
    }
    for source in &kind.sources {
        line("source", source);
    }
    for figure in &kind.published {
        let variant = figure.variant.as_ref().map_or_else(String::new, |variant| format!("{}/{variant}: ", kind.name));
        let Published { figure, unit, what, year, source, conditions, .. } = figure;
        line(
            "published",
            &format!("{variant}{} {unit} ({what}), {year}, {source}: {conditions}", grouped(*figure as f64)),
        );
    }
    line("file", &kind.file.display().to_string());
    text
}
