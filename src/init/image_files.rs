//! Which folders of a project are in the image that a Dockerfile makes of it. Pure.

use std::path::{Component, Path, PathBuf};

/// A `COPY` or `ADD` from the folder of the build.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CopyInstruction {
    /// Relative to the folder of the build.
    sources: Vec<PathBuf>,
    /// Absolute.
    target: PathBuf,
}

/// The paths, relative to the folder of the build, that may be the folder `path` of the image.
pub(super) fn origins(dockerfile: &str, path: &Path) -> Vec<PathBuf> {
    let mut copies = copies(dockerfile);
    // The copy into the innermost folder, and of these the last, decides.
    copies.reverse();
    copies.sort_by_key(|copy| std::cmp::Reverse(copy.target.components().count()));
    let of_copy = |copy: &CopyInstruction| {
        let rest = path.strip_prefix(&copy.target).ok()?.to_owned();
        Some(copy.sources.iter().map(|source| source.join(&rest)).collect::<Vec<_>>())
    };
    copies.iter().filter_map(of_copy).flatten().collect()
}

/// The copies of the last stage.
fn copies(dockerfile: &str) -> Vec<CopyInstruction> {
    let mut folder = PathBuf::from("/");
    let mut copies = Vec::new();
    for line in dockerfile.lines().map(str::trim) {
        let (instruction, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match instruction.to_ascii_uppercase().as_str() {
            "FROM" => {
                folder = PathBuf::from("/");
                copies.clear();
            }
            "WORKDIR" => folder = folder.join(rest.trim()),
            "COPY" | "ADD" if !rest.contains("--from") => {
                let mut words: Vec<&str> = rest.split_whitespace().filter(|word| !word.starts_with("--")).collect();
                let target = words.pop().filter(|target| !words.is_empty() && !target.contains(['[', '$']));
                if let Some(target) = target {
                    let sources = words.iter().map(|source| Path::new(source.trim_start_matches('/')));
                    let is_named = |part: &Component<'_>| *part != Component::CurDir;
                    let sources = sources.map(|source| source.components().filter(is_named).collect()).collect();
                    copies.push(CopyInstruction { sources, target: folder.join(target).components().collect() });
                }
            }
            _ => {}
        }
    }
    copies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_an_image_are_those_of_the_build() {
        let text = "\
FROM node AS assets
COPY web /web
FROM python:3.12
WORKDIR /srv
WORKDIR app
COPY requirements.txt ./
COPY --chown=app:app . .
COPY --from=assets /web/dist ./dist
COPY theme/static /srv/app/static/
";
        let of = |path: &str| origins(text, Path::new(path));
        assert_eq!(of("/srv/app/static/css")[0], PathBuf::from("theme/static/css"));
        assert_eq!(of("/srv/app/media")[0], PathBuf::from("media"));
        assert_eq!(of("/web"), Vec::<PathBuf>::new());
    }
}
