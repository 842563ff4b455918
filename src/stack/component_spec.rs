//! What a component is made of, resolved once for all backends: its kind, application, values, environment and
//! configuration become a command line and the files it reads. A backend only runs the result.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{TlsMarks, Values};
use super::guarded::FIRST_INHERITED_FD;
use super::server_settings;
use super::shell_command::ShellCommand;
use super::{
    Role, StartError, app_environment, app_module, certificate, create_folder, image_programs, io_error, nginx,
    write_file,
};
use crate::catalog::kind::{BundledFile, Interface, Language, Protocol, Run};
use crate::catalog::template::Variable;
use crate::catalog::{self, KindRef};
use crate::provision::Installation;
use crate::scenario::model::{App, Proxy, PythonApp, Server};

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
    pub(super) apps: &'a App,
    /// The number of cores of the stack.
    pub(super) cores: usize,
    pub(super) is_root: bool,
    /// The user and the group of the components; `None` in containers.
    pub(super) identity: Option<(u32, u32)>,
    /// Whether the proxy writes its access logs.
    pub(super) access_logs: bool,
    pub(super) surroundings: AppSurroundings<'a>,
    /// Reserves an address to listen on.
    pub(super) reserve: &'a mut dyn FnMut() -> io::Result<SocketAddr>,
}

/// What an application gets beside its own variables.
#[derive(Clone, Copy, Default)]
pub(super) struct AppSurroundings<'a> {
    /// The socket to which it describes its requests, if checks expect something of them.
    pub(super) observer: Option<&'a str>,
    /// Variables by which it finds its services.
    pub(super) variables: &'a [(String, String)],
}

/// A component to run.
pub(super) struct ComponentSpec {
    pub(super) role: Role,
    /// The kind and its version, as in `gunicorn/gthread 23.0.0`.
    pub(super) version: String,
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// Its working folder; `None` is the work folder.
    pub(super) folder: Option<PathBuf>,
    /// The command that prepares the application before the server starts.
    pub(super) setup: Option<ShellCommand>,
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
    /// The copies of files that it reads, each with the original's name.
    pub(super) originals: Vec<(String, String)>,
    /// Only for proxies that read an nginx.conf.
    pub(super) nginx: Option<NginxSpec>,
}

impl ComponentSpec {
    /// A subprocess inherits its listening socket; in a container it binds the address instead.
    pub(super) fn bind_by_address(&mut self) {
        let inherited = format!("fd://{FIRST_INHERITED_FD}");
        for argument in self.command.iter_mut().filter(|argument| **argument == inherited) {
            *argument = self.address.to_string();
        }
    }

    /// Whether its command line or its environment names a file at or below `folder`.
    pub(super) fn names(&self, folder: &Path) -> bool {
        let folder = folder.display().to_string();
        let environment = self.environment.iter().map(|(_, value)| value);
        self.command.iter().chain(environment).any(|text| text.contains(&folder))
    }
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
    values.set(Variable::Workers, server.workers.map_or(NonZeroU16::MIN, |workers| workers.on(context.cores)));
    values.set(Variable::Threads, server.threads.map_or(1, NonZeroU16::get));
    add_launcher(&mut values, &mut inputs, run, context)?;
    let mut environment = Vec::new();
    let (mut folder, mut setup) = (None, None);
    match (interface, context.apps.python(), context.apps.native()) {
        (Interface::Wsgi | Interface::Asgi, Some(app), _) => {
            let path = app_folder(app, context.visit)?;
            let mut python_path = path.display().to_string();
            let variables = app_environment::variables(app, context.surroundings.variables)?;
            folder = app_environment::working_folder(app)?;
            let needs_module = (app.is_factory() && !run.calls_factories) || context.surroundings.observer.is_some();
            if needs_module {
                let own = context.visit.join("module");
                values.set_app(&app_module::write(app, &path, &own, context.surroundings.observer)?, &own);
                python_path = format!("{}:{python_path}", own.display());
                inputs.push(own);
            } else {
                values.set_app(app, &path);
            }
            if let Some((_, more)) = variables.iter().find(|(name, _)| name == "PYTHONPATH") {
                python_path = format!("{python_path}:{more}");
            }
            environment.extend(variables.into_iter().filter(|(name, _)| name != "PYTHONPATH"));
            // Every server imports the application, and few have an option for its folder.
            environment.push(("PYTHONPATH".to_owned(), python_path));
            setup = app_environment::setup(app, &environment, kind.installation.venv.as_deref(), context.visit);
            inputs.push(path);
        }
        (Interface::Native, _, Some(app)) => values.set(Variable::Native, app),
        (interface, _, _) => {
            let reason = format!("there is no {} app", interface.name());
            return Err(StartError::Unavailable { role: Role::Server, reason });
        }
    }
    environment.extend(values.environment(server.kind.kind(), run)?);
    let mut originals = Vec::new();
    if let Some(config) = &server.config {
        inputs.push(config.clone());
        let own = replaced_configuration(config, run, folder.as_deref(), context)?;
        values.set(Variable::Config, own.as_ref().unwrap_or(config).display());
        originals.extend(own.iter().map(|own| (own.display().to_string(), config.display().to_string())));
        inputs.extend(own);
    }
    let command = values.server(server, interface, run, context.is_root)?;
    let protocol = server.kind.speaks();
    Ok(ComponentSpec {
        environment,
        folder,
        setup,
        inputs,
        protocol,
        originals,
        ..spec(Role::Server, &server.kind, kind, address, command)
    })
}

/// Writes the configuration that a run has in place of the person's, if that is about another machine.
fn replaced_configuration(
    config: &Path,
    run: &Run,
    folder: Option<&Path>,
    context: &SpecContext<'_>,
) -> Result<Option<PathBuf>, StartError> {
    // The server reports a file that cannot be read.
    let text = std::fs::read_to_string(config).unwrap_or_default();
    if run.language != Language::Gunicorn || !server_settings::may_need_replacement(&text) {
        return Ok(None);
    }
    let cwd = folder.unwrap_or(context.work);
    let place = server_settings::Place { logs: context.work, cwd, identity: context.identity };
    let own = context.visit.join(config.file_name().unwrap_or_default());
    write_file(&own, &server_settings::replacement(config, place))?;
    Ok(Some(own))
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
            let (folder, logs, access_logs) = (context.visit, context.work, context.access_logs);
            let (documents, reserve) = (proxy.folders.as_slice(), &mut *context.reserve);
            let is_process = context.identity.is_some();
            let place = nginx::Place { upstream, logs, access_logs, folder, documents, is_process, reserve };
            Some(nginx::relocate(&text, &source, place)?)
        }
        Language::Own | Language::Gunicorn | Language::Marks => None,
    };
    let address = match &relocated {
        Some(relocated) => relocated.entry,
        None => reserve(&mut *context.reserve, Role::Proxy)?,
    };
    let mut values = values(&proxy.kind, &kind, address, context);
    values.set(Variable::Upstream, upstream);
    values.set(Variable::Workers, 1);
    let mut tls_address = relocated.as_ref().and_then(|relocated| relocated.tls_entry);
    let config = context.visit.join(source.file_name().unwrap_or_default());
    let mut inputs = vec![config.clone()];
    let text = match (&relocated, run.language) {
        (Some(relocated), _) => relocated.text.clone(),
        (None, Language::Marks) if TlsMarks::are_in(&text) => {
            let tls = reserve(&mut *context.reserve, Role::Proxy)?;
            let file =
                |is_key| certificate::placeholder(context.visit, is_key).map_err(io_error("write a certificate"));
            let (certificate, key) = (file(false)?, file(true)?);
            let text = TlsMarks { address: tls, certificate: &certificate, key: &key }.fill(&values.marked(&text));
            tls_address = Some(tls);
            inputs.extend([certificate, key]);
            text
        }
        (None, Language::Marks) => values.marked(&text),
        (None, Language::Own | Language::Gunicorn | Language::Nginx) => text,
    };
    write_file(&config, &text)?;
    values.set(Variable::Config, config.display());
    add_launcher(&mut values, &mut inputs, run, context)?;
    let environment = values.environment(proxy.kind.kind(), run)?;
    let mut command = values.proxy(&proxy.kind, run, context.is_root)?;
    let mut originals = vec![(inputs[0].display().to_string(), source.display().to_string())];
    let nginx = relocated.map(|relocated| {
        if !relocated.globals.is_empty() {
            command.extend(["-g".to_owned(), relocated.globals]);
        }
        for included in &relocated.included {
            let copy = context.visit.join(&included.name);
            originals.push((copy.display().to_string(), included.file.display().to_string()));
            inputs.push(copy);
        }
        let included = relocated.included.into_iter().map(|included| (included.text, included.file));
        let texts = std::iter::once((text, source.clone())).chain(included).collect();
        let program = kind.installation.program.clone();
        NginxSpec { source, program, loads_modules: relocated.loads_modules, texts }
    });
    Ok(ComponentSpec {
        environment,
        tls_address,
        inputs,
        originals,
        nginx,
        ..spec(Role::Proxy, &proxy.kind, kind, address, command)
    })
}

/// The part of a specification that does not depend on the role. It speaks HTTP, as clients do.
fn spec(
    role: Role,
    kind_ref: &KindRef,
    kind: ResolvedKind,
    address: SocketAddr,
    command: Vec<String>,
) -> ComponentSpec {
    let ResolvedKind { installation, run, image } = kind;
    ComponentSpec {
        role,
        version: format!("{kind_ref} {}", installation.version),
        command,
        environment: Vec::new(),
        folder: None,
        setup: None,
        address,
        tls_address: None,
        protocol: Protocol::Http,
        ready_path: run.ready_path,
        ready_deadline: run.ready_deadline,
        inputs: Vec::new(),
        scratch: run.container.scratch,
        image,
        venv: installation.venv,
        originals: Vec::new(),
        nginx: None,
    }
}

/// The template values of every component.
fn values(kind_ref: &KindRef, kind: &ResolvedKind, address: SocketAddr, context: &SpecContext<'_>) -> Values {
    let mut values = Values::new(context.lab, &kind.installation, address, context.work);
    if kind.image.is_some() {
        let in_image = image_programs::value(kind_ref.kind());
        for value in [Variable::Python, Variable::Bin, Variable::Program] {
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
        let path = write_bundled(context.work, launcher)?;
        values.set(Variable::Launcher, path.display());
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
            let read = lab_nginx_conf::read_source(file).map_err(io_error(format!("read {}", file.display())))?;
            Ok((file.clone(), read.text))
        }
        (None, Some(default)) => Ok((PathBuf::from(&default.name), default.text.clone())),
        (None, None) => {
            let reason = format!("`{}` has no configuration", proxy.kind);
            Err(StartError::Unavailable { role: Role::Proxy, reason })
        }
    }
}

/// The folder of a Python application's module. lab's own applications are written into the visit's folder first.
fn app_folder(app: &PythonApp, visit: &Path) -> Result<PathBuf, StartError> {
    if let Some(path) = &app.path {
        return Ok(path.clone());
    }
    let folder = visit.join("app");
    create_folder(&folder)?;
    let text = catalog::app(&app.module).unwrap_or_default().to_owned();
    write_bundled(&folder, &BundledFile { name: format!("{}.py", app.module), text })?;
    Ok(folder)
}

fn write_bundled(folder: &Path, file: &BundledFile) -> Result<PathBuf, StartError> {
    let path = folder.join(&file.name);
    write_file(&path, &file.text)?;
    Ok(path)
}
