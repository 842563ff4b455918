//! How a location answers by itself: `index`, `try_files`, `types`, `error_page`, `add_header`.

use std::collections::HashMap;

use lab_http::Headers;

use super::fields::NameSet;
use super::reading::Reading;
use crate::eval::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, parse_number};

/// One argument of `index`.
#[derive(Debug, Clone)]
pub struct Index {
    /// The file's name; with variables perhaps.
    pub name: Template,
    /// Whether it begins with a slash: a path that is redirected to without a look at files.
    pub is_absolute: bool,
}

impl Index {
    /// What is looked for where no `index` says so.
    pub(super) fn default_list() -> Vec<Index> {
        vec![Index { name: Template::text("index.html"), is_absolute: false }]
    }

    pub(super) fn read(
        directive: &Directive,
        reading: &mut Reading<'_>,
        list: &mut Vec<Index>,
    ) -> Result<(), ConfError> {
        for arg in &directive.args {
            if arg.value.is_empty() {
                return Err(directive.invalid("", "the name of a file"));
            }
            let name = reading.template(directive, &arg.value)?;
            list.push(Index { name, is_absolute: arg.value.starts_with('/') });
        }
        Ok(())
    }
}

/// `try_files`
#[derive(Debug)]
pub struct TryFiles {
    /// What is looked for, and whether it has to be a folder.
    pub files: Vec<(Template, bool)>,
    /// What happens if nothing of it is there.
    pub last: LastResort,
}

/// The last argument of `try_files`.
#[derive(Debug)]
pub enum LastResort {
    /// `=404`
    Status(u16),
    /// `@name`
    Named(String),
    /// A path, with arguments perhaps.
    Uri(Template),
}

impl TryFiles {
    pub(super) fn read(directive: &Directive, reading: &mut Reading<'_>) -> Result<TryFiles, ConfError> {
        let (last, files) = directive.args.split_last().map_or(("", &[][..]), |(last, files)| (&*last.value, files));
        let files = files.iter().map(|arg| {
            let text = arg.value.strip_suffix('/');
            Ok((reading.template(directive, text.unwrap_or(&arg.value))?, text.is_some()))
        });
        let files = files.collect::<Result<_, ConfError>>()?;
        let last = match (last.strip_prefix('='), last.strip_prefix('@')) {
            (Some(code), _) => {
                let code = parse_number(code).filter(|code| matches!(code, 200..=999));
                LastResort::Status(code.ok_or_else(|| directive.invalid(last, "a status such as =404"))?)
            }
            (_, Some(name)) => LastResort::Named(name.to_owned()),
            _ => LastResort::Uri(reading.template(directive, last)?),
        };
        Ok(TryFiles { files, last })
    }
}

/// `types`: media types by the extensions of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Types {
    by_extension: HashMap<Vec<u8>, String>,
}

impl Default for Types {
    /// What nginx knows without any `types`.
    fn default() -> Types {
        let known = [("html", "text/html"), ("gif", "image/gif"), ("jpg", "image/jpeg")];
        let by_extension = known.map(|(extension, media_type)| (extension.as_bytes().to_vec(), media_type.to_owned()));
        Types { by_extension: by_extension.into() }
    }
}

impl Types {
    pub(super) fn read(directive: &Directive) -> Types {
        let mut by_extension = HashMap::new();
        for entry in directive.block.iter().flatten() {
            for arg in &entry.args {
                by_extension.insert(arg.value.to_ascii_lowercase().into_bytes(), entry.name.clone());
            }
        }
        Types { by_extension }
    }

    /// The type of an extension, whatever its case.
    #[must_use]
    pub fn find(&self, extension: &[u8]) -> Option<&str> {
        self.by_extension.get(&extension.to_ascii_lowercase()).map(String::as_str)
    }
}

/// One status of an `error_page`.
#[derive(Debug, Clone)]
pub struct ErrorPage {
    /// The status it stands for.
    pub status: u16,
    /// The status the client is told.
    pub answered: Answered,
    /// Where the page is: a path, `@name`, or a URL the client is sent to.
    pub page: Template,
}

/// With which status an error page is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// With the error's own.
    Same,
    /// `=`: with whatever the page has.
    OfPage,
    /// `=200`
    With(u16),
}

impl ErrorPage {
    pub(super) fn read(
        directive: &Directive,
        reading: &mut Reading<'_>,
        list: &mut Vec<ErrorPage>,
    ) -> Result<(), ConfError> {
        const CODES: &str = "statuses between 300 and 599 but 499";
        let Some((page, codes)) = directive.args.split_last() else { return Ok(()) };
        let page = reading.template(directive, &page.value)?;
        let (answered, codes) = match codes.split_last() {
            Some((last, codes)) if last.value.starts_with('=') => match &last.value[1..] {
                "" => (Answered::OfPage, codes),
                code => {
                    let code = parse_number(code).filter(|code| matches!(code, 200..=999));
                    let code = code.ok_or_else(|| directive.invalid(&last.value, "= or a status such as =200"))?;
                    (Answered::With(code), codes)
                }
            },
            _ => (Answered::Same, codes),
        };
        if codes.is_empty() {
            let (name, accepted, found) = (directive.name.clone(), "a status before \"=\"".to_owned(), 0);
            return Err(directive.error(ConfErrorKind::Arguments { name, accepted, found }));
        }
        for code in codes {
            let status = parse_number(&code.value).filter(|code| matches!(code, 300..=599) && *code != 499);
            let status = status.ok_or_else(|| directive.invalid(&code.value, CODES))?;
            // as nginx: codes of its own are told to nobody
            let answered = match (answered, status) {
                (Answered::Same, 494..=497) => Answered::With(400),
                (answered, _) => answered,
            };
            list.push(ErrorPage { status, answered, page: page.clone() });
        }
        Ok(())
    }
}

/// The `add_header` lines of a block.
#[derive(Debug, Clone, Default)]
pub struct AddedFields {
    /// The lines, in file order.
    pub lines: Vec<AddedField>,
    /// The names of which an answer has none but what is added: as in nginx, `Last-Modified` and `ETag`.
    pub replaced: NameSet,
}

/// One `add_header`.
#[derive(Debug, Clone)]
pub struct AddedField {
    /// The field's name.
    pub name: String,
    /// Its value; a line without one is not added.
    pub value: Template,
    /// `always`: whatever the status.
    pub is_always: bool,
}

impl AddedFields {
    pub(super) fn read(&mut self, directive: &Directive, reading: &mut Reading<'_>) -> Result<(), ConfError> {
        let (name, value) = (directive.first(), directive.arg(1).unwrap_or_default());
        const FRAMING: [&str; 3] = ["Content-Length", "Transfer-Encoding", "Connection"];
        if FRAMING.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            let accepted = "any field but those that delimit the answer";
            return Err(directive.unsupported(format!("\"{name}\""), accepted));
        }
        if !Headers::is_clean(name.as_bytes(), b"") {
            return Err(directive.invalid(name, "the name of a field"));
        }
        if !Headers::is_clean(name.as_bytes(), value.as_bytes()) {
            return Err(directive.invalid(&value.escape_debug().to_string(), "a value without control characters"));
        }
        let is_always = match directive.arg(2) {
            None => false,
            Some("always") => true,
            Some(other) => return Err(directive.invalid(other, "always")),
        };
        if ["Last-Modified", "ETag"].iter().any(|own| own.eq_ignore_ascii_case(name)) {
            self.replaced.insert(name);
        }
        self.lines.push(AddedField { name: name.to_owned(), value: reading.template(directive, value)?, is_always });
        Ok(())
    }

    /// The lines for an answer with this status.
    pub fn of_status(&self, status: u16) -> impl Iterator<Item = &AddedField> {
        let is_usual = matches!(status, 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308);
        self.lines.iter().filter(move |line| is_usual || line.is_always)
    }
}
