//! Rewrites a URL in `Location` or `Refresh` by `proxy_redirect`.

use crate::config::proxy::redirect::{Redirect, UrlMatch};
use crate::eval::Scope;

impl Redirect {
    /// Appends the rewritten URL, if the rule matches.
    pub fn rewrite(&self, scope: &Scope<'_>, url: &[u8], out: &mut Vec<u8>) -> bool {
        match &self.from {
            UrlMatch::Start(from) => {
                let start = out.len();
                from.write(scope, out);
                let rest = url.strip_prefix(&out[start..]);
                out.truncate(start);
                let Some(rest) = rest else { return false };
                self.to.write(scope, out);
                out.extend_from_slice(rest);
                true
            }
            UrlMatch::Pattern(pattern) => {
                let is_match = pattern.matches(url, &scope.route.values);
                if is_match {
                    self.to.write(scope, out);
                }
                is_match
            }
        }
    }
}
