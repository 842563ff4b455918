//! Renders a page as one HTML file without references to others: it opens from a disk, and reads nothing from a network.
//!
//! Templates escape every value. Charts and the details of checks are JSON that the page's script reads; the policy in the
//! page's head allows its own scripts, by their digests, and no others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use sha2::{Digest as _, Sha256};

use crate::record::Record;
use crate::report::view::page::Page;

const TEMPLATES: [(&str, &str); 6] = [
    ("progress.html", include_str!("page/progress.html")),
    ("page.html", include_str!("page/page.html")),
    ("macros.html", include_str!("page/macros.html")),
    ("verdict.html", include_str!("page/verdict.html")),
    ("checks.html", include_str!("page/checks.html")),
    ("trust.html", include_str!("page/trust.html")),
];
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str =
    concat!(include_str!("page/tables.js"), include_str!("page/charts.js"), include_str!("page/page.js"));
const LIVE_SCRIPT: &str = concat!(
    include_str!("page/tables.js"),
    include_str!("page/charts.js"),
    include_str!("page/page.js"),
    include_str!("page/live.js")
);
/// Observable Plot: see `assets/README.md`.
const LIBRARY: &str = include_str!("../../../assets/plot/plot.min.js");

/// A page that cannot be rendered: a template does not fit its view.
#[derive(Debug, thiserror::Error)]
#[error("render the page")]
pub enum PageError {
    Template(#[from] minijinja::Error),
    Data(#[from] serde_json::Error),
}

/// The page of one run, or of several side by side.
///
/// # Errors
/// [`PageError`].
pub fn render(records: &[Record]) -> Result<String, PageError> {
    render_page(&Page::new(records), [LIBRARY, SCRIPT])
}

/// The page of a run that goes on, with its interim record once it has one. Its script reads the events of the run from `/events` of
/// the server that serves it, and the page with newer records from `/update`.
///
/// # Errors
/// [`PageError`].
pub fn render_live(title: &str, record: Option<&Record>) -> Result<String, PageError> {
    render_page(&Page::live(title, record), [LIBRARY, LIVE_SCRIPT])
}

fn render_page(page: &Page, scripts: [&'static str; 2]) -> Result<String, PageError> {
    let connections = if page.is_live { "; connect-src 'self'" } else { "" };
    let context = context! {
        page => Serde(page),
        data => script_data(page)?,
        style => STYLE,
        scripts,
        policy => policy(scripts) + connections,
    };
    Ok(environment()?.get_template("page.html")?.render(context)?)
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// The page's data as JSON that cannot end its script element.
fn script_data(page: &Page) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string(&page.data())?.replace('<', "\\u003c"))
}

/// The content security policy of a page with these scripts. The library sets styles of elements.
fn policy(scripts: [&str; 2]) -> String {
    let digests = scripts.map(|script| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(script))));
    format!("default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {}", digests.join(" "))
}
