//! Resolves `[app.services]`.

use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use super::super::model::{Readiness, Service, ServiceImage, ServiceProgram, ServiceText, ServiceTextPart};
use super::super::wire;
use super::values::{slug, whole};
use crate::catalog::image_name;
use crate::document::braces::{self, BracesError, Piece};
use crate::document::diagnostic::{Diagnostic, Problems, Span};
use crate::document::read::{ByName, Field};
use crate::document::suggest;

/// The default of `deadline`.
const DEADLINE: Duration = Duration::from_secs(30);
/// The placeholder of the scenario's root.
const ROOT: &str = "root";

/// Resolves the services in the file's order.
pub(super) fn services(
    wire: &Field<ByName<wire::Service>>,
    root: &Path,
    problems: &mut Problems<'_>,
) -> Option<Vec<Service>> {
    wire.or(Vec::new(), |services| {
        let named = services.get_ref().0.iter();
        let all = named.map(|(name, wire)| service(name, wire.good()?, root, problems));
        // Collect first, so that all problems are reported.
        all.collect::<Vec<_>>().into_iter().collect()
    })
}

fn service(
    name: &Spanned<String>,
    wire: &Spanned<wire::Service>,
    root: &Path,
    problems: &mut Problems<'_>,
) -> Option<Service> {
    let (at, wire) = (wire.span(), wire.get_ref());
    let template = |text: &Spanned<String>, problems: &mut Problems<'_>| template(text, root, problems);
    let name = slug(name, problems);
    let kind = wire.kind.or(None, |kind| Some(Some(kind.get_ref().0)));
    let given = [!wire.kind.is_absent(), !wire.command.is_absent(), !wire.image.is_absent()];
    if given.iter().filter(|is_given| **is_given).count() != 1 {
        let message = "a service has either a `kind`, a `command` or an `image`";
        let hint = "accepted: `kind = \"postgresql\"`, the `command` that runs it, or an `image` with its `port`";
        problems.push(Diagnostic::at(at, message).hint(hint));
        return None;
    }
    let program = match wire.image.good() {
        Some(image) => image_of(image, at, wire, problems).map(|image| Some(ServiceProgram::Image(image))),
        None => {
            refuse_without_image(wire, problems);
            let of_kind = kind.flatten().map(|kind| ServiceProgram::Command(known(kind.command)));
            wire.command.or(of_kind, |text| template(text, problems).map(|text| Some(ServiceProgram::Command(text))))
        }
    };
    let kind = kind?;
    let prepare =
        wire.prepare.or(kind.and_then(|kind| kind.prepare.map(known)), |text| template(text, problems).map(Some));
    let then = wire.then.or(kind.and_then(|kind| kind.then.map(known)), |text| template(text, problems).map(Some));
    let default =
        kind.and_then(|kind| kind.is_ready).map_or(Readiness::Port, |command| Readiness::Command(known(command)));
    let readiness = wire.ready.or(default, |ready| readiness(ready, root, problems));
    let deadline = wire.deadline.or(DEADLINE, |deadline| Some(deadline.get_ref().0));
    let own = kind.map_or(&[][..], |kind| kind.environment);
    let mut environment: Vec<_> = own.iter().map(|(name, value)| ((*name).to_owned(), known(value))).collect();
    let given = wire.env.or(Vec::new(), |variables| {
        let all = variables.get_ref().0.iter().filter_map(|(name, value)| Some((name, value.good()?)));
        all.map(|(name, value)| Some((name.get_ref().clone(), template(value, problems)?))).collect()
    })?;
    environment.retain(|(name, _)| given.iter().all(|(own, _)| own != name));
    environment.extend(given);
    Some(Service {
        name: name?,
        kind,
        prepare: prepare?,
        program: program??,
        readiness: readiness?,
        deadline: deadline?,
        then: then?,
        environment,
    })
}

/// The image of a service, with its port.
fn image_of(
    image: &Spanned<String>,
    at: Span,
    wire: &wire::Service,
    problems: &mut Problems<'_>,
) -> Option<ServiceImage> {
    let name = image_name::complete(image.get_ref());
    if name.is_none() {
        problems.push(image_name::invalid(image));
    }
    if let Some(prepare) = wire.prepare.good() {
        let message = "`prepare` does not apply to an `image`";
        problems.push(Diagnostic::at(prepare.span(), message).hint("leave it out, or use `then`"));
    }
    if wire.port.is_absent() {
        let hint = "accepted: `port = 5432`, the port on which it listens in its container";
        problems.push(Diagnostic::at(at, "an `image` needs its `port`").hint(hint));
    }
    let port = wire.port.good().and_then(|port| whole(port, "`port`", 1..=u16::MAX, problems));
    let variables = wire.variables.or(Vec::new(), |variables| {
        let all = variables.get_ref().0.iter();
        Some(all.filter_map(|(name, value)| Some((name.get_ref().clone(), value.value()?.clone()))).collect())
    });
    Some(ServiceImage { name: name?, port: port?, variables: variables? })
}

/// Reports keys that only images have.
fn refuse_without_image(wire: &wire::Service, problems: &mut Problems<'_>) {
    let keys = [("port", wire.port.good().map(Spanned::span)), ("variables", wire.variables.good().map(Spanned::span))];
    for (key, span) in keys.into_iter().filter_map(|(key, span)| Some((key, span?))) {
        let message = format!("`{key}` belongs to an `image`, and this service has none");
        problems.push(Diagnostic::at(span, message).hint("`env` has the variables of the application"));
    }
}

fn readiness(wire: &Spanned<wire::Ready>, root: &Path, problems: &mut Problems<'_>) -> Option<Readiness> {
    let (at, ready) = (wire.span(), wire.get_ref());
    let given = [!ready.unix.is_absent(), !ready.command.is_absent(), !ready.http.is_absent()];
    if given.iter().filter(|is_given| **is_given).count() != 1 {
        let message = "`ready` must name one way";
        let hint = "accepted: `unix`, `command` or `http`; leave it out for a service that is ready once it accepts \
                    connections at `{port}`";
        problems.push(Diagnostic::at(at, message).hint(hint));
        return None;
    }
    if let Some(path) = ready.http.good() {
        if !path.get_ref().starts_with('/') || path.get_ref().contains([' ', '\r', '\n']) {
            let message = format!("`{}` is no path", path.get_ref());
            problems.push(Diagnostic::at(path.span(), message).hint("accepted: a path that starts with `/`"));
            return None;
        }
        return Some(Readiness::Http(path.get_ref().clone()));
    }
    match (ready.unix.good(), ready.command.good()) {
        (Some(path), _) => template(path, root, problems).map(Readiness::Unix),
        (None, Some(command)) => template(command, root, problems).map(Readiness::Command),
        (None, None) => None,
    }
}

/// A text of a kind, whose placeholders a test has checked.
fn known(text: &str) -> ServiceText {
    parse(text, Path::new("")).unwrap_or_else(|_| ServiceText(vec![ServiceTextPart::Text(text.to_owned())]))
}

fn template(text: &Spanned<String>, root: &Path, problems: &mut Problems<'_>) -> Option<ServiceText> {
    if text.get_ref().trim().is_empty() {
        problems.push(Diagnostic::at(text.span(), "the text is empty").hint("leave the key out"));
        return None;
    }
    match parse(text.get_ref(), root) {
        Ok(text) => Some(text),
        Err(error) => {
            let place = problems.within_string(&text.span(), text.get_ref(), error.part());
            let mut names = ServiceTextPart::PLACEHOLDERS.map(|(name, _)| name).to_vec();
            names.push(ROOT);
            let name = match &error {
                BracesError::Unknown { name, .. } => name.as_str(),
                BracesError::Lone { .. } => "",
            };
            let hint = suggest::accepted(name, &names) + "; `{{` and `}}` stand for braces, as in `${{HOME}}`";
            problems.push(Diagnostic::at(place, error.to_string()).hint(hint));
            None
        }
    }
}

fn parse(text: &str, root: &Path) -> Result<ServiceText, BracesError> {
    let part = |piece| match piece {
        Piece::Literal(text) => Ok(ServiceTextPart::Text(text)),
        Piece::Name(name, _) if name == ROOT => Ok(ServiceTextPart::Text(root.display().to_string())),
        Piece::Name(name, part) => {
            let known = ServiceTextPart::PLACEHOLDERS.into_iter().find(|(known, _)| *known == name);
            known.map(|(_, placeholder)| placeholder).ok_or(BracesError::Unknown { name, part })
        }
    };
    braces::split(text)?.into_iter().map(part).collect::<Result<_, _>>().map(ServiceText)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::service::SERVICE_KINDS;

    #[test]
    fn texts_of_kinds_have_known_placeholders() {
        for kind in SERVICE_KINDS {
            let optional = [kind.prepare, Some(kind.command), kind.is_ready, kind.then];
            let values = kind.environment.iter().map(|(_, value)| *value);
            for text in optional.into_iter().flatten().chain(values) {
                assert!(parse(text, Path::new("/")).is_ok(), "{}: {text}", kind.name);
            }
        }
        let filled =
            parse("{host}:{port} in {folder} {{x}} {root}", Path::new("/r")).unwrap().fill("127.0.0.1", 80, "/s");
        assert_eq!(filled, "127.0.0.1:80 in /s {x} /r");
    }
}
