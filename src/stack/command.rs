//! The command line of a component, from its kind's templates. Pure.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;

use crate::catalog::kind::{Binds, Interface, Language, Run};
use crate::catalog::template::{Template, Variable};
use crate::catalog::{KindRef, kind::Kind};
use crate::provision::{Installation, bin};
use crate::scenario::model::{PythonApp, Server};

use super::guarded::FIRST_INHERITED_FD;

/// The values of a component's template variables.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(BTreeMap<Variable, String>);

/// A variable of a kind's template has no value for this component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the kind `{kind}` uses `{{{variable}}}`, which has no value here")]
pub struct MissingValue {
    pub kind: String,
    /// The variable's name.
    pub variable: &'static str,
}

impl Values {
    pub(super) fn new(lab: &Path, found: &Installation, address: SocketAddr, folder: &Path) -> Values {
        let mut values = Values::default();
        values.set(Variable::Lab, lab.display());
        if let Some(venv) = &found.venv {
            values.set(Variable::Venv, venv.display());
            values.set(Variable::Bin, bin(venv).display());
            values.set(Variable::Python, bin(venv).join("python").display());
        }
        if let Some(program) = &found.program {
            values.set(Variable::Program, program.display());
        }
        values.set(Variable::Host, address.ip());
        values.set(Variable::Port, address.port());
        values.set(Variable::Bind, address);
        values.set(Variable::Fd, FIRST_INHERITED_FD);
        values.set(Variable::Folder, folder.display());
        values
    }

    pub(super) fn set(&mut self, value: Variable, text: impl Display) {
        self.0.insert(value, text.to_string());
    }

    /// Sets the values of an application whose module is in `path`.
    pub(super) fn set_app(&mut self, app: &PythonApp, path: &Path) {
        self.set(Variable::App, format!("{}:{}", app.module, app.callable));
        self.set(Variable::Module, &app.module);
        self.set(Variable::Callable, &app.callable);
        self.set(Variable::Path, path.display());
    }

    fn fill(&self, kind: &Kind, template: &Template) -> Result<String, MissingValue> {
        template
            .fill(&|value| self.0.get(&value).cloned())
            .map_err(|variable| MissingValue { kind: kind.name.clone(), variable: variable.name() })
    }

    fn extend(&self, kind: &Kind, line: &mut Vec<String>, templates: &[Template]) -> Result<(), MissingValue> {
        templates.iter().try_for_each(|template| {
            line.push(self.fill(kind, template)?);
            Ok(())
        })
    }

    /// The variables a kind sets.
    pub(super) fn environment(&self, kind: &Kind, run: &Run) -> Result<Vec<(String, String)>, MissingValue> {
        let all = run.environment.iter();
        all.map(|(name, template)| Ok((name.clone(), self.fill(kind, template)?))).collect()
    }

    /// A server's command line.
    pub(super) fn server(
        &self,
        server: &Server,
        app: Interface,
        run: &Run,
        is_root: bool,
    ) -> Result<Vec<String>, MissingValue> {
        let kind = server.kind.kind();
        let mut line = Vec::new();
        if is_root {
            self.extend(kind, &mut line, &run.as_root)?;
        }
        self.extend(kind, &mut line, command(&server.kind, run))?;
        if server.workers.is_some() {
            self.extend(kind, &mut line, run.workers.as_deref().unwrap_or_default())?;
        }
        if server.threads.is_some() {
            self.extend(kind, &mut line, run.threads.as_deref().unwrap_or_default())?;
        }
        if server.config.is_some() {
            self.extend(kind, &mut line, run.config.as_deref().unwrap_or_default())?;
        }
        self.extend(kind, &mut line, variant_arguments(&server.kind))?;
        line.extend(server.arguments.iter().cloned());
        self.extend(kind, &mut line, server.kind.app_arguments(app).unwrap_or_default())?;
        Ok(line)
    }

    /// A proxy's command line.
    pub(super) fn proxy(&self, proxy: &KindRef, run: &Run, is_root: bool) -> Result<Vec<String>, MissingValue> {
        let mut line = Vec::new();
        if is_root {
            self.extend(proxy.kind(), &mut line, &run.as_root)?;
        }
        self.extend(proxy.kind(), &mut line, command(proxy, run))?;
        self.extend(proxy.kind(), &mut line, variant_arguments(proxy))?;
        Ok(line)
    }

    /// A configuration with marks, filled in: `@listen@`, `@host@`, `@port@`, `@upstream@`, `@workers@`, `@folder@`.
    pub(super) fn marked(&self, text: &str) -> String {
        let marks = [
            ("@listen@", Variable::Bind),
            ("@host@", Variable::Host),
            ("@port@", Variable::Port),
            ("@upstream@", Variable::Upstream),
            ("@workers@", Variable::Workers),
            ("@folder@", Variable::Folder),
        ];
        marks.iter().fold(text.to_owned(), |text, (mark, value)| {
            text.replace(mark, self.0.get(value).map_or("", String::as_str))
        })
    }
}

/// The listener with TLS that a configuration with marks asks for.
pub(super) struct TlsMarks<'a> {
    pub(super) address: SocketAddr,
    pub(super) certificate: &'a Path,
    pub(super) key: &'a Path,
}

impl TlsMarks<'_> {
    /// Whether a configuration has a listener with TLS.
    pub(super) fn are_in(text: &str) -> bool {
        text.contains("@tls_listen@") || text.contains("@tls_port@")
    }

    /// Fills in `@tls_listen@`, `@tls_port@`, `@certificate@` and `@key@`.
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("@tls_listen@", &self.address.to_string())
            .replace("@tls_port@", &self.address.port().to_string())
            .replace("@certificate@", &self.certificate.display().to_string())
            .replace("@key@", &self.key.display().to_string())
    }
}

fn command<'a>(kind: &'a KindRef, run: &'a Run) -> &'a [Template] {
    kind.variant().and_then(|variant| variant.command.as_deref()).unwrap_or(&run.command)
}

fn variant_arguments(kind: &KindRef) -> &[Template] {
    kind.variant().map_or(&[], |variant| &variant.arguments)
}

/// Whether lab's listening socket is handed over, rather than a port held.
pub(super) fn inherits(run: &Run) -> bool {
    run.binds == Binds::Inherits || run.language == Language::Nginx
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::path::PathBuf;

    use super::*;
    use crate::catalog::kind::Workers;
    use crate::catalog::{Catalog, Role};

    fn line(name: &str, workers: u16, threads: Option<u16>) -> String {
        let mut server = Server::new(Catalog::builtin().choose(Role::Server, name).unwrap());
        server.workers = NonZeroU16::new(workers).map(Workers::Count);
        server.threads = threads.and_then(NonZeroU16::new).or(server.threads);
        server.arguments = vec!["--own".to_owned()];
        let found = Installation { version: "1".to_owned(), venv: Some(PathBuf::from("/venv")), program: None };
        let mut values = Values::new(Path::new("/lab"), &found, "127.0.0.1:80".parse().unwrap(), Path::new("/run"));
        values.set(Variable::Workers, workers);
        values.set(Variable::Threads, server.threads.map_or(1, NonZeroU16::get));
        values.set(Variable::Native, "hello");
        values.set(Variable::Launcher, "/run/launcher.py");
        let app = PythonApp {
            interface: Interface::Wsgi,
            module: "pong".to_owned(),
            callable: "app".to_owned(),
            path: None,
            environment: Vec::new(),
            env_files: Vec::new(),
            requirements: None,
            venv: None,
            cwd: None,
            setup: None,
            services: Vec::new(),
        };
        values.set_app(&app, Path::new("/apps"));
        let kind = server.kind.clone();
        values.server(&server, Interface::Wsgi, kind.kind().run.as_ref().unwrap(), false).unwrap().join(" ")
    }

    #[test]
    fn a_servers_command_line_has_what_is_set_and_ends_with_the_app() {
        assert_eq!(
            line("waitress", 1, None),
            "/venv/bin/waitress-serve --listen=127.0.0.1:80 --connection-limit=2000 --own pong:app"
        );
        assert_eq!(
            line("gunicorn/gthread", 2, None),
            "/venv/bin/gunicorn --bind 127.0.0.1:80 --backlog 2048 --no-control-socket --workers 2 --threads 4 --worker-class gthread --own pong:app"
        );
        assert_eq!(
            line("bjoern", 2, None),
            "/venv/bin/python /run/launcher.py 127.0.0.1 80 --workers 2 --own pong app"
        );
        assert_eq!(
            line("lab", 1, Some(2)),
            "/lab serve --bind fd://3 --workers 1 --threads 2 --own --venv /venv pong:app"
        );
        assert_eq!(
            line("uwsgi/socket", 1, None),
            "/venv/bin/uwsgi --socket 127.0.0.1:80 --listen 128 --master --need-app --die-on-term --disable-logging \
             --processes 1 --own --pythonpath /apps --module pong:app"
        );
    }
}
