//! `proxy_redirect`: how `Location` and `Refresh` of an upstream are put into the client's terms.

use super::super::conf::{ConfError, Directive};
use super::super::variables::{Scope, Template};

/// One replacement at the start of a URL.
#[derive(Debug, Clone)]
pub struct Redirect {
    from: Template,
    to: Template,
}

impl Redirect {
    /// Writes the URL with its start replaced, if it begins as this rule says; case matters, as in nginx.
    pub fn rewrite(&self, scope: &Scope<'_>, url: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        self.from.write(scope, out);
        let rest = url.strip_prefix(&out[start..]);
        out.truncate(start);
        let Some(rest) = rest else { return false };
        self.to.write(scope, out);
        out.extend_from_slice(rest);
        true
    }
}

/// One `proxy_redirect` as it was written.
#[derive(Debug, Clone)]
pub(super) enum RedirectRule {
    Off,
    Default,
    Pair(Redirect),
}

impl RedirectRule {
    pub(super) fn read(directive: &Directive) -> Result<RedirectRule, ConfError> {
        const ACCEPTED: &str = "off, default, or a URL and what replaces it";
        let compile = |text: &str| Template::compile(text).map_err(|kind| directive.error(kind));
        match (directive.first(), directive.arg(1)) {
            ("off" | "false", None) => Ok(RedirectRule::Off),
            ("default", None) => Ok(RedirectRule::Default),
            (from, Some(_)) if from.starts_with('~') => {
                Err(directive.unsupported(format!("the regular expression \"{from}\""), ACCEPTED))
            }
            (from, Some(to)) => Ok(RedirectRule::Pair(Redirect { from: compile(from)?, to: compile(to)? })),
            (word, None) => Err(directive.invalid(word, ACCEPTED)),
        }
    }
}

/// What the rules of a level come to for a location: nothing as soon as one is `off`, the default if there is none.
///
/// The default replaces the URL of `proxy_pass` by the path of the location. Without a URI in it, that is its origin
/// and a slash, replaced by a slash.
pub(super) fn resolve(rules: Option<&[RedirectRule]>, url: &str, has_uri: bool, location: &str) -> Vec<Redirect> {
    let default = || {
        let slash = if has_uri { "" } else { "/" };
        Redirect {
            from: Template::text(&format!("{url}{slash}")),
            to: Template::text(if has_uri { location } else { "/" }),
        }
    };
    match rules {
        None => vec![default()],
        Some(rules) if rules.iter().any(|rule| matches!(rule, RedirectRule::Off)) => Vec::new(),
        Some(rules) => rules
            .iter()
            .map(|rule| match rule {
                RedirectRule::Pair(redirect) => redirect.clone(),
                RedirectRule::Default | RedirectRule::Off => default(),
            })
            .collect(),
    }
}
