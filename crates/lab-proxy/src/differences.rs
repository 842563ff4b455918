//! The intended differences between the proxy and nginx. Documentation is generated from this table.
//!
//! [`lab_nginx_conf::compatibility()`] lists the directives that are refused or have no effect.

mod cache;
mod configuration;
mod http2;
mod messages;
mod process;
mod tls;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    pub topic: &'static str,
    pub nginx: &'static str,
    pub lab: &'static str,
    pub why: &'static str,
}

const fn row(topic: &'static str, nginx: &'static str, lab: &'static str, why: &'static str) -> Difference {
    Difference { topic, nginx, lab, why }
}

/// All differences. The behaviour of nginx was observed with nginx 1.22.
pub fn differences() -> impl Iterator<Item = &'static Difference> {
    [messages::ROWS, configuration::ROWS, cache::ROWS, http2::ROWS, tls::ROWS, process::ROWS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sentences() {
        for row in differences() {
            assert!(!row.topic.ends_with('.'), "{}", row.topic);
            assert!([row.nginx, row.lab, row.why].iter().all(|text| text.ends_with('.')), "{}", row.topic);
        }
    }
}
