//! The scenario of a deployment, as a commented TOML file. Pure.

mod app;
mod checks;
mod loads;
mod services;
mod site;
mod stacks;

use std::path::Path;

use self::site::Site;
use super::deployment::{App, Deployment};
use super::nginx::Nginx;

/// Why components cannot run the files of the deployment here; `None` if they can.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    pub nginx: Option<String>,
    pub lab_proxy: Option<String>,
    pub lab_serve: Option<String>,
}

/// The configuration that includes a site's file, as Debian's nginx.conf does. `site` is relative to it.
#[must_use]
pub fn site_wrapper(site: &Path, has_mime_types: bool) -> String {
    wrapped_site(&format!("    include {};\n", site.display()), has_mime_types)
}

/// The text of a site, with what stands around it.
pub(super) fn wrapped_site(site: &str, has_mime_types: bool) -> String {
    let mime_types = if has_mime_types { "    include /etc/nginx/mime.types;\n" } else { "" };
    format!(
        "# Written by `lab init`: what stands around the files of sites in /etc/nginx/nginx.conf.\n\
         worker_processes auto;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n{mime_types}    default_type application/octet-stream;\n{site}}}\n"
    )
}

/// The scenario. `config` is the path of the nginx configuration that it names, relative to the folder.
#[must_use]
pub fn scenario_text(deployment: &Deployment, app: &App, config: Option<&Path>, refusals: &Refusals) -> String {
    let mut text = format!(
        "# Written by `lab init` from the files of this folder. Everything here may be changed.\n\
         #\n\
         #     lab provision lab.toml     makes the environments of the servers, once\n\
         #     lab check lab.toml         starts the deployment and checks its behaviour\n\
         #     lab run lab.toml           checks and measures it; --gate compares with the committed snapshot\n\
         \n\
         schema = 1\n\
         name   = {}\n\
         title  = {}\n",
        quoted(&deployment.name),
        quoted(&format!("{}: the deployment and its twins", deployment.name)),
    );
    if deployment.nginx.as_ref().is_some_and(Nginx::leads_elsewhere) {
        text.push_str(
            "# nginx passes some requests to other servers, which are not started here.\n\
             relocate = \"any\"\n",
        );
    }
    text.push('\n');
    app::write(&mut text, deployment, app);
    services::write(&mut text, &deployment.services);
    stacks::write(&mut text, deployment, config, refusals);
    let site = Site::new(deployment);
    checks::write(&mut text, deployment, app, &site);
    loads::write(&mut text, &site);
    text
}

/// Why the scenario has no load; `None` if it has one.
#[must_use]
pub(super) fn load_refusal(deployment: &Deployment) -> Option<String> {
    deployment.app.as_ref()?;
    loads::refusal(&Site::new(deployment))
}

/// A string of TOML.
fn quoted(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

/// The same in a text with placeholders, in which braces are doubled.
fn quoted_literal(value: &str) -> String {
    quoted(&value.replace('{', "{{").replace('}', "}}"))
}

fn quoted_path(path: &Path) -> String {
    match path.to_str() {
        Some("") => quoted("."),
        _ => quoted(&path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_file_gets_a_configuration_around_it() {
        let text = site_wrapper(Path::new("deploy/site.conf"), false);
        let tree = lab_nginx_conf::parse(&text, Path::new("nginx.conf")).unwrap();
        assert!(tree.iter().any(|directive| directive.name == "http"), "{text}");
        assert!(text.contains("include deploy/site.conf;"));
    }
}
