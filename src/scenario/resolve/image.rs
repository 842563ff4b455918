//! Resolves `image` and `build`, the image of a component's container.

use std::path::Path;

use toml::Spanned;

use super::super::model::{Backend, Image};
use super::context::ResolveContext;
use crate::catalog::{KindRef, image_name};
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::Field;

const DOCKERFILE: &str = "Dockerfile";
/// Lists files that are not part of the image. The docker command applies it, an engine does not.
const IGNORED: &str = ".dockerignore";

/// Both keys of a table.
pub(super) struct Source<'a> {
    pub(super) image: &'a Field<String>,
    pub(super) build: &'a Field<String>,
}

impl Source<'_> {
    /// The present key and its position.
    pub(super) fn key(&self) -> Option<(&'static str, Span)> {
        let keys = [("image", self.image), ("build", self.build)];
        keys.into_iter().find_map(|(key, field)| Some((key, field.good()?.span())))
    }
}

/// The image. `Some(None)` if none is named and the kind is not an image itself.
pub(super) fn image(
    source: &Source<'_>,
    kind: &KindRef,
    backend: Backend,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<Image>> {
    let image = match (source.image, source.build) {
        (Field::Absent, Field::Absent) => return Some(Image::for_kind(kind)),
        (Field::Good(image), Field::Good(build)) => {
            let message = "`image` and `build` are two answers to one question";
            let problem = Diagnostic::at(build.span(), message).related(image.span(), "the other one");
            problems.push(problem.hint("keep the one that the container is to be made from"));
            return None;
        }
        (Field::Good(image), _) => Some(Image::Named(named(image, problems)?)),
        (_, Field::Good(folder)) => Some(built(folder, context, problems)?),
        (Field::Bad, _) | (_, Field::Bad) => return None,
    };
    let (key, at) = source.key()?;
    if kind.kind().is_lab() {
        let message = format!("`{kind}` runs in an image of lab's own, made of the lab that runs");
        problems.push(Diagnostic::at(at, message).hint(format!("leave out `{key}`")));
        return None;
    }
    if backend == Backend::Process {
        let message = format!("`{key}` is for containers, and this stack is run as processes");
        let hint = format!("add `backend = \"container\"` to the stack or to the scenario, or leave out `{key}`");
        problems.push(Diagnostic::at(at, message).hint(hint));
        return None;
    }
    Some(image)
}

/// An image's name with its tag or digest.
fn named(name: &Spanned<String>, problems: &mut Problems<'_>) -> Option<String> {
    let reference = image_name::complete(name.get_ref());
    if reference.is_none() {
        problems.push(image_name::invalid(name));
    }
    reference
}

/// The folder of a Dockerfile.
fn built(path: &Spanned<String>, context: &ResolveContext<'_>, problems: &mut Problems<'_>) -> Option<Image> {
    let folder = context.root.join(path.get_ref());
    let has = |name: &str| (context.is_file)(Path::new(&folder.join(name)));
    if path.get_ref().is_empty() || !has(DOCKERFILE) {
        let message = format!("no `{DOCKERFILE}` in `{}`", path.get_ref());
        let hint = "`build` is a folder with one; a relative path starts at the scenario's root";
        problems.push(Diagnostic::at(path.span(), message).hint(hint));
        return None;
    }
    if has(IGNORED) {
        let message = format!("`{}` has a `{IGNORED}`, which lab does not apply", path.get_ref());
        let hint = "move files that do not belong to the image elsewhere, or build the image yourself and name it with `image`";
        problems.push(Diagnostic::at(path.span(), message).hint(hint));
        return None;
    }
    Some(Image::Built(folder))
}
