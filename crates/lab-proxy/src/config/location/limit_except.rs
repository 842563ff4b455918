//! `limit_except`: another configuration for some methods.

use super::Location;
use lab_nginx_conf::{ConfError, Directive};

/// `limit_except`
#[derive(Debug)]
pub struct LimitExcept {
    methods: Vec<String>,
    /// The location of requests with another method.
    pub location: Box<Location>,
}

impl LimitExcept {
    pub(super) fn read(directive: &Directive, location: Location) -> Result<LimitExcept, ConfError> {
        const METHODS: [&str; 15] = [
            "GET",
            "HEAD",
            "POST",
            "PUT",
            "DELETE",
            "MKCOL",
            "COPY",
            "MOVE",
            "OPTIONS",
            "PROPFIND",
            "PROPPATCH",
            "LOCK",
            "UNLOCK",
            "PATCH",
            "TRACE",
        ];
        let mut methods = Vec::new();
        for arg in &directive.args {
            let method = arg.value.to_ascii_uppercase();
            if !METHODS.contains(&method.as_str()) {
                return Err(directive.invalid(&arg.value, "methods such as GET, POST, PUT, DELETE"));
            }
            methods.push(method);
        }
        // as in nginx: GET allows HEAD too
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        Ok(LimitExcept { methods, location: Box::new(location) })
    }

    /// Whether the location itself is for this method.
    #[must_use]
    pub fn allows(&self, method: &[u8]) -> bool {
        self.methods.iter().any(|own| own.as_bytes() == method)
    }
}
