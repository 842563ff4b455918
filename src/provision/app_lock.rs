//! The lock files of uv and Poetry as requirements of pip: what the project needs to run, at its locked versions. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `uv.lock`: <https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile>
#[derive(Deserialize)]
struct UvLock {
    #[serde(default)]
    package: Vec<UvPackage>,
}

#[derive(Deserialize)]
struct UvPackage {
    name: String,
    version: Option<String>,
    #[serde(default)]
    source: UvSource,
    /// Set where the versions of a package differ between platforms.
    #[serde(default, rename = "resolution-markers")]
    resolution_markers: Vec<String>,
    #[serde(default)]
    dependencies: Vec<UvDependency>,
    #[serde(default, rename = "optional-dependencies")]
    optional_dependencies: BTreeMap<String, Vec<UvDependency>>,
}

#[derive(Default, Deserialize)]
struct UvSource {
    #[serde(rename = "virtual")]
    virtual_: Option<String>,
    editable: Option<String>,
    git: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct UvDependency {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    #[serde(default)]
    extra: Vec<String>,
}

/// The requirements in a `uv.lock`: the dependencies of the project, and theirs, without groups such as `dev`.
///
/// # Errors
/// It is not a lock file of uv, or the project is not in it.
pub(super) fn from_uv(text: &str) -> Result<String, String> {
    let lock: UvLock = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let is_project = |package: &&UvPackage| {
        let at = package.source.virtual_.as_deref().or(package.source.editable.as_deref());
        at.is_some_and(|folder| folder == "." || folder.is_empty())
    };
    let is_member = |package: &&UvPackage| package.source.virtual_.is_some() || package.source.editable.is_some();
    let mut projects: Vec<&UvPackage> = lock.package.iter().filter(is_project).collect();
    if projects.is_empty() {
        // A workspace without a project at its root.
        projects = lock.package.iter().filter(is_member).collect();
    }
    if projects.is_empty() {
        return Err("it has no package of the project itself (`source = \".\"`)".to_owned());
    }
    // Each package with the markers under which it is needed; no marker is always.
    let mut needed: BTreeMap<(String, String), Vec<Option<String>>> = BTreeMap::new();
    let dependencies = projects.iter().flat_map(|project| &project.dependencies);
    let mut open: Vec<(&UvDependency, Option<String>)> =
        dependencies.map(|dependency| (dependency, dependency.marker.clone())).collect();
    while let Some((dependency, marker)) = open.pop() {
        let is_meant = |package: &&UvPackage| {
            package.name == dependency.name && (dependency.version.is_none() || package.version == dependency.version)
        };
        for package in lock.package.iter().filter(is_meant) {
            let own = any_of(&package.resolution_markers);
            let marker = both(marker.as_deref(), own.as_deref());
            let key = (package.name.clone(), requirement(package)?);
            let known = needed.entry(key).or_default();
            let is_new = !known.contains(&marker) && !known.contains(&None);
            if !is_new {
                continue;
            }
            known.push(marker.clone());
            let extras = dependency.extra.iter().filter_map(|extra| package.optional_dependencies.get(extra)).flatten();
            for next in package.dependencies.iter().chain(extras) {
                open.push((next, both(marker.as_deref(), next.marker.as_deref())));
            }
        }
    }
    // The members of a workspace come from its folders, not from an index.
    let members: Vec<&str> = lock.package.iter().filter(is_member).map(|package| package.name.as_str()).collect();
    needed.retain(|(name, _), _| !members.contains(&name.as_str()));
    let lines = needed.into_iter().map(|((_, requirement), markers)| with_marker(&requirement, &markers));
    Ok(lines.collect())
}

fn requirement(package: &UvPackage) -> Result<String, String> {
    let UvPackage { name, version, source, .. } = package;
    match (&source.git, &source.url, version) {
        (Some(git), _, _) => {
            // uv writes the revision as a fragment, pip reads it after an at sign.
            let (url, commit) = git.split_once('#').unwrap_or((git, "HEAD"));
            let url = url.split('?').next().unwrap_or(url);
            Ok(format!("{name} @ git+{url}@{commit}"))
        }
        (None, Some(url), _) => Ok(format!("{name} @ {url}")),
        (None, None, Some(version)) => Ok(format!("{name}=={version}")),
        (None, None, None) => Err(format!("its package `{name}` has no version")),
    }
}

/// `poetry.lock`: one table per package.
#[derive(Deserialize)]
struct PoetryLock {
    #[serde(default)]
    package: Vec<PoetryPackage>,
}

#[derive(Deserialize)]
struct PoetryPackage {
    name: String,
    version: String,
    #[serde(default)]
    optional: bool,
    /// Until Poetry 1.4.
    category: Option<String>,
    /// From Poetry 2.0 on.
    groups: Option<Vec<String>>,
    markers: Option<PoetryMarkers>,
    source: Option<PoetrySource>,
}

/// One marker for all groups, or one for each.
#[derive(Deserialize)]
#[serde(untagged)]
enum PoetryMarkers {
    One(String),
    ByGroup(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct PoetrySource {
    #[serde(rename = "type")]
    sort: String,
    url: String,
    resolved_reference: Option<String>,
}

/// The requirements in a `poetry.lock`: the packages of the main group. Versions from 1.5 to 1.8 do not write groups; then
/// all packages are meant.
///
/// # Errors
/// It is not a lock file of Poetry.
pub(super) fn from_poetry(text: &str) -> Result<String, String> {
    let lock: PoetryLock = toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let is_meant = |package: &&PoetryPackage| {
        let is_main = package.groups.as_ref().is_none_or(|groups| groups.iter().any(|group| group == "main"));
        !package.optional && is_main && package.category.as_ref().is_none_or(|category| category == "main")
    };
    let line = |package: &PoetryPackage| {
        let PoetryPackage { name, version, .. } = package;
        let marker = match &package.markers {
            Some(PoetryMarkers::One(marker)) => Some(marker.clone()),
            Some(PoetryMarkers::ByGroup(markers)) => markers.get("main").cloned(),
            None => None,
        };
        let requirement = match &package.source {
            Some(PoetrySource { sort, url, resolved_reference }) if sort == "git" => {
                format!("{name} @ git+{url}@{}", resolved_reference.as_deref().unwrap_or("HEAD"))
            }
            Some(PoetrySource { sort, url, .. }) if sort == "url" => format!("{name} @ {url}"),
            _ => format!("{name}=={version}"),
        };
        with_marker(&requirement, &[marker])
    };
    Ok(lock.package.iter().filter(is_meant).map(line).collect())
}

/// A line with a requirement that applies if one of the markers does.
fn with_marker(requirement: &str, markers: &[Option<String>]) -> String {
    let given: Option<Vec<String>> = markers.iter().cloned().collect();
    match given.and_then(|markers| any_of(&markers)) {
        Some(marker) => format!("{requirement} ; {marker}\n"),
        None => format!("{requirement}\n"),
    }
}

fn any_of(markers: &[String]) -> Option<String> {
    match markers {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(several.iter().map(|marker| format!("({marker})")).collect::<Vec<_>>().join(" or ")),
    }
}

fn both(one: Option<&str>, other: Option<&str>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Some(format!("({one}) and ({other})")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uv_lock_lists_what_the_project_needs() {
        let lock = r#"
version = 1
[[package]]
name = "shop"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "flask" },
    { name = "gunicorn", extra = ["gevent"] },
    { name = "fork", source = { git = "https://example.org/fork.git" } },
]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
[[package]]
name = "flask"
version = "3.0.3"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "colorama", marker = "sys_platform == 'win32'" }, { name = "werkzeug" }]
[[package]]
name = "werkzeug"
version = "3.0.6"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "colorama"
version = "0.4.6"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "gunicorn"
version = "20.1.0"
source = { registry = "https://pypi.org/simple" }
[package.optional-dependencies]
gevent = [{ name = "gevent" }]
[[package]]
name = "gevent"
version = "25.9.1"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "fork"
version = "1.0"
source = { git = "https://example.org/fork.git?rev=main#0123abc" }
[[package]]
name = "pytest"
version = "8.0.0"
source = { registry = "https://pypi.org/simple" }
"#;
        let expected = "colorama==0.4.6 ; sys_platform == 'win32'\nflask==3.0.3\n\
                        fork @ git+https://example.org/fork.git@0123abc\ngevent==25.9.1\ngunicorn==20.1.0\nwerkzeug==3.0.6\n";
        assert_eq!(from_uv(lock).unwrap(), expected);
        assert!(from_uv("version = 1").unwrap_err().contains("no package of the project"));
        let workspace = lock.replace("virtual = \".\"", "editable = \"backend\"");
        assert_eq!(from_uv(&workspace).unwrap(), expected, "a workspace without a project at its root");
    }

    #[test]
    fn poetry_lock_lists_the_main_group() {
        let lock = r#"
[[package]]
name = "django"
version = "4.2.1"
optional = false
groups = ["main"]
[[package]]
name = "tzdata"
version = "2024.1"
optional = false
groups = ["main", "dev"]
markers = "sys_platform == \"win32\""
[[package]]
name = "pytest"
version = "8.0.0"
optional = false
groups = ["dev"]
[[package]]
name = "psycopg"
version = "3.1"
optional = true
groups = ["main"]
"#;
        assert_eq!(from_poetry(lock).unwrap(), "django==4.2.1\ntzdata==2024.1 ; sys_platform == \"win32\"\n");
        let old = "[[package]]\nname = \"a\"\nversion = \"1\"\ncategory = \"dev\"\n[[package]]\nname = \"b\"\nversion = \"2\"\n";
        assert_eq!(from_poetry(old).unwrap(), "b==2\n");
        assert!(from_poetry("nonsense").is_err());
    }
}
