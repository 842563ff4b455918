//! Turns the wire types into a kind: checks values and the relations between them. Pure: a callback supplies the files
//! beside the kind's.

mod context;
mod fields;
mod templates;
mod variant;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::image_name;
use super::kind::{
    Ability, Binds, ContainerSettings, Install, Kind, Language, Protocol, Role, Run, VersionSource, distribution_of,
};
use super::published::published;
use super::template::Variable;
use super::wire;
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::{Field, List};
use context::bundled_file;
use fields::{integer, texts};
use templates::{common_values, role_values, template, templates};

pub(super) use context::ResolveContext;

/// The supported version of the format.
const SCHEMA: i128 = 1;
/// The default readiness deadline. Python on a busy machine can take more than ten seconds.
const READY_DEADLINE_S: u16 = 30;
/// The subfolder of lock files in a folder of kinds.
pub(super) const LOCKS: &str = "locks";

/// Resolves a kind. `None` if it adds to `problems`.
pub(super) fn resolve(wire: &wire::Kind, context: &ResolveContext<'_>, problems: &mut Problems<'_>) -> Option<Kind> {
    if let Some(version) = wire.schema.good().filter(|version| version.get_ref().0 != SCHEMA) {
        let message = format!("unknown version of the format of kinds: {}", version.get_ref().0);
        problems.replace_with(Diagnostic::at(version.span(), message).hint(format!("accepted: {SCHEMA}")));
        return None;
    }
    let mut digest = Sha256::new();
    digest.update(context.source);
    let folder = context.file.parent().unwrap_or(Path::new(""));
    let lock_name = format!("{LOCKS}/{}.txt", context.name);
    let lock = (context.beside)(&lock_name);
    digest.update(lock.as_deref().unwrap_or_default());
    let role = wire.role.value().map(|role| role.0);
    let is_gone = wire.unavailable.good();
    if let (Some(gone), false) = (is_gone, wire.start.is_absent() && wire.install.is_absent()) {
        let message = "a kind that is unavailable has neither `[install]` nor `[start]`";
        problems.push(Diagnostic::at(gone.span(), message));
    }
    if let (Some(container), true) = (wire.container.good(), wire.start.is_absent()) {
        let message = "`[container]` overrides `[start]`, but there is no `[start]`";
        problems.push(Diagnostic::at(container.span(), message));
    }
    let install = match (&wire.install, is_gone) {
        (_, Some(_)) => Some(Install::Nowhere),
        (Field::Absent, None) => Some(Install::Lab),
        (Field::Bad, None) => None,
        (Field::Good(install), None) => self::install(install, folder, lock, folder.join(lock_name), problems),
    };
    let run = match (is_gone, wire.start.good()) {
        (Some(reason), _) => Some(Err(reason.get_ref().clone())),
        (None, Some(start)) => run(start, wire, role, context, problems).map(Ok),
        (None, None) => {
            if wire.start.is_absent() {
                let message = "the kind has neither `[start]` nor `unavailable`";
                problems.push(Diagnostic::at(0..0, message).hint("say how to run it, or why it can no longer be run"));
            }
            None
        }
    };
    let version = version(&wire.version, install.as_ref(), is_gone.is_some(), problems);
    let cannot = wire.cannot.or(BTreeMap::new(), |cannot| Some(fields::cannot(cannot.get_ref())));
    if let Some(Ok(run)) = &run {
        let lacks_workers = cannot.as_ref().is_some_and(|cannot| cannot.contains_key(&Ability::Workers));
        if role == Some(Role::Server) && run.workers.is_none() != lacks_workers {
            let message = "`start.workers` and `cannot.workers`: a server has exactly one of them";
            let hint = "say how the number of workers is set, or why there can be only one";
            problems.push(Diagnostic::at(wire.start.good().map_or(0..0, Spanned::span), message).hint(hint));
        }
    }
    let variants = wire.variant.or(Vec::new(), |variants| {
        let all = variants.get_ref().0.iter().filter_map(|(name, variant)| Some((name, variant.value()?)));
        all.map(|(name, own)| variant::variant(name, own, wire, role, context, problems)).collect()
    });
    let figures = match &variants {
        Some(variants) => published(&wire.published, variants, problems),
        None => None,
    };
    let run_files = run.iter().flatten().flat_map(|run| [&run.launcher, &run.default_config]);
    let variant_files = variants.iter().flatten().map(|variant| &variant.default_config);
    for bundled_file in run_files.chain(variant_files).flatten() {
        digest.update(&bundled_file.text);
    }
    Some(Kind {
        name: context.name.to_owned(),
        role: role?,
        title: wire.title.value()?.clone(),
        sha256: digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        file: context.file.to_owned(),
        install: install?,
        version: version?,
        run: run?,
        cannot: cannot?,
        variants: variants?,
        notes: texts(&wire.notes),
        sources: texts(&wire.sources),
        published: figures?,
    })
}

fn install(
    wire: &Spanned<wire::Install>,
    folder: &Path,
    lock: Option<String>,
    lock_file: PathBuf,
    problems: &mut Problems<'_>,
) -> Option<Install> {
    let at = wire.span();
    let wire = wire.get_ref();
    let ways = [!wire.pip.is_absent() || !wire.source.is_absent(), !wire.debian.is_absent(), !wire.image.is_absent()];
    if ways.iter().filter(|is_there| **is_there).count() != 1 {
        let message = "`[install]` must say one way";
        let hint = "accepted: `pip` (and `source`), `debian` with `program`, or `image`";
        problems.push(Diagnostic::at(at, message).hint(hint));
        return None;
    }
    if wire.debian.is_absent() != wire.program.is_absent() {
        problems.push(Diagnostic::at(at, "`debian` and `program` belong together"));
        return None;
    }
    if let (Some(needs), true) = (wire.needs.good(), !ways[0]) {
        problems.push(Diagnostic::at(needs.span(), "`needs` belongs to `pip` or `source`"));
    }
    if let (Some(wheel), true) = (wire.wheel.good(), wire.source.is_absent()) {
        problems.push(Diagnostic::at(wheel.span(), "`wheel` belongs to `source`"));
    }
    if let (Some(package), Some(program)) = (wire.debian.value(), wire.program.value()) {
        return Some(Install::Debian { package: package.clone(), program: program.clone() });
    }
    if let Some(image) = wire.image.good() {
        let name = image_name::complete(image.get_ref());
        if name.is_none() {
            problems.push(image_name::invalid(image));
        }
        return name.map(Install::Image);
    }
    for requirement in wire.pip.value().into_iter().flat_map(|list| &list.0) {
        if !requirement.get_ref().contains("==") {
            let message = format!("`{}` is not pinned", requirement.get_ref());
            problems.push(Diagnostic::at(requirement.span(), message).hint("accepted: a name, `==` and a version"));
        }
    }
    Some(Install::Environment {
        pip: texts(&wire.pip),
        source: texts(&wire.source).iter().map(|path| folder.join(path)).collect(),
        wheel: wire.wheel.value().cloned(),
        needs: texts(&wire.needs),
        lock,
        lock_file,
    })
}

fn version(
    wire: &Field<wire::Version>,
    install: Option<&Install>,
    is_gone: bool,
    problems: &mut Problems<'_>,
) -> Option<VersionSource> {
    let first_of_pip = || match install {
        Some(Install::Environment { pip, .. }) => pip.first().map(|first| distribution_of(first).to_owned()),
        _ => None,
    };
    let wire = match wire {
        Field::Bad => return None,
        Field::Absent if is_gone => return Some(VersionSource::None),
        Field::Absent => {
            let found = first_of_pip();
            if found.is_none() && install.is_some() {
                let message = "the version of the kind cannot be determined";
                problems.push(Diagnostic::at(0..0, message).hint("add `[version]`"));
            }
            return found.map(VersionSource::Distribution);
        }
        Field::Good(wire) => wire,
    };
    let (at, wire) = (wire.span(), wire.get_ref());
    match (wire.distribution.value(), wire.command.good(), wire.matches.good()) {
        (Some(distribution), None, None) => Some(VersionSource::Distribution(distribution.clone())),
        (None, Some(command), Some(matches)) => {
            let command =
                templates(command, &[Variable::Lab, Variable::Python, Variable::Bin, Variable::Program], problems);
            match Regex::new(matches.get_ref()) {
                Ok(found) if found.captures_len() == 2 => {
                    Some(VersionSource::Printed { command: command?, matches: found })
                }
                Ok(_) => {
                    let message = "`matches` must have one group, which is the version";
                    problems.push(Diagnostic::at(matches.span(), message));
                    None
                }
                Err(error) => {
                    let message = format!("`matches` is not a regular expression: {error}");
                    problems.push(Diagnostic::at(matches.span(), message));
                    None
                }
            }
        }
        _ => {
            let message = "`[version]` must say one way";
            problems.push(Diagnostic::at(at, message).hint("accepted: `distribution`, or `command` with `matches`"));
            None
        }
    }
}

fn run(
    start: &Spanned<wire::Start>,
    kind: &wire::Kind,
    role: Option<Role>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Run> {
    let at = start.span();
    let wire = start.get_ref();
    let binds = wire.binds.value().map_or(Binds::Itself, |binds| binds.0);
    let language = wire.language.value().map_or(Language::Own, |language| language.0);
    let launcher = bundled_file(&wire.launcher, context, problems);
    let default_config = bundled_file(&wire.default_config, context, problems);
    let known = common_values(wire);
    let with = |more: &[Variable]| [&known[..], more].concat();
    let app = [Variable::App, Variable::Module, Variable::Callable, Variable::Path];
    let role_values = role_values(role?);
    let command = wire.command.good().and_then(|list| templates(list, &with(role_values), problems));
    let as_root = wire.as_root.or(Vec::new(), |list| templates(list, &known, problems));
    let mut optional = |list: &Field<List<String>>, more: &[Variable]| {
        list.or(None, |list| templates(list, &with(more), problems).map(Some))
    };
    let workers = optional(&wire.workers, &[Variable::Workers]);
    let threads = optional(&wire.threads, &[Variable::Threads]);
    let config = optional(&wire.config, &[Variable::Config]);
    let wsgi = optional(&wire.wsgi, &app);
    let asgi = optional(&wire.asgi, &app);
    let native = optional(&wire.native, &[Variable::Native]);
    let hosts_something = !wire.wsgi.is_absent() || !wire.asgi.is_absent() || !wire.native.is_absent();
    if hosts_something != (role == Some(Role::Server)) {
        let message = match hosts_something {
            true => "a proxy hosts no app: it has none of `wsgi`, `asgi` and `native`",
            false => "a server must say how its app is named: at least one of `wsgi`, `asgi` and `native`",
        };
        problems.push(Diagnostic::at(at, message));
    }
    let environment = wire.environment.or(Vec::new(), |variables| {
        let known = with(&[role_values, if hosts_something { &app } else { &[] }].concat());
        let all = variables.get_ref().0.iter().filter_map(|(name, value)| Some((name, value.good()?)));
        all.map(|(name, value)| Some((name.get_ref().clone(), template(value, &known, problems)?))).collect()
    });
    let container = kind.container.or(ContainerSettings::default(), |container| {
        let container = container.get_ref();
        let command = container.command.or(None, |list| templates(list, &with(role_values), problems).map(Some));
        let scratch = container.scratch.or(Vec::new(), |list| folders(list, problems));
        let needs_image = container.needs_image.value().cloned();
        Some(ContainerSettings { command: command?, scratch: scratch?, needs_image })
    });
    let ready = kind.ready.value();
    let ready_path = ready.and_then(|ready| ready.path.value()).cloned().unwrap_or_else(|| "/".to_owned());
    let deadline_s = match ready {
        Some(ready) => {
            ready.deadline_s.or(READY_DEADLINE_S, |seconds| integer(seconds, "`deadline_s`", 1, 300, problems))
        }
        None => Some(READY_DEADLINE_S),
    };
    Some(Run {
        command: command?,
        workers: workers?,
        threads: threads?,
        config: config?,
        wsgi: wsgi?,
        asgi: asgi?,
        calls_factories: wire.calls_factories.value().copied().unwrap_or_default(),
        native: native?,
        as_root: as_root?,
        environment: environment?,
        launcher: launcher?,
        binds,
        container: container?,
        speaks: wire.speaks.value().map_or(Protocol::Http, |speaks| speaks.0),
        language,
        default_config: default_config?,
        ready_path,
        ready_deadline: Duration::from_secs(u64::from(deadline_s?)),
    })
}

/// Absolute folders of an image.
fn folders(list: &Spanned<List<String>>, problems: &mut Problems<'_>) -> Option<Vec<PathBuf>> {
    let folder = |text: &Spanned<String>| {
        let path = PathBuf::from(text.get_ref());
        if !path.is_absolute() || path == Path::new("/") {
            let message = format!("`{}` is no folder of an image", text.get_ref());
            problems.push(Diagnostic::at(text.span(), message).hint("accepted: an absolute path below `/`"));
            return None;
        }
        Some(path)
    };
    list.get_ref().0.iter().map(folder).collect()
}
