//! The app and the stacks that serve it.

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use super::{Service, ServiceImage, ServiceProgram, StackVersion};
use crate::catalog::KindRef;
use crate::catalog::kind::{Install, Interface, Workers};

/// The kinds that are lab itself.
const LAB: &str = "lab";

/// The applications of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum App {
    /// A native app built into lab, by name (`hello`).
    Native(String),
    /// A WSGI or ASGI application.
    Python(PythonApp),
    /// The same application twice: each stack serves one of them.
    Both {
        /// As in [`App::Native`].
        native: String,
        /// As in [`App::Python`].
        python: PythonApp,
    },
}

impl App {
    /// The names of the native apps.
    pub const NATIVE: [&str; 1] = ["hello"];

    #[must_use]
    pub fn native(&self) -> Option<&str> {
        match self {
            App::Native(native) | App::Both { native, .. } => Some(native),
            App::Python(_) => None,
        }
    }

    #[must_use]
    pub fn python(&self) -> Option<&PythonApp> {
        match self {
            App::Python(python) | App::Both { python, .. } => Some(python),
            App::Native(_) => None,
        }
    }

    /// The default interface of stacks.
    #[must_use]
    pub fn interface(&self) -> Interface {
        self.python().map_or(Interface::Native, |app| app.interface)
    }

    /// Whether there is an application with that interface.
    #[must_use]
    pub fn has(&self, interface: Interface) -> bool {
        match interface {
            Interface::Wsgi | Interface::Asgi => self.python().is_some_and(|app| app.interface == interface),
            Interface::Native => self.native().is_some(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonApp {
    /// WSGI or ASGI.
    pub interface: Interface,
    /// The dotted name of the module.
    pub module: String,
    /// The name of the callable, or the call of the factory that makes it: `create_app()`.
    pub callable: String,
    /// The module's folder, absolute; `None` for lab's own modules.
    pub path: Option<PathBuf>,
    /// Environment variables of its server.
    pub environment: Vec<(String, String)>,
    /// Files of more variables, absolute. The later ones override.
    pub env_files: Vec<PathBuf>,
    /// Its requirements or lock file, absolute.
    pub requirements: Option<PathBuf>,
    /// Its own virtual environment, absolute.
    pub venv: Option<PathBuf>,
    /// The working folder of its server, absolute; `None` is a folder of the run.
    pub cwd: Option<PathBuf>,
    /// The shell command that prepares it before each start.
    pub setup: Option<String>,
    /// The services that it needs, in the order of their start.
    pub services: Vec<Service>,
}

impl PythonApp {
    /// Whether the callable is the result of a call.
    #[must_use]
    pub fn is_factory(&self) -> bool {
        self.callable.ends_with(')')
    }
}

/// One deployment under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Unique within the scenario.
    pub name: String,
    pub proxy: Option<Proxy>,
    pub server: Server,
    pub backend: Backend,
    /// Which of its apps it serves.
    pub app: Interface,
    /// The scenario's apps, in the version that this stack is made from.
    pub apps: App,
    /// Whether it is marked as the reference stack.
    pub reference: bool,
    /// Whether the loads drive it, as opposed to checks only.
    pub measured: bool,
    /// Whether it may be unavailable, because it is a combination of a matrix.
    pub is_optional: bool,
    /// Why it cannot run on any machine.
    pub impossible: Option<String>,
    /// Its version, in a comparison of two.
    pub version: Option<StackVersion>,
}

impl Stack {
    /// Whether it is an earlier version, with which another stack is compared.
    #[must_use]
    pub fn is_base(&self) -> bool {
        matches!(self.version, Some(StackVersion::Base { .. }))
    }

    /// For an earlier version: the folder of its files and that of today's. Texts with the one count as texts with the other.
    #[must_use]
    pub fn moved_root(&self) -> Option<(String, String)> {
        match &self.version {
            Some(StackVersion::Base { root, head_root, .. }) => {
                Some((root.display().to_string(), head_root.display().to_string()))
            }
            _ => None,
        }
    }

    /// For an earlier version: its lab binary, if that is not the running one.
    #[must_use]
    pub fn earlier_lab(&self) -> Option<&Path> {
        match &self.version {
            Some(StackVersion::Base { lab, .. }) => lab.as_deref(),
            _ => None,
        }
    }

    /// Whether a component is lab itself.
    #[must_use]
    pub fn runs_lab(&self) -> bool {
        let kinds = self.proxy.iter().map(|proxy| &proxy.kind).chain([&self.server.kind]);
        kinds.map(KindRef::kind).any(|kind| kind.name == LAB)
    }

    /// Whether any machine could run it.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let proxy = self.proxy.as_ref().is_none_or(|proxy| proxy.kind.kind().run.is_ok());
        self.impossible.is_none() && self.server.kind.kind().run.is_ok() && proxy
    }

    /// The services of the application that it serves.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        let app = self.apps.python().filter(|_| self.app != Interface::Native);
        app.map_or(&[], |app| &app.services)
    }

    /// The images of its services.
    pub fn service_images(&self) -> impl Iterator<Item = &ServiceImage> {
        self.services().iter().filter_map(|service| match &service.program {
            ServiceProgram::Image(image) => Some(image),
            ServiceProgram::Command(_) => None,
        })
    }

    /// Why the stack cannot run in containers, or in a swarm, on any machine; `None` if it can, or if it uses processes.
    ///
    /// A component without an image runs in lab's own image, which contains lab or a virtual environment of this machine.
    #[must_use]
    pub fn refused_by_backend(&self) -> Option<String> {
        if self.backend == Backend::Process {
            return None;
        }
        if self.backend == Backend::Swarm {
            let images = [self.server.image.is_some(), self.proxy.as_ref().is_some_and(|proxy| proxy.image.is_some())];
            if images.contains(&true) {
                return Some(
                    "in a swarm, components run from lab's own image only: leave `image` and `build` out".to_owned(),
                );
            }
            if !self.services().is_empty() {
                return Some("in a swarm, lab does not start the services of `[app]`: run the stack with `backend = \"process\"`".to_owned());
            }
        }
        if let (true, Some(app)) = (self.app != Interface::Native, self.apps.python()) {
            let keys = [("venv", app.venv.is_some()), ("cwd", app.cwd.is_some()), ("setup", app.setup.is_some())];
            if let Some((key, _)) = keys.iter().find(|(_, is_given)| *is_given) {
                return Some(format!(
                    "`{key}` of `[app]` refers to this machine: run the stack with `backend = \"process\"`"
                ));
            }
        }
        let proxy = self.proxy.iter().map(|proxy| (&proxy.kind, &proxy.image));
        let components = proxy.chain([(&self.server.kind, &self.server.image)]);
        let mut without = components.filter(|(_, image)| image.is_none()).map(|(kind, _)| kind);
        without.find_map(|kind| {
            let (role, reason) = (kind.kind().role, kind.kind().needs_image()?);
            Some(format!(
                "the {role} `{kind}` needs an image in a container, for {reason}: name one that has it, by `image` or \
                 `build`, or run the stack with `backend = \"process\"`"
            ))
        })
    }

    /// The image of the proxy's container; `None` for lab's own image and for a process.
    #[must_use]
    pub fn proxy_image(&self) -> Option<&Image> {
        let image = self.proxy.as_ref().and_then(|proxy| proxy.image.as_ref());
        image.filter(|_| self.backend != Backend::Process)
    }

    /// The image of the server's container; `None` for lab's own image and for a process.
    #[must_use]
    pub fn server_image(&self) -> Option<&Image> {
        self.server.image.as_ref().filter(|_| self.backend != Backend::Process)
    }
}

/// How to run a stack's components.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Backend {
    /// As subprocesses of lab.
    #[default]
    Process,
    Container,
    /// As services of a swarm.
    Swarm,
}

impl Backend {
    pub const ALL: [Backend; 3] = [Backend::Process, Backend::Container, Backend::Swarm];

    /// The name in scenario files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Backend::Process => "process",
            Backend::Container => "container",
            Backend::Swarm => "swarm",
        }
    }
}

/// Which upstream addresses of proxies are rewritten to the server's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Relocate {
    /// Those where the server's configuration binds. Any other would fail outside lab.
    #[default]
    Bound,
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub kind: KindRef,
    /// An existing file, absolute; `None` is the kind's own.
    pub config: Option<PathBuf>,
    /// Folders of documents in the configuration, each with the absolute one that has them here.
    pub folders: Vec<(PathBuf, PathBuf)>,
    /// `None` is lab's own image.
    pub image: Option<Image>,
}

/// The image of a container, if it is not lab's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Image {
    /// An image that the engine has or pulls, with its tag or digest.
    Named(String),
    /// Built from the `Dockerfile` in this absolute folder.
    Built(PathBuf),
}

impl Image {
    /// The image of a kind that is available only as an image.
    #[must_use]
    pub fn for_kind(kind: &KindRef) -> Option<Image> {
        match &kind.kind().install {
            Install::Image(name) => Some(Image::Named(name.clone())),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub kind: KindRef,
    /// `None` leaves the number to the configuration file.
    pub workers: Option<Workers>,
    /// Threads of each worker; `None` is the kind's own default.
    pub threads: Option<NonZeroU16>,
    /// An existing configuration file, absolute.
    pub config: Option<PathBuf>,
    /// Additional arguments.
    pub arguments: Vec<String>,
    /// `None` is lab's own image.
    pub image: Option<Image>,
}

impl Server {
    /// A kind with its defaults, and with the workers and threads of its variant.
    #[must_use]
    pub fn new(kind: KindRef) -> Server {
        let variant = kind.variant();
        let workers = variant.and_then(|variant| variant.workers).unwrap_or(Workers::Count(NonZeroU16::MIN));
        let threads = variant.and_then(|variant| variant.threads);
        let image = Image::for_kind(&kind);
        Server { kind, workers: Some(workers), threads, config: None, arguments: Vec::new(), image }
    }
}
