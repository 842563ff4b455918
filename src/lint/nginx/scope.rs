//! A block of a configuration, and the directives that it inherits from the blocks around it.

use crate::lint::finding::{Finding, SourceLocation};
use crate::lint::rule::Rule;
use lab_nginx_conf::{Arg, Directive, walk};
use lab_proxy::config::nginx_version::NginxVersion;

/// A block and its enclosing blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    /// The directive that opens the block; `None` for the top level of the file.
    pub(super) opener: Option<&'a Directive>,
    directives: &'a [Directive],
    parent: Option<&'a Block<'a>>,
    /// The version of nginx that reads the file; `None` for any.
    pub(super) version: Option<NginxVersion>,
}

impl<'a> Block<'a> {
    /// The top level of a file.
    pub(super) fn top_level(directives: &'a [Directive]) -> Block<'a> {
        Block::of_version(directives, None)
    }

    /// The top level of a file that this version of nginx reads.
    pub(super) fn of_version(directives: &'a [Directive], version: Option<NginxVersion>) -> Block<'a> {
        Block { opener: None, directives, parent: None, version }
    }

    /// Whether connections to upstreams are known to be kept by default.
    pub(super) fn keeps_upstream_connections(&self) -> bool {
        self.version.is_some_and(NginxVersion::keeps_upstream_connections)
    }

    pub(super) fn children(&'a self) -> impl Iterator<Item = Block<'a>> {
        self.directives.iter().filter_map(|directive| {
            let directives = directive.block.as_deref()?;
            Some(Block { opener: Some(directive), directives, parent: Some(self), version: self.version })
        })
    }

    /// `location`, `server`, …; empty at the top level.
    pub(super) fn kind(&self) -> &'a str {
        self.opener.map_or("", |opener| opener.name.as_str())
    }

    /// The directives of this name in the block itself.
    pub(super) fn named(&self, name: &'a str) -> impl Iterator<Item = &'a Directive> + use<'a> {
        self.directives.iter().filter(move |directive| directive.name == name)
    }

    /// The directives of the block itself.
    pub(super) fn directives(&self) -> impl Iterator<Item = &'a Directive> + use<'a> {
        self.directives.iter()
    }

    /// The directives of this name that apply here: those of the nearest block that has any.
    pub(super) fn effective(&self, name: &'a str) -> Vec<&'a Directive> {
        let own: Vec<_> = self.named(name).collect();
        match self.parent {
            Some(parent) if own.is_empty() => parent.effective(name),
            _ => own,
        }
    }

    /// The first argument of the last directive of this name that applies here.
    pub(super) fn effective_value(&self, name: &'a str) -> Option<&'a str> {
        self.effective(name).last().and_then(|directive| directive.arg(0))
    }

    pub(super) fn parent(&self) -> Option<&'a Block<'a>> {
        self.parent
    }

    /// Whether this is a location to which nginx itself sends requests, whose responses no client gets.
    pub(super) fn is_for_subrequests(&self) -> bool {
        let Some(path) = self.opener.filter(|opener| opener.name == "location").and_then(|opener| opener.args.last())
        else {
            return false;
        };
        let names_it = |directive: &Directive| {
            ["auth_request", "mirror"].contains(&directive.name.as_str())
                && directive.arg(0) == Some(path.value.as_str())
        };
        walk(self.server_directives()).any(names_it)
    }

    /// The directives of the server that this block is in, or those of the file.
    fn server_directives(&self) -> &'a [Directive] {
        match self.parent {
            Some(parent) if self.kind() != "server" => parent.server_directives(),
            _ => self.directives,
        }
    }

    /// Whether only programs of this machine reach the server.
    pub(super) fn listens_on_loopback(&self) -> bool {
        if self.kind() != "server" {
            return self.parent.is_some_and(Block::listens_on_loopback);
        }
        let is_local = |listen: &Directive| {
            listen.arg(0).is_some_and(|address| {
                ["127.", "localhost", "[::1]", "unix:"].iter().any(|own| address.starts_with(own))
            })
        };
        self.named("listen").next().is_some() && self.named("listen").all(is_local)
    }

    /// Whether the server speaks TLS, to some of its clients at least.
    pub(super) fn speaks_tls(&self) -> bool {
        if self.kind() != "server" {
            return self.parent.is_some_and(Block::speaks_tls);
        }
        let is_tls =
            |listen: &Directive| listen.args.iter().skip(1).any(|arg| ["ssl", "quic"].contains(&arg.value.as_str()));
        self.named("listen").any(is_tls) || self.effective_value("ssl") == Some("on")
    }

    /// The `upstream` that a `proxy_pass` names.
    pub(super) fn upstream_of(&self, pass: &Directive) -> Option<&'a Directive> {
        let (_, target) = pass.arg(0)?.split_once("://")?;
        self.upstream(target.split('/').next()?)
    }

    /// The `upstream` of this name.
    fn upstream(&self, name: &str) -> Option<&'a Directive> {
        let own = self.named("upstream").find(|upstream| upstream.arg(0) == Some(name));
        own.or_else(|| self.parent?.upstream(name))
    }

    /// The `proxy_pass` of the block itself.
    pub(super) fn proxy_pass(&self) -> Option<&'a Directive> {
        self.named("proxy_pass").next()
    }

    /// The `proxy_set_header` that applies to a field.
    pub(super) fn set_header(&self, field: &str) -> Option<&'a Directive> {
        let settings = self.effective("proxy_set_header");
        settings.into_iter().rfind(|directive| directive.arg(0).is_some_and(|name| name.eq_ignore_ascii_case(field)))
    }
}

pub(super) fn directive_location(directive: &Directive) -> SourceLocation {
    SourceLocation { file: directive.file.to_path_buf(), line: directive.line, span: directive.span.clone() }
}

/// The location of an argument. The line is the directive's first.
pub(super) fn argument_location(directive: &Directive, arg: &Arg) -> SourceLocation {
    SourceLocation { span: arg.span.clone(), ..directive_location(directive) }
}

pub(super) fn directive_finding(
    rule: &Rule,
    directive: &Directive,
    message: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding::new(rule, directive_location(directive), message, fix)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use lab_nginx_conf::parse;

    #[test]
    fn lists_are_inherited_as_a_whole() {
        let text = "proxy_set_header A 1; server { location /a { x; } location /b { proxy_set_header B 2; } }";
        let tree = parse(text, Path::new("nginx.conf")).unwrap();
        let main = Block::top_level(&tree);
        let server = main.children().next().unwrap();
        let locations: Vec<_> = server.children().collect();
        assert!(locations[0].set_header("a").is_some());
        assert!(locations[1].set_header("a").is_none() && locations[1].set_header("b").is_some());
    }
}
