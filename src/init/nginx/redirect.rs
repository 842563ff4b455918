//! Redirects of a server.

use lab_nginx_conf::Directive;

/// A redirect of every request, or of those to one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    pub line: usize,
    pub status: u16,
    /// With variables.
    pub target: String,
    pub host: Option<String>,
    /// Whether it concerns requests without TLS only.
    pub is_of_plain: bool,
}

/// The redirects of a `server` block: those under conditions, then that of all requests, which is the `return` outside them.
pub(super) fn redirects(server: &[Directive], unconditional: Option<&Directive>) -> Vec<Redirect> {
    let of_some = server.iter().filter(|directive| directive.name == "if").filter_map(conditional_redirect);
    of_some.chain(unconditional.and_then(|returned| redirect(returned, &[]))).collect()
}

/// The redirect of an `if` that compares the host or the scheme, as certbot writes it.
fn conditional_redirect(condition: &Directive) -> Option<Redirect> {
    let words: Vec<&str> = condition.args.iter().map(|arg| arg.value.trim_matches(['(', ')'])).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let returned = condition.children().iter().find(|directive| directive.name == "return")?;
    redirect(returned, &words)
}

/// The redirect of a `return` under a condition.
fn redirect(returned: &Directive, condition: &[&str]) -> Option<Redirect> {
    let (host, is_of_plain) = match condition {
        [] => (None, false),
        ["$host" | "$http_host", "=", host] => (Some((*host).to_owned()), false),
        ["$scheme", "=", "http"] | ["$scheme", "!=", "https"] | ["$server_port", "=", "80"] => (None, true),
        _ => return None,
    };
    let status = returned.arg(0)?.parse().ok()?;
    let is_redirect = [301, 302, 303, 307, 308].contains(&status);
    let target = returned.arg(1).filter(|_| is_redirect)?.to_owned();
    Some(Redirect { line: returned.line, status, target, host, is_of_plain })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn conditions_of_redirects_are_read() {
        let text = "\
if ($host = www.example.org) { return 301 https://$host$request_uri; } # managed by Certbot
if ( $scheme != \"https\" ) { return 302 https://$host$request_uri; }
if ($host ~ old) { return 301 https://example.org; }
if ($host = gone.example.org) { return 410; }
return 404; # managed by Certbot
";
        let tree = lab_nginx_conf::parse(text, Path::new("site.conf")).unwrap();
        let found = redirects(&tree, tree.last());
        let found: Vec<_> = found.iter().map(|one| (one.line, one.host.as_deref(), one.is_of_plain)).collect();
        assert_eq!(found, [(1, Some("www.example.org"), false), (2, None, true)]);
    }
}
