//! `error_page`.

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, parse_number};

/// One status of an `error_page`, and the page for it.
#[derive(Debug, Clone)]
pub struct ErrorPage {
    pub status: u16,
    pub response: ErrorPageStatus,
    /// A path, `@name`, or a URL that the client is redirected to.
    pub page: Template,
}

/// The status of the response that carries an error page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorPageStatus {
    /// The error's own.
    Unchanged,
    /// `=`: the page's own.
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
        const CODES: &str = "statuses from 300 to 599, except 499";
        let Some((page, codes)) = directive.args.split_last() else { return Ok(()) };
        let page = reader.template(directive, &page.value)?;
        let (response, codes) = match codes.split_last() {
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
            return Err(directive.error(ConfErrorKind::ArgumentCount { name, accepted, found }));
        }
        for code in codes {
            let status = parse_number(&code.value).filter(|code| matches!(code, 300..=599) && *code != 499);
            let status = status.ok_or_else(|| directive.invalid(&code.value, CODES))?;
            // as in nginx: clients do not see the codes that only nginx has
            let response = match (response, status) {
                (ErrorPageStatus::Unchanged, 494..=497) => ErrorPageStatus::Fixed(400),
                (response, _) => response,
            };
            list.push(ErrorPage { status, response, page: page.clone() });
        }
        Ok(())
    }
}
