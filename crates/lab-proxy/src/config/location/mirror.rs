//! `mirror` and `mirror_request_body`: copies of requests, whose responses are ignored.

use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

/// The mirrors of a location.
#[derive(Debug, Clone)]
pub struct MirrorConfig {
    /// The paths that the copies go to, each an internal one.
    pub targets: Vec<String>,
    /// `mirror_request_body`: whether the copies have the body, which is collected for that.
    pub has_body: bool,
}

/// The directives of one block.
#[derive(Debug, Clone, Default)]
pub(crate) struct MirrorLevel {
    /// Empty for `off`.
    targets: Option<Vec<String>>,
    has_body: Option<bool>,
}

impl MirrorLevel {
    pub(crate) fn read(&mut self, directive: &Directive) -> Result<(), ConfError> {
        let target = directive.first();
        match (directive.name.as_str(), &mut self.targets) {
            ("mirror_request_body", _) => self.has_body = Some(directive.flag()?),
            (_, Some(targets)) if target == "off" || targets.is_empty() => {
                let name = directive.name.clone();
                return Err(directive.error(ConfErrorKind::Duplicate { name }));
            }
            (_, targets) if target == "off" => *targets = Some(Vec::new()),
            (_, targets) => targets.get_or_insert_default().push(target.to_owned()),
        }
        Ok(())
    }

    pub(crate) fn inherit(self, outer: &MirrorLevel) -> MirrorLevel {
        MirrorLevel {
            targets: self.targets.or_else(|| outer.targets.clone()),
            has_body: self.has_body.or(outer.has_body),
        }
    }

    /// None without a mirror.
    pub(crate) fn resolve(&self) -> Option<MirrorConfig> {
        let targets = self.targets.clone().filter(|targets| !targets.is_empty())?;
        Some(MirrorConfig { targets, has_body: self.has_body.unwrap_or(true) })
    }
}
