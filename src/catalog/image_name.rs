//! Image names in docker's syntax.

use toml::Spanned;

use crate::document::diagnostic::Diagnostic;

/// The default tag, as for docker.
const DEFAULT_TAG: &str = "latest";
pub(crate) const ACCEPTED: &str = "accepted: a name in lower-case letters with a tag or a digest, such as \"nginx:1.28\", \
                                   \"registry.example:5000/team/app:3\" or \"nginx@sha256:…\"";

/// Adds the default tag to a name without tag and digest. `None` if the name is invalid by the grammar of the distribution
/// project's references, as far as engines agree on it.
pub(crate) fn complete(text: &str) -> Option<String> {
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

/// The problem with an invalid name.
pub(crate) fn invalid(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::at(name.span(), invalid_message(name.get_ref())).hint(ACCEPTED)
}

/// That it is invalid, in one line.
pub(crate) fn invalid_message(name: &str) -> String {
    format!("`{name}` cannot be the name of an image")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_tag_is_added() {
        let digest = format!("nginx@sha256:{}", "0f".repeat(32));
        for (written, completed) in [
            ("nginx", "nginx:latest"),
            ("nginx:1.28", "nginx:1.28"),
            ("lab-test/flask", "lab-test/flask:latest"),
            ("Registry.example:5000/team/app", "Registry.example:5000/team/app:latest"),
            ("localhost:5000/app:V1.0_x", "localhost:5000/app:V1.0_x"),
            (&digest, &digest),
        ] {
            assert_eq!(complete(written).as_deref(), Some(completed));
        }
    }

    #[test]
    fn invalid_names_are_refused() {
        for text in ["", "nginx:", ":1", "Nginx", "nginx 1", "a//b", "/a", "a/", "nginx@sha256:12", "nginx:a b", "-x"] {
            assert_eq!(complete(text), None, "{text:?}");
        }
    }
}
