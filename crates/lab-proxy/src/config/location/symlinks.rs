//! `disable_symlinks`: whether the paths of files may have symbolic links.

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, Directive};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymlinkRules {
    /// `if_not_owner`: whether a link is allowed whose target has the same owner.
    pub allows_owner: bool,
    /// `from=`: the beginning of paths that is not checked.
    pub from: Option<Template>,
}

impl SymlinkRules {
    /// None for `off`.
    pub(crate) fn read(
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
    ) -> Result<Option<SymlinkRules>, ConfError> {
        const ACCEPTED: &str = "off, on, if_not_owner, each of the last two with from=path";
        let mut allows_owner = None;
        let mut from = None;
        for word in directive.args.iter().map(|arg| arg.value.as_str()) {
            match word {
                "off" if directive.args.len() == 1 => return Ok(None),
                "on" => allows_owner = Some(false),
                "if_not_owner" => allows_owner = Some(true),
                word => match word.strip_prefix("from=").filter(|path| !path.is_empty()) {
                    Some(path) => from = Some(reader.template(directive, path)?),
                    None => return Err(directive.invalid(word, ACCEPTED)),
                },
            }
        }
        let allows_owner = allows_owner.ok_or_else(|| directive.invalid(directive.first(), ACCEPTED))?;
        Ok(Some(SymlinkRules { allows_owner, from }))
    }
}
