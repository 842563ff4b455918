//! Services that an application needs beside its server, such as a database.

use std::time::Duration;

use crate::catalog::service::ServiceKind;

/// One service. It is started before its application, with an empty folder for its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Unique within the application.
    pub name: String,
    /// The kind that its commands are from; `None` if the scenario has them.
    pub kind: Option<&'static ServiceKind>,
    /// A shell command that prepares its state.
    pub prepare: Option<ServiceText>,
    pub program: ServiceProgram,
    pub readiness: Readiness,
    /// How long it may take to be ready.
    pub deadline: Duration,
    /// A shell command that runs once it is ready.
    pub then: Option<ServiceText>,
    /// Variables of the application.
    pub environment: Vec<(String, ServiceText)>,
}

/// The program of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceProgram {
    /// A shell command.
    Command(ServiceText),
    Image(ServiceImage),
}

/// The image of a service, which runs as it does by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceImage {
    /// With its tag or digest.
    pub name: String,
    /// The port on which it listens in its container.
    pub port: u16,
    /// Variables of the container.
    pub variables: Vec<(String, String)>,
}

/// When a service is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It accepts connections at its port.
    Port,
    /// It accepts connections at this unix socket.
    Unix(ServiceText),
    /// This shell command succeeds.
    Command(ServiceText),
    /// It responds to a request for this path with a status below 500.
    Http(String),
}

/// A text with `{host}`, `{port}` and `{folder}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceText(pub Vec<ServiceTextPart>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceTextPart {
    Text(String),
    Host,
    Port,
    /// The folder of its state.
    Folder,
}

impl ServiceTextPart {
    /// The placeholders and their names.
    pub const PLACEHOLDERS: [(&'static str, ServiceTextPart); 3] =
        [("host", ServiceTextPart::Host), ("port", ServiceTextPart::Port), ("folder", ServiceTextPart::Folder)];
}

impl ServiceText {
    #[must_use]
    pub fn fill(&self, host: &str, port: u16, folder: &str) -> String {
        let part = |part: &ServiceTextPart| match part {
            ServiceTextPart::Text(text) => text.clone(),
            ServiceTextPart::Host => host.to_owned(),
            ServiceTextPart::Port => port.to_string(),
            ServiceTextPart::Folder => folder.to_owned(),
        };
        self.0.iter().map(part).collect()
    }
}
