//! Resolves `image` and `build`: what the container of a component is made from.

use std::path::Path;

use toml::Spanned;

use super::super::model::{Backend, Image};
use super::Surroundings;
use crate::catalog::Chosen;
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::Field;

/// The file that says how an image is built.
const DOCKERFILE: &str = "Dockerfile";
/// The file that says what of a folder is no part of it, which the docker command applies and an engine does not.
const IGNORED: &str = ".dockerignore";
/// What is meant by an image without a tag, as for docker.
const DEFAULT_TAG: &str = "latest";

/// Both keys of a table.
pub(super) struct Source<'a> {
    pub(super) image: &'a Field<String>,
    pub(super) build: &'a Field<String>,
}

impl Source<'_> {
    /// The key that is there, and where.
    pub(super) fn key(&self) -> Option<(&'static str, Span)> {
        let keys = [("image", self.image), ("build", self.build)];
        keys.into_iter().find_map(|(key, field)| Some((key, field.good()?.span())))
    }
}

/// The image; `Some(None)` where none is named.
pub(super) fn image(
    source: &Source<'_>,
    kind: &Chosen,
    backend: Backend,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<Image>> {
    let image = match (source.image, source.build) {
        (Field::Absent, Field::Absent) => return Some(None),
        (Field::Good(image), Field::Good(build)) => {
            let message = "`image` and `build` are two answers to one question";
            let problem = Diagnostic::at(build.span(), message).related(image.span(), "the other one");
            problems.push(problem.hint("keep the one that the container is to be made from"));
            return None;
        }
        (Field::Good(image), _) => Some(Image::Named(named(image, problems)?)),
        (_, Field::Good(folder)) => Some(built(folder, surroundings, problems)?),
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
    let text = name.get_ref();
    let Some(reference) = complete(text) else {
        let message = format!("`{text}` cannot be the name of an image");
        let hint = "accepted: a name in lower-case letters with a tag or a digest, such as \"nginx:1.28\", \
                    \"registry.example:5000/team/app:3\" or \"nginx@sha256:…\"";
        problems.push(Diagnostic::at(name.span(), message).hint(hint));
        return None;
    };
    Some(reference)
}

/// The name with the tag that is meant where none is written; `None` if it is no image's (the grammar is that of the
/// distribution project's references, as far as engines agree on it).
fn complete(text: &str) -> Option<String> {
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    // A colon before the last slash belongs to the registry's port.
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    let (path, tag) = match name[last..].split_once(':') {
        Some((end, tag)) => (&name[..last + end.len()], Some(tag)),
        None => (name, None),
    };
    let mut parts = path.split('/').enumerate();
    let is_word = |word: &str, more: &str, upper: bool| {
        let fits = |c: char| {
            c.is_ascii_digit() || c.is_ascii_lowercase() || (upper && c.is_ascii_uppercase()) || more.contains(c)
        };
        word.chars().all(fits) && word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
    };
    // Only a registry's name may hold capitals and a port.
    let is_path = parts.all(|(at, part)| {
        let is_registry = at == 0 && path.contains('/');
        is_word(part, if is_registry { "._-:" } else { "._-" }, is_registry)
    });
    let is_tag = tag.is_none_or(|tag| tag.len() <= 128 && is_word(tag, "._-", true));
    let is_digest = digest.is_none_or(|digest| {
        let hexadecimal = digest.strip_prefix("sha256:");
        hexadecimal.is_some_and(|text| text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()))
    });
    (is_path && is_tag && is_digest).then(|| match (tag, digest) {
        (None, None) => format!("{text}:{DEFAULT_TAG}"),
        _ => text.to_owned(),
    })
}

/// The folder of a Dockerfile.
fn built(path: &Spanned<String>, surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) -> Option<Image> {
    let folder = surroundings.root.join(path.get_ref());
    let has = |name: &str| (surroundings.is_file)(Path::new(&folder.join(name)));
    if path.get_ref().is_empty() || !has(DOCKERFILE) {
        let message = format!("no `{DOCKERFILE}` in `{}`", path.get_ref());
        let hint = "`build` is a folder with one; a relative path starts at the scenario's root";
        problems.push(Diagnostic::at(path.span(), message).hint(hint));
        return None;
    }
    if has(IGNORED) {
        let message = format!("`{}` has a `{IGNORED}`, which lab does not apply", path.get_ref());
        let hint = "move what does not belong to the image elsewhere; or build it yourself, and name it with `image`";
        problems.push(Diagnostic::at(path.span(), message).hint(hint));
        return None;
    }
    Some(Image::Built(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_completed_as_docker_does_it() {
        let digest = format!("nginx@sha256:{}", "0f".repeat(32));
        for (written, meant) in [
            ("nginx", "nginx:latest"),
            ("nginx:1.28", "nginx:1.28"),
            ("lab-test/flask", "lab-test/flask:latest"),
            ("Registry.example:5000/team/app", "Registry.example:5000/team/app:latest"),
            ("localhost:5000/app:V1.0_x", "localhost:5000/app:V1.0_x"),
            (&digest, &digest),
        ] {
            assert_eq!(complete(written).as_deref(), Some(meant));
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "nginx:", ":1", "Nginx", "nginx 1", "a//b", "/a", "a/", "nginx@sha256:12", "nginx:a b", "-x"] {
            assert_eq!(complete(text), None, "{text:?}");
        }
    }
}
