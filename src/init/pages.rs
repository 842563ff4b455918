//! The pages of an application, as far as its files show them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::python::{Module, Mount, Router};

/// Words in the paths of pages that anybody may see.
const PUBLIC: [&str; 9] = ["about", "health", "home", "index", "live", "login", "ping", "ready", "status"];
/// How deep routers are put into each other, and `urls.py` includes others.
const MAX_DEPTH: usize = 6;
/// Hosts that requests to an address of this machine have.
const OWN_HOSTS: [&str; 2] = ["*", "127.0.0.1"];

/// The pages without parameters that the application has, the best for a check first: `/`, then those that anybody may see.
pub(super) fn pages(modules: &BTreeMap<PathBuf, Module>) -> Vec<String> {
    let routers: Vec<&Router> = modules.values().flat_map(|module| &module.routers).collect();
    let mounts: Vec<&Mount> = modules.values().flat_map(|module| &module.mounts).collect();
    let routes = modules.values().flat_map(|module| &module.routes);
    let gets = routes.filter(|route| route.methods.iter().any(|method| method == "GET"));
    let paths = gets.filter_map(|route| Some(prefix(&route.owner, &routers, &mounts, 0)? + &route.path));
    let mut pages: Vec<String> = paths.chain(django_pages(modules)).filter(|path| is_plain(path)).collect();
    let is_public = |path: &str| PUBLIC.iter().any(|word| path.contains(word));
    pages.sort_by_key(|path| (path != "/", !is_public(path), path.len(), path.clone()));
    pages.extend(modules.values().filter_map(|module| module.docs.clone()));
    pages.dedup();
    pages
}

/// Whether a path has no parameter and no pattern.
fn is_plain(path: &str) -> bool {
    path.starts_with('/') && !path.contains(['<', '{', '(', '[', ' ', '^', '$', '\\', '?', '*', '+', '|'])
}

/// The beginning of the paths of an application, a router or a blueprint; `None` if only a run can tell.
fn prefix(owner: &str, routers: &[&Router], mounts: &[&Mount], depth: usize) -> Option<String> {
    let Some(router) = routers.iter().find(|router| is_same(&router.name, owner)) else {
        // An application.
        return Some(String::new());
    };
    let Some(mount) = mounts.iter().find(|mount| is_same(&mount.target, owner)) else {
        return router.prefix.clone();
    };
    if depth == MAX_DEPTH {
        return None;
    }
    let above = prefix(&mount.owner, routers, mounts, depth + 1)?;
    let own = match mount.prefix.as_deref()? {
        replacing if mount.replaces && !replacing.is_empty() => replacing.to_owned(),
        before => format!("{before}{}", router.prefix.as_deref()?),
    };
    Some(above + &own)
}

/// Whether two dotted names are of the same object: a file knows less of the folders above it than the project does.
fn is_same(one: &str, other: &str) -> bool {
    let is_end = |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.ends_with('.'));
    one == other || is_end(one, other) || is_end(other, one)
}

/// The pages of Django's URL patterns, from each `urls.py` that no other includes.
fn django_pages(modules: &BTreeMap<PathBuf, Module>) -> Vec<String> {
    let files: Vec<&PathBuf> = modules.keys().filter(|file| file.ends_with("urls.py")).collect();
    let included: Vec<&Path> =
        files.iter().flat_map(|file| &modules[*file].urls).filter_map(|url| included_file(&url.view, &files)).collect();
    let roots = files.iter().filter(|file| !included.contains(&file.as_path()));
    let mut pages = Vec::new();
    roots.for_each(|root| collect(root, "/", modules, &files, 0, &mut pages));
    pages
}

fn collect(
    file: &Path,
    prefix: &str,
    modules: &BTreeMap<PathBuf, Module>,
    files: &[&PathBuf],
    depth: usize,
    pages: &mut Vec<String>,
) {
    for url in modules.get(file).filter(|_| depth < MAX_DEPTH).iter().flat_map(|module| &module.urls) {
        let path = format!("{prefix}{}", url.path);
        match included_file(&url.view, files) {
            Some(inner) => collect(inner, &path, modules, files, depth + 1, pages),
            // What else is included has pages of its own.
            None if url.view.starts_with("include(") => {}
            None => pages.push(path),
        }
    }
}

/// The file that `include('shop.urls')` names.
fn included_file<'f>(view: &str, files: &[&'f PathBuf]) -> Option<&'f Path> {
    let name = view.strip_prefix("include(")?.trim_start_matches('(').strip_prefix('\'')?.split('\'').next()?;
    let inside = format!("{}.py", name.replace('.', "/"));
    files.iter().find(|file| file.ends_with(&inside)).map(|file| file.as_path())
}

/// Where Django's admin is.
pub(super) fn django_admin(modules: &BTreeMap<PathBuf, Module>) -> Option<String> {
    let mut urls = modules.values().flat_map(|module| &module.urls);
    urls.find(|url| url.view.ends_with("admin.site.urls")).map(|url| format!("/{}", url.path))
}

/// A host that Django accepts, by the settings of production, if it does not accept those of this machine.
pub(super) fn allowed_host(modules: &BTreeMap<PathBuf, Module>) -> Option<String> {
    let settings = modules.iter().filter_map(|(file, module)| Some((file, module.settings.get("ALLOWED_HOSTS")?)));
    let rank = |file: &Path| {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        ["prod", "production", "settings", "base"].iter().position(|known| *known == stem).unwrap_or(usize::MAX)
    };
    let (_, hosts) = settings.filter(|(_, hosts)| !hosts.value.is_empty()).min_by_key(|(file, _)| rank(file))?;
    let mut hosts = hosts.value.split(',').map(|host| host.trim_start_matches('.'));
    let first = hosts.clone().next()?;
    let is_own = hosts.any(|host| OWN_HOSTS.contains(&host));
    (!is_own).then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(files: &[(&str, &str)]) -> BTreeMap<PathBuf, Module> {
        files.iter().map(|(file, json)| (PathBuf::from(file), serde_json::from_str(json).unwrap())).collect()
    }

    #[test]
    fn public_pages_come_first() {
        let routes = r#"{"docs": "/docs", "routes": [
            {"path": "/items/<int:id>", "methods": ["GET"], "owner": "a.app"},
            {"path": "/me", "methods": ["GET"], "owner": "a.app"},
            {"path": "/login", "methods": ["POST"], "owner": "a.app"},
            {"path": "/api/health", "methods": ["GET"], "owner": "a.app"}]}"#;
        assert_eq!(pages(&modules(&[("a.py", routes)])), ["/api/health", "/me", "/docs"]);
    }

    #[test]
    fn routes_are_below_the_prefixes_of_their_routers() {
        let router = r#"{"routers": [{"name": "src.app.notes.router", "prefix": "/notes"}],
            "routes": [{"path": "/all", "methods": ["GET"], "owner": "src.app.notes.router"}]}"#;
        let mount = |prefix: &str, replaces: bool| {
            let mount = format!(
                r#""target": "app.notes.router", "owner": "main.app", "prefix": {prefix}, "replaces": {replaces}"#
            );
            let main = format!(r#"{{"mounts": [{{{mount}}}]}}"#);
            pages(&modules(&[("src/app/notes.py", router), ("src/main.py", main.as_str())]))
        };
        assert_eq!(mount(r#""/v1""#, false), ["/v1/notes/all"]);
        assert_eq!(mount(r#""/v1""#, true), ["/v1/all"]);
        assert!(mount("null", false).is_empty(), "a prefix that only a run knows");
        assert_eq!(pages(&modules(&[("src/app/notes.py", router)])), ["/notes/all"]);
    }

    #[test]
    fn patterns_of_django_are_followed() {
        let urls = |urls: &str| format!(r#"{{"urls": [{urls}]}}"#);
        let root = urls(
            r#"{"path": "admin/", "view": "admin.site.urls"}, {"path": "shop/", "view": "include(('shop.urls', 'shop'))"},
               {"path": "api/", "view": "include(router.urls)"}"#,
        );
        let shop = urls(r#"{"path": "", "view": "views.home"}, {"path": "<int:id>/", "view": "views.item"}"#);
        let django = modules(&[("site/urls.py", root.as_str()), ("apps/shop/urls.py", shop.as_str())]);
        assert_eq!(pages(&django), ["/shop/", "/admin/"]);
        assert_eq!(django_admin(&django).as_deref(), Some("/admin/"));
    }

    #[test]
    fn host_of_production_is_taken() {
        let settings = |hosts: &str| format!(r#"{{"settings": {{"ALLOWED_HOSTS": {{"value": "{hosts}"}}}}}}"#);
        let (dev, production) = (settings("127.0.0.1"), settings(".example.org,localhost"));
        let found = allowed_host(&modules(&[("s/dev.py", dev.as_str()), ("s/production.py", production.as_str())]));
        assert_eq!(found.as_deref(), Some("example.org"));
        assert_eq!(allowed_host(&modules(&[("s/dev.py", dev.as_str())])), None);
    }
}
