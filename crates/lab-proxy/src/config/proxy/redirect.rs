//! `proxy_redirect`: how `Location` and `Refresh` of an upstream are rewritten.

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use crate::variables::pattern::Pattern;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// One replacement of a URL, or of its start.
#[derive(Debug, Clone)]
pub struct Redirect {
    pub(crate) from: UrlMatch,
    pub(crate) to: Template,
}

#[derive(Debug, Clone)]
pub(crate) enum UrlMatch {
    /// The start of the URL. As in nginx, case matters.
    Start(Template),
    /// The whole URL.
    Pattern(Pattern),
}

/// One `proxy_redirect` directive.
#[derive(Debug, Clone)]
pub(crate) enum RedirectRule {
    Off,
    Default,
    Pair(Redirect),
}

impl RedirectRule {
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<RedirectRule, ConfError> {
        const ACCEPTED: &str = "off, default, or a URL or ~REGEX and what replaces it";
        let (first, Some(to)) = (directive.first(), directive.arg(1)) else {
            return match directive.first() {
                "off" | "false" => Ok(RedirectRule::Off),
                "default" => Ok(RedirectRule::Default),
                word => Err(directive.invalid(word, ACCEPTED)),
            };
        };
        let from = match first.strip_prefix('~') {
            Some(pattern) => match pattern.strip_prefix('*') {
                Some(pattern) => UrlMatch::Pattern(reader.pattern(directive, pattern, true)?),
                None => UrlMatch::Pattern(reader.pattern(directive, pattern, false)?),
            },
            None => UrlMatch::Start(reader.template(directive, first)?),
        };
        Ok(RedirectRule::Pair(Redirect { from, to: reader.template(directive, to)? }))
    }
}

/// The rules of a location: none if one is `off`, the default if there are none.
///
/// The default replaces the URL of `proxy_pass` by the path of the location. A URL without a URI part is replaced up to
/// its slash, by a slash. A URL with variables has no default.
pub(crate) fn resolve(
    directive: &Directive,
    rules: Option<&[RedirectRule]>,
    has_uri: bool,
    location: &str,
) -> Result<Vec<Redirect>, ConfError> {
    let url = directive.first();
    let has_variables = url.contains('$');
    let default = || {
        let slash = if has_uri { "" } else { "/" };
        Redirect {
            from: UrlMatch::Start(Template::text(&format!("{url}{slash}"))),
            to: Template::text(if has_uri { location } else { "/" }),
        }
    };
    Ok(match rules {
        None if has_variables => Vec::new(),
        None => vec![default()],
        Some(rules) if rules.iter().any(|rule| matches!(rule, RedirectRule::Off)) => Vec::new(),
        Some(rules) if has_variables && rules.iter().any(|rule| matches!(rule, RedirectRule::Default)) => {
            let message = "\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with variables";
            return Err(directive.error(ConfErrorKind::Conflict(message.to_owned())));
        }
        Some(rules) => rules
            .iter()
            .map(|rule| match rule {
                RedirectRule::Pair(redirect) => redirect.clone(),
                RedirectRule::Default | RedirectRule::Off => default(),
            })
            .collect(),
    })
}
