//! What is served, and who serves it: the app and the stacks.

use std::num::NonZeroU16;
use std::path::PathBuf;

use crate::catalog::KindRef;
use crate::catalog::kind::{Install, Interface, Workers};

/// The applications of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum App {
    /// A native app built into lab, by name (`hello`).
    Native(String),
    /// A WSGI application.
    Wsgi(WsgiApp),
    /// The same application twice: each stack serves one of them.
    Both {
        /// As in [`App::Native`].
        native: String,
        /// As in [`App::Wsgi`].
        wsgi: WsgiApp,
    },
}

impl App {
    /// The names of the native apps.
    pub const NATIVE: [&str; 1] = ["hello"];

    /// The native app, if there is one.
    #[must_use]
    pub fn native(&self) -> Option<&str> {
        match self {
            App::Native(native) | App::Both { native, .. } => Some(native),
            App::Wsgi(_) => None,
        }
    }

    /// The WSGI application, if there is one.
    #[must_use]
    pub fn wsgi(&self) -> Option<&WsgiApp> {
        match self {
            App::Wsgi(wsgi) | App::Both { wsgi, .. } => Some(wsgi),
            App::Native(_) => None,
        }
    }

    /// The interface of a stack that names none.
    #[must_use]
    pub fn interface(&self) -> Interface {
        if self.has(Interface::Wsgi) { Interface::Wsgi } else { Interface::Native }
    }

    /// Whether there is an application with that interface.
    #[must_use]
    pub fn has(&self, interface: Interface) -> bool {
        match interface {
            Interface::Wsgi => self.wsgi().is_some(),
            Interface::Native => self.native().is_some(),
        }
    }
}

/// A WSGI application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsgiApp {
    /// The module, dots and all.
    pub module: String,
    /// The callable in it.
    pub callable: String,
    /// The folder the module is in, absolute; `None`: it is one of lab's own.
    pub path: Option<PathBuf>,
    /// Variables set for its server.
    pub environment: Vec<(String, String)>,
    /// A requirements file with what it needs, absolute.
    pub requirements: Option<PathBuf>,
}

/// One deployment under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Unique within the scenario.
    pub name: String,
    /// The reverse proxy in front, if any.
    pub proxy: Option<Proxy>,
    /// The app server.
    pub server: Server,
    /// How its components are run.
    pub backend: Backend,
    /// Which of the scenario's apps it serves.
    pub app: Interface,
    /// Whether ratios are against this stack.
    pub reference: bool,
    /// Whether it is put under the loads, and not only checked and compared.
    pub measured: bool,
    /// Whether it may be missing: it was not asked for by itself, but is a cell of a matrix.
    pub is_optional: bool,
    /// Why it can never run as it is asked for, whatever the machine.
    pub impossible: Option<String>,
}

impl Stack {
    /// Whether some machine could run it.
    #[must_use]
    pub fn is_possible(&self) -> bool {
        let proxy = self.proxy.as_ref().is_none_or(|proxy| proxy.kind.kind().run.is_ok());
        self.impossible.is_none() && self.server.kind.kind().run.is_ok() && proxy
    }

    /// Why it is not run in containers, whatever the machine; `None` if it is, or is not asked to be.
    ///
    /// Without an image of its own a component runs in lab's, which holds lab, or what is in a virtual environment of this
    /// machine.
    #[must_use]
    pub fn refused_in_containers(&self) -> Option<String> {
        if self.backend == Backend::Process {
            return None;
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

    /// What the proxy's container is made from, where that is not lab's own image; `None` for a process.
    #[must_use]
    pub fn proxy_image(&self) -> Option<&Image> {
        let image = self.proxy.as_ref().and_then(|proxy| proxy.image.as_ref());
        image.filter(|_| self.backend == Backend::Container)
    }

    /// The same of the server's.
    #[must_use]
    pub fn server_image(&self) -> Option<&Image> {
        self.server.image.as_ref().filter(|_| self.backend == Backend::Container)
    }
}

/// How a stack's components are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Backend {
    /// As subprocesses of lab.
    #[default]
    Process,
    /// As containers.
    Container,
}

impl Backend {
    /// Everything there is.
    pub const ALL: [Backend; 2] = [Backend::Process, Backend::Container];

    /// The name in scenario files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Backend::Process => "process",
            Backend::Container => "container",
        }
    }
}

/// A reverse proxy: its kind and its configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Which implementation.
    pub kind: KindRef,
    /// An existing file, absolute; `None`: what comes with the kind.
    pub config: Option<PathBuf>,
    /// What its container is made from; `None`: lab's own image.
    pub image: Option<Image>,
}

/// What a container is made from, where it is not lab's own image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Image {
    /// An image that the engine has or pulls, with its tag or digest.
    Named(String),
    /// What the `Dockerfile` in this folder, absolute, says.
    Built(PathBuf),
}

impl Image {
    /// The image that a kind is, if it is to be had as one only.
    #[must_use]
    pub fn of_kind(kind: &KindRef) -> Option<Image> {
        match &kind.kind().install {
            Install::Image(name) => Some(Image::Named(name.clone())),
            _ => None,
        }
    }
}

/// An app server: its kind and settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Which implementation.
    pub kind: KindRef,
    /// Worker processes; `None`: as the configuration file says.
    pub workers: Option<Workers>,
    /// Threads of each; `None`: what the kind has by itself.
    pub threads: Option<NonZeroU16>,
    /// An existing configuration file, absolute.
    pub config: Option<PathBuf>,
    /// More arguments.
    pub arguments: Vec<String>,
    /// What its container is made from; `None`: lab's own image.
    pub image: Option<Image>,
}

impl Server {
    /// A kind as it is by itself, with the workers and threads its variant says.
    #[must_use]
    pub fn new(kind: KindRef) -> Server {
        let variant = kind.variant();
        let workers = variant.and_then(|variant| variant.workers).unwrap_or(Workers::Count(NonZeroU16::MIN));
        let threads = variant.and_then(|variant| variant.threads);
        let image = Image::of_kind(&kind);
        Server { kind, workers: Some(workers), threads, config: None, arguments: Vec::new(), image }
    }
}
