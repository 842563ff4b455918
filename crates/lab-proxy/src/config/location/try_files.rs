//! `try_files`.

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive, parse_number};

#[derive(Debug)]
pub struct TryFiles {
    /// The candidates, and whether each must be a folder.
    pub files: Vec<(Template, bool)>,
    /// Used if no candidate exists.
    pub last: TryFilesFallback,
}

/// The last argument of `try_files`.
#[derive(Debug)]
pub enum TryFilesFallback {
    /// `=404`
    Status(u16),
    /// `@name`
    Named(String),
    /// A path, perhaps with arguments.
    Uri(Template),
}

impl TryFiles {
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<TryFiles, ConfError> {
        let (last, files) = directive.args.split_last().map_or(("", &[][..]), |(last, files)| (&*last.value, files));
        let files = files.iter().map(|arg| {
            let text = arg.value.strip_suffix('/');
            Ok((reader.template(directive, text.unwrap_or(&arg.value))?, text.is_some()))
        });
        let files = files.collect::<Result<_, ConfError>>()?;
        let last = match (last.strip_prefix('='), last.strip_prefix('@')) {
            (Some(code), _) => {
                let code = parse_number(code).filter(|code| matches!(code, 200..=999));
                TryFilesFallback::Status(code.ok_or_else(|| directive.invalid(last, "a status such as =404"))?)
            }
            (_, Some(name)) => TryFilesFallback::Named(name.to_owned()),
            _ => TryFilesFallback::Uri(reader.template(directive, last)?),
        };
        Ok(TryFiles { files, last })
    }
}
