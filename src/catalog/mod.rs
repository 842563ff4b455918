//! The kinds: what lab knows about each implementation of a role, as data.
//!
//! A kind is a TOML file. lab's own lie in `fixtures/servers` and `fixtures/proxies` and are part of the binary; a folder
//! of the user's is searched first, and needs no Rust. Nothing here installs or starts anything.

pub mod kind;
pub mod service;
pub mod template;

pub(crate) mod image_name;

mod builtin;
mod kind_ref;
mod published;
mod resolve;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use schemars::generate::SchemaSettings;

use crate::document::{self, DocumentErrors};
use kind::Kind;
use resolve::ResolveContext;

pub use kind::Role;
pub use kind_ref::KindRef;

/// The name of this sort of file in messages.
const SORT: &str = "kind";
/// The subfolders of a folder of kinds that may contain kinds; `""` is the folder itself.
const FOLDERS: [&str; 3] = ["", "servers", "proxies"];

#[derive(Debug, Clone, Default)]
pub struct Catalog {
    kinds: BTreeMap<(Role, String), Arc<Kind>>,
}

/// A reference to a kind that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownKind {
    #[error("unknown {role} kind `{name}`")]
    Kind { role: Role, name: String, known: Vec<String> },
    #[error("`{kind}` has no variant `{name}`")]
    Variant {
        kind: String,
        /// As written: `kind/variant`.
        name: String,
        /// In the same form.
        known: Vec<String>,
    },
}

impl UnknownKind {
    /// The accepted names.
    #[must_use]
    pub fn known(&self) -> &[String] {
        match self {
            UnknownKind::Kind { known, .. } | UnknownKind::Variant { known, .. } => known,
        }
    }

    /// The unknown name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            UnknownKind::Kind { name, .. } | UnknownKind::Variant { name, .. } => name,
        }
    }
}

impl Catalog {
    /// The kinds that come with lab.
    #[must_use]
    pub fn builtin() -> Catalog {
        static BUILTIN: LazyLock<Catalog> = LazyLock::new(|| {
            let mut catalog = Catalog::default();
            for (folder, name, text) in builtin::kinds() {
                let beside = |file: &str| builtin::text(&format!("{folder}/{file}")).map(str::to_owned);
                let file = builtin::home().join(folder).join(format!("{name}.toml"));
                // A test finds invalid kinds.
                if let Ok(kind) = parse(text, name, &file, &beside) {
                    catalog.add(kind);
                }
            }
            catalog
        });
        BUILTIN.clone()
    }

    /// Adds the kinds of a folder, which replace those of the same name: `*.toml` in it and in its `servers` and
    /// `proxies`.
    ///
    /// # Errors
    /// The folder cannot be listed, or a kind in it is invalid.
    pub fn with_folder(mut self, folder: &Path) -> Result<Catalog, DocumentErrors> {
        let mut wrong = Vec::new();
        for file in kind_files(folder).map_err(|source| DocumentErrors::Unreadable {
            sort: "folder of kinds",
            file: folder.to_owned(),
            source,
        })? {
            match load(&file) {
                Ok(kind) => self.add(kind),
                Err(error) => wrong.push(error),
            }
        }
        match wrong.len() {
            0 => Ok(self),
            1 => Err(wrong.remove(0)),
            _ => Err(DocumentErrors::Several(wrong)),
        }
    }

    fn add(&mut self, kind: Kind) {
        self.kinds.insert((kind.role, kind.name.clone()), Arc::new(kind));
    }

    /// Every kind, proxies first, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values().map(Arc::as_ref)
    }

    /// Every kind of a role and each of its variants, as scenarios refer to them.
    pub fn choices(&self, role: Role) -> impl Iterator<Item = KindRef> {
        self.kinds.values().filter(move |kind| kind.role == role).flat_map(|kind| {
            let variants = (0..kind.variants.len()).map(Some);
            std::iter::once(None).chain(variants).map(|variant| KindRef::new(kind.clone(), variant))
        })
    }

    /// The kind that `text` names: `gunicorn`, or `gunicorn/gthread` for a variant.
    ///
    /// # Errors
    /// There is no such kind, or it has no such variant.
    pub fn choose(&self, role: Role, text: &str) -> Result<KindRef, UnknownKind> {
        let (name, variant) = text.split_once('/').map_or((text, None), |(name, variant)| (name, Some(variant)));
        let kind = self.kinds.get(&(role, name.to_owned())).ok_or_else(|| {
            let known = self.kinds.keys().filter(|(own, _)| *own == role).map(|(_, name)| name.clone()).collect();
            UnknownKind::Kind { role, name: name.to_owned(), known }
        })?;
        let Some(variant) = variant else { return Ok(KindRef::new(kind.clone(), None)) };
        match kind.variants.iter().position(|own| own.name == variant) {
            Some(at) => Ok(KindRef::new(kind.clone(), Some(at))),
            None => {
                let known = kind.variants.iter().map(|own| format!("{name}/{}", own.name)).collect();
                Err(UnknownKind::Variant { kind: name.to_owned(), name: text.to_owned(), known })
            }
        }
    }
}

/// Reads the kind in `file`, whose name is that of the file.
///
/// # Errors
/// The file cannot be read, is not text, or is invalid.
pub fn load(file: &Path) -> Result<Kind, DocumentErrors> {
    let source = document::read_text(SORT, file)?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    // A file that cannot be read counts as missing.
    parse(&source, &name, file, &|beside| fs::read_to_string(folder.join(beside)).ok())
}

/// Reads a kind from its text. `beside` returns the text of a file in the same folder.
///
/// # Errors
/// The kind is invalid.
pub fn parse(
    source: &str,
    name: &str,
    file: &Path,
    beside: &dyn Fn(&str) -> Option<String>,
) -> Result<Kind, DocumentErrors> {
    document::parse(SORT, source, file, |table, span, problems| {
        let wire = wire::Kind::from_table(table, span, problems);
        resolve::resolve(&wire, &ResolveContext { name, source, file, beside }, problems)
    })
}

/// The JSON Schema of kind files, as text.
#[must_use]
pub fn schema() -> String {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<wire::Kind>();
    format!("{:#}\n", schema.as_value())
}

/// The text of the module of one of lab's own WSGI applications.
#[must_use]
pub fn app(module: &str) -> Option<&'static str> {
    builtin::text(&format!("apps/{module}.py"))
}

/// The requirements of that application for pip, with hashes; `None` if it has none.
#[must_use]
pub fn app_requirements(module: &str) -> Option<&'static str> {
    builtin::text(&format!("apps/{module}.requirements.txt"))
}

/// The modules of lab's own WSGI applications.
#[must_use]
pub fn apps() -> Vec<&'static str> {
    let inside = builtin::FILES.iter().filter_map(|(path, _)| path.strip_prefix("apps/")?.strip_suffix(".py"));
    inside.collect()
}

/// Every file of lab's own kinds, by its path in `fixtures`; a test compares them with that folder.
#[must_use]
pub fn builtin_files() -> Vec<(&'static str, &'static str)> {
    builtin::FILES.to_vec()
}

fn kind_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for inner in FOLDERS {
        let inner = folder.join(inner);
        if inner != folder && !inner.is_dir() {
            continue;
        }
        for entry in fs::read_dir(inner)? {
            let file = entry?.path();
            if file.is_file() && file.extension().is_some_and(|extension| extension == "toml") {
                files.push(file);
            }
        }
    }
    files.sort();
    Ok(files)
}
