//! Writes the load, or why there is none.

use std::fmt::Write as _;

use super::super::nginx::Nginx;
use super::quoted;
use super::site::Site;

/// The gate of a scenario without loads.
const FACTS_ALONE: &str =
    "\n# Facts alone are gated: what the checks saw, compared with the committed snapshot.\n[gate]\n";

/// Why a load would measure something else than the application; `None` if it would not.
pub(super) fn refusal(site: &Site<'_>) -> Option<String> {
    if let Some((nginx, line)) = limit(site) {
        return Some(format!(
            "{}:{line} limits the requests of one client, which a load driver is",
            nginx.file.display()
        ));
    }
    (!site.is_open()).then(|| "no page is known that everybody may see".to_owned())
}

/// The line that limits the requests of a client for the page.
fn limit<'d>(site: &Site<'d>) -> Option<(&'d Nginx, usize)> {
    let nginx = site.nginx?;
    Some((nginx, nginx.limit_of(&site.page)?))
}

pub(super) fn write(text: &mut String, site: &Site<'_>) {
    text.push_str("# --- How fast is it?\n\n");
    if let Some((nginx, line)) = limit(site) {
        let _ = write!(
            text,
            "# {}:{line} limits the requests of one client, and a load driver is one: it would measure the limit. Without it,\n\
             # in a copy of that file, a load is\n#\n\
             #     [[load]]\n#     name        = \"page\"\n#     driver      = \"closed\"\n#     connections = 4\n#     path        = {}\n#     duration    = \"5s\"\n",
            nginx.file.display(),
            quoted(&site.page)
        );
        text.push_str(FACTS_ALONE);
        return;
    }
    if !site.is_open() {
        let load = load(site);
        let lines = load.lines().map(|line| format!("#     {line}").trim_end().to_owned() + "\n");
        let _ = write!(
            text,
            "# No page is known that everybody may see: a load would measure errors. With the path of one, it is\n#\n{}",
            lines.collect::<String>()
        );
        text.push_str(FACTS_ALONE);
        return;
    }
    text.push_str(&load(site));
    text.push_str(
        "\n[rounds]\ncount  = 8\nwarmup = \"1s\"\n\n\
         [quick]                                     # lab run --quick\nrounds   = 1\nduration = \"2s\"\n\n\
         [gate]                                      # what lab run --gate fails for, beside changed facts\n\
         margins = { cpu_per_request = \"15%\", throughput = \"15%\" }\n",
    );
}

/// A closed loop on the page. Only the requests of journeys can have another host without TLS.
fn load(site: &Site<'_>) -> String {
    let page = quoted(&site.page);
    let closed = |tls: &str| {
        format!(
            "[[load]]\nname        = \"page\"\n\
             driver      = \"closed\"                      # a fixed number of clients, one request at a time each\n\
             connections = 4\npath        = {page}\n{tls}duration    = \"5s\"\n"
        )
    };
    match (site.is_tls, site.name) {
        (true, Some(name)) => closed(&format!("tls         = {{ insecure = true, server_name = {} }}\n", quoted(name))),
        (true, None) => closed("tls         = { insecure = true }\n"),
        (false, None) => closed(""),
        (false, Some(name)) => format!(
            "[[load]]\nname     = \"page\"\n\
             driver   = \"goose\"                          # a fixed number of users, one request at a time each\n\
             users    = 4\nduration = \"5s\"\n\n[[load.step]]\nname    = \"page\"\npath    = {page}\nheaders = [[\"Host\", {}]]\n",
            quoted(name)
        ),
    }
}
