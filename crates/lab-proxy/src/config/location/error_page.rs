//! `error_page`.

use crate::config::reader::ConfigReader;
use crate::eval::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, parse_number};

/// One status of an `error_page`.
#[derive(Debug, Clone)]
pub struct ErrorPage {
    /// The status it stands for.
    pub status: u16,
    /// The status the client is told.
    pub answered: ErrorPageStatus,
    /// Where the page is: a path, `@name`, or a URL the client is sent to.
    pub page: Template,
}

/// With which status an error page is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorPageStatus {
    /// With the error's own.
    Unchanged,
    /// `=`: with whatever the page has.
    FromPage,
    /// `=200`
    Fixed(u16),
}

impl ErrorPage {
    pub(crate) fn read(
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
        list: &mut Vec<ErrorPage>,
    ) -> Result<(), ConfError> {
        const CODES: &str = "statuses between 300 and 599 but 499";
        let Some((page, codes)) = directive.args.split_last() else { return Ok(()) };
        let page = reader.template(directive, &page.value)?;
        let (answered, codes) = match codes.split_last() {
            Some((last, codes)) if last.value.starts_with('=') => match &last.value[1..] {
                "" => (ErrorPageStatus::FromPage, codes),
                code => {
                    let code = parse_number(code).filter(|code| matches!(code, 200..=999));
                    let code = code.ok_or_else(|| directive.invalid(&last.value, "= or a status such as =200"))?;
                    (ErrorPageStatus::Fixed(code), codes)
                }
            },
            _ => (ErrorPageStatus::Unchanged, codes),
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
                (ErrorPageStatus::Unchanged, 494..=497) => ErrorPageStatus::Fixed(400),
                (answered, _) => answered,
            };
            list.push(ErrorPage { status, answered, page: page.clone() });
        }
        Ok(())
    }
}
