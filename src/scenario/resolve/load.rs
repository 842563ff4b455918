//! Resolves `[[load]]`.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::Spanned;

use super::super::model::{Load, OnErrors};
use super::super::wire;
use super::context::ResolveContext;
use super::rounds::MOST_BLOCKS;
use super::stack_names::is_known_stack;
use super::values::{Unique, origin_form, slug, whole};
use super::{cross_validation, driver, protocol};
use crate::document::diagnostic::{Diagnostic, Problems};
use crate::document::read::List;

/// Long enough for any page, short enough to notice a hang.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The loads in the file's order.
pub(super) fn loads(
    wire: &List<wire::Load>,
    stacks: Option<&[&str]>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Load>> {
    let mut names = Unique::new("load");
    let resolved: Vec<_> = wire
        .0
        .iter()
        .map(|wire| {
            if let Some(name) = wire.get_ref().name.good() {
                names.add(name, problems);
            }
            load(wire.get_ref(), stacks, context, problems)
        })
        .collect();
    let loads: Vec<Load> = resolved.into_iter().collect::<Option<_>>()?;
    cross_validation::check_drivers(wire, &loads, problems).then_some(loads)
}

fn load(
    wire: &wire::Load,
    stacks: Option<&[&str]>,
    context: &ResolveContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Load> {
    let name = wire.name.good().and_then(|name| slug(name, problems));
    let path = wire.path.or("/".to_owned(), |path| origin_form(path, "`path`", problems));
    let timeout = wire.timeout.or(DEFAULT_TIMEOUT, |time| {
        let timeout = time.get_ref().0;
        if timeout.is_zero() {
            let message = "`timeout` cannot be zero: no request would ever be answered in time";
            problems.push(Diagnostic::at(time.span(), message));
            return None;
        }
        Some(timeout)
    });
    let tls = wire.tls.or(None, |tls| protocol::tls(tls, &wire.driver, context, problems).map(Some));
    let http = protocol::http(wire, problems);
    let (driver, duration) = driver::driver(wire, problems)?;
    let errors = wire.errors.or(OnErrors::Fail, |word| Some(word.get_ref().0))?;
    let stacks = wire.stacks.or(None, |names| stack_list(names, stacks, problems).map(Some));
    let blocks = wire
        .rounds
        .or(None, |most| whole(most, "`rounds`", 1..=MOST_BLOCKS, problems).and_then(NonZeroU32::new).map(Some));
    let validates = wire.validates.or(None, |name| Some(Some(name.get_ref().clone())));
    let (name, path, timeout) = (name?, path?, timeout?);
    let (tls, http, validates, stacks, blocks) = (tls?, http?, validates?, stacks?, blocks?);
    Some(Load { name, driver, path, tls, http, duration, timeout, errors, validates, stacks, blocks })
}

/// The stacks that a load names. If `known` is `None`, every name is accepted.
fn stack_list(
    names: &Spanned<List<String>>,
    known: Option<&[&str]>,
    problems: &mut Problems<'_>,
) -> Option<Vec<String>> {
    let listed = &names.get_ref().0;
    if listed.is_empty() {
        let message = "`stacks` is empty: the load would drive nothing";
        problems.push(Diagnostic::at(names.span(), message).hint("leave `stacks` out to drive every stack"));
        return None;
    }
    let mut all_known = true;
    for name in listed {
        all_known &= known.is_none_or(|known| is_known_stack(name, known, problems));
    }
    all_known.then(|| listed.iter().map(|name| name.get_ref().clone()).collect())
}
