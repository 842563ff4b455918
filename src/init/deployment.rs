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
    /// Variables that the application reads, and no file gives.
    pub required: Vec<RequiredValue>,
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
    /// The class of gunicorn's workers, if the command line names it.
    pub worker_class: Option<String>,
    /// The settings in its configuration whose values are literals.
    pub settings: Vec<SettingLine>,
}

impl ServerCommand {
    /// Whether the application is one of aiohttp's, which are neither WSGI nor ASGI.
    #[must_use]
    pub fn is_for_aiohttp(&self) -> bool {
        let of_file =
            self.settings.iter().filter(|setting| setting.name == "worker_class").map(|setting| &setting.value);
        self.worker_class.iter().chain(of_file).any(|class| class.starts_with("aiohttp."))
    }
}

/// A setting in a Python file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingLine {
    pub name: String,
    pub value: String,
    pub line: usize,
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

/// A variable of the environment that the application reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredValue {
    pub name: String,
    /// `file:line`.
    pub place: String,
    /// A value that is made up; `None` where not any text would do.
    pub value: Option<String>,
    /// A file with an example.
    pub example: Option<PathBuf>,
}

/// The command that prepares an application, such as migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    pub command: String,
    /// Whether it may change a database that is not one of a run.
    pub changes_data: bool,
    /// Its part that changes none.
    pub harmless_part: Option<String>,
}

impl Setup {
    /// What a scenario runs, unless its author says otherwise.
    #[must_use]
    pub fn proposed(&self) -> Option<&str> {
        if self.changes_data { self.harmless_part.as_deref() } else { Some(&self.command) }
    }
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
