//! How a stack is put together: its application, the protocols between its parts, its workers.

use serde::{Deserialize, Serialize};

use crate::catalog::kind::{Interface, Protocol};
use crate::scenario::model::Stack;

/// A stack as its scenario describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopologyRecord {
    /// `module:callable`, or the name of a native application.
    pub app: String,
    /// The interface between the application and its server: `wsgi`, `asgi` or `native`.
    pub interface: String,
    /// The protocol between proxy and server, or between client and server without a proxy: `http` or `uwsgi`.
    pub protocol: String,
    /// The number of workers in words; `None` if the server's configuration file decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<String>,
    /// The threads of each worker; `None` if the kind decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u16>,
    /// `process` or `container`.
    pub backend: String,
}

impl TopologyRecord {
    #[must_use]
    pub fn new(stack: &Stack) -> TopologyRecord {
        let native = || stack.apps.native().unwrap_or_default().to_owned();
        let python = stack.apps.python().filter(|_| stack.app != Interface::Native);
        let protocol: Protocol = stack.server.kind.speaks();
        TopologyRecord {
            app: python.map_or_else(native, |app| format!("{}:{}", app.module, app.callable)),
            interface: stack.app.name().to_owned(),
            protocol: protocol.name().to_owned(),
            workers: stack.server.workers.map(|workers| workers.to_string()),
            threads: stack.server.threads.map(std::num::NonZeroU16::get),
            backend: stack.backend.name().to_owned(),
        }
    }
}
