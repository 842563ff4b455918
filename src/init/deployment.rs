//! A deployment, as the files of a folder describe it together.

use std::path::PathBuf;

use super::nginx::Nginx;

/// The parts that were found, and those that were not. Paths are relative to its folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// A name for the scenario: lower-case letters, digits and `-`.
    pub name: String,
    /// Absolute.
    pub folder: PathBuf,
    pub nginx: Option<Nginx>,
    pub server: Option<ServerCommand>,
    pub app: Option<App>,
    pub packages: Packages,
    /// Folders of documents in the configuration of nginx that are elsewhere here, each with the one that has them.
    pub document_folders: Vec<(PathBuf, PathBuf)>,
    /// What the application needs beside its server.
    pub services: Vec<Service>,
    /// Files of variables; the later ones override.
    pub env_files: Vec<PathBuf>,
    /// Pages that the application has, as paths, the best for a check first.
    pub pages: Vec<String>,
    /// A name that the application accepts as its host, if it refuses others.
    pub host: Option<String>,
    /// Pages that set a cookie, each with the cookie's name.
    pub cookies: Vec<(String, String)>,
    /// What was found, and where: one line each.
    pub found: Vec<String>,
    /// What was not found, or cannot be used: one line each.
    pub missing: Vec<String>,
}

/// How the application server is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCommand {
    /// The kind, with its variant.
    pub kind: String,
    pub config: Option<PathBuf>,
    pub workers: Option<u16>,
    pub threads: Option<u16>,
    /// Further options of its command line.
    pub arguments: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// `module:callable`, or `module:factory()`.
    pub name: String,
    /// The folder of its module.
    pub path: PathBuf,
    /// The folder where its server starts.
    pub cwd: PathBuf,
    pub is_asgi: bool,
    pub variables: Vec<(String, String)>,
    pub setup: Option<Setup>,
    pub is_django: bool,
}

/// The command that prepares an application, such as migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    pub command: String,
    /// Whether it may change a database that is not one of a run.
    pub changes_data: bool,
}

/// Where the application's packages are from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Packages {
    #[default]
    NotFound,
    Venv(PathBuf),
    /// `requirements.txt`, a lock file, or `pyproject.toml`.
    File(PathBuf),
}

/// A service with an image in a compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name in the scenario.
    pub name: String,
    /// lab's kind of service; `None` if lab has none for the image.
    pub kind: Option<&'static str>,
    pub image: String,
    /// `file:line`.
    pub place: String,
    /// The command that makes the image's user and database, once the service is ready.
    pub then: Option<String>,
    /// Variables by which the application finds it, with the placeholders of its address.
    pub variables: Vec<(String, String)>,
}
