//! What a component is made of, resolved once for both backends: its kind, application, values, environment and
//! configuration become a command line and the files it reads. A backend only runs the result.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::Values;
use super::image_programs;
use super::{Role, StartError, nginx};
use crate::catalog::kind::{BundledFile, Interface, Language, Protocol, Run};
use crate::catalog::template::Value;
use crate::catalog::{self, KindRef};
use crate::provision::Installation;
use crate::scenario::model::{App, Proxy, Server, WsgiApp};

/// An image, as the container engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageIdentity {
    /// The scenario's name for it: the image's own, or the folder it was built in.
    pub name: String,
    /// `sha256:` and the digest of its configuration.
    pub id: String,
    /// `name@sha256:…`, by which it can be pulled again; `None` if it was built.
    pub digest: Option<String>,
}

/// A kind as it is installed where the component will run.
pub(super) struct ResolvedKind {
    pub(super) installation: Installation,
    pub(super) run: Run,
    /// The image it is in; `None` on this machine and in lab's own image.
    pub(super) image: Option<ImageIdentity>,
}

/// The place where a component will run, as far as its command line and files depend on it.
pub(super) struct SpecContext<'a> {
    /// The lab binary's path there.
    pub(super) lab: &'a Path,
    /// The folder of the visit, where configurations and applications are written.
    pub(super) visit: &'a Path,
    /// The folder that the component may write into.
    pub(super) work: &'a Path,
    pub(super) app: &'a App,
    /// The number of cores of the stack.
    pub(super) cores: usize,
    pub(super) is_root: bool,
    /// Reserves an address to listen on.
    pub(super) reserve: &'a mut dyn FnMut() -> io::Result<SocketAddr>,
}

/// A component to run.
pub(super) struct ComponentSpec {
    pub(super) role: Role,
    /// The kind and its version, as in `gunicorn/gthread 23.0.0`.
    pub(super) version: String,
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) address: SocketAddr,
    /// Where it listens with TLS, if it does.
    pub(super) tls_address: Option<SocketAddr>,
    pub(super) protocol: Protocol,
    pub(super) ready_path: String,
    pub(super) ready_deadline: Duration,
    /// Files and folders it reads, beside its installation.
    pub(super) inputs: Vec<PathBuf>,
    /// Folders outside its work folder that it must be able to write into.
    pub(super) scratch: Vec<PathBuf>,
    pub(super) image: Option<ImageIdentity>,
    pub(super) venv: Option<PathBuf>,
    /// Only for proxies that read an nginx.conf.
    pub(super) nginx: Option<NginxSpec>,
}

/// What only an nginx needs.
pub(super) struct NginxSpec {
    /// The user's configuration file.
    pub(super) source: PathBuf,
    pub(super) program: Option<PathBuf>,
    pub(super) loads_modules: bool,
    /// The relocated texts, each with the file it is from.
    pub(super) texts: Vec<(String, PathBuf)>,
}

/// Resolves a stack's server.
///
/// # Errors
/// A file cannot be written, an address cannot be reserved, or the kind's templates ask for a missing value.
pub(super) fn resolve_server(
    server: &Server,
    interface: Interface,
    kind: ResolvedKind,
    context: &mut SpecContext<'_>,
) -> Result<ComponentSpec, StartError> {
    let run = &kind.run;
    let address = reserve(&mut *context.reserve, Role::Server)?;
    let mut inputs = Vec::new();
    let mut values = values(&server.kind, &kind, address, context);
    values.set(Value::Workers, server.workers.map_or(NonZeroU16::MIN, |workers| workers.on(context.cores)));
    values.set(Value::Threads, server.threads.map_or(1, NonZeroU16::get));
    if let Some(config) = &server.config {
        values.set(Value::Config, config.display());
        inputs.push(config.clone());
    }
    add_launcher(&mut values, &mut inputs, run, context)?;
    let mut environment = Vec::new();
    match (interface, context.app.wsgi(), context.app.native()) {
        (Interface::Wsgi, Some(app), _) => {
            let path = app_folder(app, context.visit)?;
            // Every server imports the application, and few have an option for its folder.
            environment.push(("PYTHONPATH".to_owned(), path.display().to_string()));
            environment.extend(app.environment.iter().cloned());
            values.set_app(app, &path);
            inputs.push(path);
        }
        (Interface::Native, _, Some(app)) => values.set(Value::Native, app),
        (interface, _, _) => {
            let reason = format!("there is no {} app", interface.name());
            return Err(StartError::Unavailable { role: Role::Server, reason });
        }
    }
    environment.extend(values.environment(server.kind.kind(), run)?);
    let command = values.server(server, interface, run, context.is_root)?;
    let protocol = server.kind.speaks();
    Ok(ComponentSpec { environment, inputs, protocol, ..spec(Role::Server, &server.kind, kind, address, command) })
}

/// Resolves a stack's proxy, whose server is at `upstream` (`host:port`).
///
/// # Errors
/// As for [`resolve_server`]; or the configuration cannot be relocated.
pub(super) fn resolve_proxy(
    proxy: &Proxy,
    upstream: &str,
    kind: ResolvedKind,
    context: &mut SpecContext<'_>,
) -> Result<ComponentSpec, StartError> {
    let run = &kind.run;
    let (source, text) = configuration(proxy)?;
    let relocated = match run.language {
        Language::Nginx => {
            let (visit, work) = (context.visit, context.work);
            Some(nginx::relocated(&text, &source, upstream, work, visit, &mut *context.reserve)?)
        }
        Language::Own | Language::Marks => None,
    };
    let address = match &relocated {
        Some(relocated) => relocated.entry,
        None => reserve(&mut *context.reserve, Role::Proxy)?,
    };
    let mut values = values(&proxy.kind, &kind, address, context);
    values.set(Value::Upstream, upstream);
    values.set(Value::Workers, 1);
    let text = match (&relocated, run.language) {
        (Some(relocated), _) => relocated.text.clone(),
        (None, Language::Marks) => values.marked(&text),
        (None, Language::Own | Language::Nginx) => text,
    };
    let config = context.visit.join(source.file_name().unwrap_or_default());
    std::fs::write(&config, &text).map_err(io_error(format!("write {}", config.display())))?;
    values.set(Value::Config, config.display());
    let mut inputs = vec![config];
    add_launcher(&mut values, &mut inputs, run, context)?;
    let environment = values.environment(proxy.kind.kind(), run)?;
    let mut command = values.proxy(&proxy.kind, run, context.is_root)?;
    let tls_address = relocated.as_ref().and_then(|relocated| relocated.tls_entry);
    let nginx = relocated.map(|relocated| {
        if !relocated.globals.is_empty() {
            command.extend(["-g".to_owned(), relocated.globals]);
        }
        inputs.extend(relocated.included.iter().map(|included| context.visit.join(&included.name)));
        let included = relocated.included.into_iter().map(|included| (included.text, included.file));
        let texts = std::iter::once((text, source.clone())).chain(included).collect();
        let program = kind.installation.program.clone();
        NginxSpec { source, program, loads_modules: relocated.loads_modules, texts }
    });
    Ok(ComponentSpec {
        environment,
        tls_address,
        inputs,
        nginx,
        ..spec(Role::Proxy, &proxy.kind, kind, address, command)
    })
}

/// The part of a specification that does not depend on the role. It speaks HTTP, as clients do.
fn spec(role: Role, chosen: &KindRef, kind: ResolvedKind, address: SocketAddr, command: Vec<String>) -> ComponentSpec {
    let ResolvedKind { installation, run, image } = kind;
    ComponentSpec {
        role,
        version: format!("{chosen} {}", installation.version),
        command,
        environment: Vec::new(),
        address,
        tls_address: None,
        protocol: Protocol::Http,
        ready_path: run.ready_path,
        ready_deadline: run.ready_deadline,
        inputs: Vec::new(),
        scratch: run.container.scratch,
        image,
        venv: installation.venv,
        nginx: None,
    }
}

/// The template values of every component.
fn values(chosen: &KindRef, kind: &ResolvedKind, address: SocketAddr, context: &SpecContext<'_>) -> Values {
    let mut values = Values::new(context.lab, &kind.installation, address, context.work);
    if kind.image.is_some() {
        let in_image = image_programs::value(chosen.kind());
        for value in [Value::Python, Value::Bin, Value::Program] {
            if let Some(text) = in_image(value) {
                values.set(value, text);
            }
        }
    }
    values
}

/// Writes the kind's launcher script, if it has one, into the work folder: some kinds look for it there.
fn add_launcher(
    values: &mut Values,
    inputs: &mut Vec<PathBuf>,
    run: &Run,
    context: &SpecContext<'_>,
) -> Result<(), StartError> {
    if let Some(launcher) = &run.launcher {
        let path = write_attached(context.work, launcher)?;
        values.set(Value::Launcher, path.display());
        inputs.push(path);
    }
    Ok(())
}

fn reserve(reserve: &mut dyn FnMut() -> io::Result<SocketAddr>, role: Role) -> Result<SocketAddr, StartError> {
    reserve().map_err(io_error(format!("reserve a port for the {role}")))
}

/// The name and content of a proxy's configuration file.
fn configuration(proxy: &Proxy) -> Result<(PathBuf, String), StartError> {
    match (&proxy.config, proxy.kind.default_config()) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file).map_err(io_error(format!("read {}", file.display())))?;
            Ok((file.clone(), text))
        }
        (None, Some(default)) => Ok((PathBuf::from(&default.name), default.text.clone())),
        (None, None) => {
            let reason = format!("`{}` has no configuration", proxy.kind);
            Err(StartError::Unavailable { role: Role::Proxy, reason })
        }
    }
}

/// The folder of a WSGI application's module. lab's own applications are written into the visit's folder first.
fn app_folder(app: &WsgiApp, visit: &Path) -> Result<PathBuf, StartError> {
    if let Some(path) = &app.path {
        return Ok(path.clone());
    }
    let folder = visit.join("app");
    std::fs::create_dir_all(&folder).map_err(io_error(format!("create {}", folder.display())))?;
    let text = catalog::app(&app.module).unwrap_or_default().to_owned();
    write_attached(&folder, &BundledFile { name: format!("{}.py", app.module), text })?;
    Ok(folder)
}

/// Writes a file that comes with a kind.
pub(super) fn write_attached(folder: &Path, file: &BundledFile) -> Result<PathBuf, StartError> {
    let path = folder.join(&file.name);
    std::fs::write(&path, &file.text).map_err(io_error(format!("write {}", path.display())))?;
    Ok(path)
}

/// The context of an I/O error: what lab was doing, in the imperative.
pub(super) fn io_error(operation: impl Into<String>) -> impl FnOnce(io::Error) -> StartError {
    let operation = operation.into();
    move |source| StartError::Io { operation, source }
}
