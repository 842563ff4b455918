//! A kind or one of its variants, as scenarios name it.

use std::fmt;
use std::sync::Arc;

use super::kind::{Ability, BundledFile, Interface, Kind, Protocol, Published, Variant};
use super::template::Template;

/// A reference to a kind or one of its variants: `gunicorn`, `gunicorn/gthread`.
#[derive(Clone)]
pub struct KindRef {
    kind: Arc<Kind>,
    variant: Option<usize>,
}

impl KindRef {
    /// `variant` is an index into the variants of the kind.
    pub(super) fn new(kind: Arc<Kind>, variant: Option<usize>) -> KindRef {
        KindRef { kind, variant }
    }

    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    #[must_use]
    pub fn variant(&self) -> Option<&Variant> {
        self.variant.and_then(|at| self.kind.variants.get(at))
    }

    /// The published figures of exactly this variant, or of the plain kind.
    pub fn published(&self) -> impl Iterator<Item = &Published> {
        let own = self.variant().map(|variant| variant.name.as_str());
        self.kind.published.iter().filter(move |figure| figure.variant.as_deref() == own)
    }

    /// The reason why it lacks an ability. `None` if it has it.
    #[must_use]
    pub fn cannot(&self, ability: Ability) -> Option<&str> {
        let variant = self.variant();
        let own = variant.and_then(|variant| variant.cannot.get(&ability));
        let is_able = variant.is_some_and(|variant| variant.can.contains(&ability));
        own.or_else(|| self.kind.cannot.get(&ability).filter(|_| !is_able)).map(String::as_str)
    }

    /// Whether it hosts apps of this interface. True for a kind that cannot run, because that reason is reported instead.
    #[must_use]
    pub fn hosts(&self, interface: Interface) -> bool {
        self.kind.run.is_err() || self.app_arguments(interface).is_some()
    }

    /// Arguments that name an app of this interface. `None` if it hosts none.
    #[must_use]
    pub fn app_arguments(&self, interface: Interface) -> Option<&[Template]> {
        let run = self.kind.run.as_ref().ok()?;
        let own = self.variant().and_then(|variant| variant.asgi.as_ref());
        let arguments = match (own, interface) {
            (Some(asgi), Interface::Asgi) => Some(asgi),
            (Some(_), Interface::Wsgi | Interface::Native) => None,
            (None, Interface::Wsgi) => run.wsgi.as_ref(),
            (None, Interface::Asgi) => run.asgi.as_ref(),
            (None, Interface::Native) => run.native.as_ref(),
        };
        arguments.map(Vec::as_slice)
    }

    /// The protocol spoken between proxy and server.
    #[must_use]
    pub fn speaks(&self) -> Protocol {
        let own = self.variant().and_then(|variant| variant.speaks);
        own.or(self.kind.run.as_ref().ok().map(|run| run.speaks)).unwrap_or(Protocol::Http)
    }

    /// The configuration file to use if the scenario names none.
    #[must_use]
    pub fn default_config(&self) -> Option<&BundledFile> {
        let own = self.variant().and_then(|variant| variant.default_config.as_ref());
        own.or(self.kind.run.as_ref().ok().and_then(|run| run.default_config.as_ref()))
    }

    /// The name with a dash instead of a slash, for the names of stacks, files and folders.
    #[must_use]
    pub fn slug(&self) -> String {
        self.to_string().replace('/', "-")
    }
}

impl fmt::Display for KindRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.name)?;
        self.variant().map_or(Ok(()), |variant| write!(f, "/{}", variant.name))
    }
}

/// Prints only the name.
impl fmt::Debug for KindRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl PartialEq for KindRef {
    fn eq(&self, other: &KindRef) -> bool {
        self.variant == other.variant && self.kind.role == other.kind.role && self.kind.sha256 == other.kind.sha256
    }
}

impl Eq for KindRef {}
