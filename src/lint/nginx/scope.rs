//! One block of a configuration with the blocks around it, and what nginx inherits from those.

use crate::lint::finding::{Finding, Place};
use crate::lint::rule::Rule;
use lab_nginx_conf::{Arg, Directive};

/// A block, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// The directive that opens it; `None` outside of all blocks.
    pub(super) opener: Option<&'a Directive>,
    directives: &'a [Directive],
    around: Option<&'a Block<'a>>,
}

impl<'a> Block<'a> {
    /// What stands outside of all blocks.
    pub(super) fn outermost(directives: &'a [Directive]) -> Block<'a> {
        Block { opener: None, directives, around: None }
    }

    /// The blocks that stand in this one.
    pub(super) fn inner(&'a self) -> impl Iterator<Item = Block<'a>> {
        self.directives.iter().filter_map(|directive| {
            let directives = directive.block.as_deref()?;
            Some(Block { opener: Some(directive), directives, around: Some(self) })
        })
    }

    /// What opens it: `location`, `server`, …; empty outside of all blocks.
    pub(super) fn kind(&self) -> &'a str {
        self.opener.map_or("", |opener| opener.name.as_str())
    }

    /// The directives of that name in this very block.
    pub(super) fn own(&self, name: &'a str) -> impl Iterator<Item = &'a Directive> + use<'a> {
        self.directives.iter().filter(move |directive| directive.name == name)
    }

    /// All directives of this very block.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Directive> + use<'a> {
        self.directives.iter()
    }

    /// The directives of that name that hold here: those of the nearest block that has any.
    pub(super) fn effective(&self, name: &'a str) -> Vec<&'a Directive> {
        let own: Vec<_> = self.own(name).collect();
        match self.around {
            Some(around) if own.is_empty() => around.effective(name),
            _ => own,
        }
    }

    /// The first argument of the last directive of that name that holds here.
    pub(super) fn value(&self, name: &'a str) -> Option<&'a str> {
        self.effective(name).last().and_then(|directive| directive.arg(0))
    }

    /// The block around it, unless it is the outermost.
    pub(super) fn around(&self) -> Option<&'a Block<'a>> {
        self.around
    }

    /// The block that an `upstream` of that name opens.
    pub(super) fn upstream(&self, name: &str) -> Option<&'a [Directive]> {
        let here = self.own("upstream").find(|upstream| upstream.arg(0) == Some(name));
        match here {
            Some(upstream) => upstream.block.as_deref(),
            None => self.around?.upstream(name),
        }
    }

    /// The `proxy_pass` of this very block.
    pub(super) fn pass(&self) -> Option<&'a Directive> {
        self.own("proxy_pass").next()
    }

    /// What is told to the upstream in the field of that name; `None` if the configuration says nothing of it.
    pub(super) fn sent(&self, field: &str) -> Option<&'a Directive> {
        let settings = self.effective("proxy_set_header");
        settings.into_iter().rfind(|directive| directive.arg(0).is_some_and(|name| name.eq_ignore_ascii_case(field)))
    }
}

/// The place of a directive's first line.
pub(super) fn place(directive: &Directive) -> Place {
    Place { file: directive.file.to_path_buf(), line: directive.line, span: directive.span.clone() }
}

/// The place of one argument of a directive. The line is the directive's own, where it starts.
pub(super) fn argument(directive: &Directive, arg: &Arg) -> Place {
    Place { span: arg.span.clone(), ..place(directive) }
}

/// A finding at a directive.
pub(super) fn at(rule: &Rule, directive: &Directive, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding::new(rule, place(directive), message, fix)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use lab_nginx_conf::parse;

    #[test]
    fn lists_are_inherited_whole_or_not_at_all() {
        let text = "proxy_set_header A 1; server { location /a { x; } location /b { proxy_set_header B 2; } }";
        let tree = parse(text, Path::new("nginx.conf")).unwrap();
        let main = Block::outermost(&tree);
        let server = main.inner().next().unwrap();
        let locations: Vec<_> = server.inner().collect();
        assert!(locations[0].sent("a").is_some());
        assert!(locations[1].sent("a").is_none() && locations[1].sent("b").is_some());
    }
}
