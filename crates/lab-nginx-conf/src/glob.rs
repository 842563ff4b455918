//! File name patterns of glob(3), which nginx's `include` uses: `*`, `?`, `[a-z]`, `[!a-z]` and `\`.

use std::path::{Component, Path, PathBuf};

pub(super) fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The matching paths, sorted by name. Unreadable folders match nothing.
pub(super) fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        let Component::Normal(name) = component else {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        if !is_pattern(&text) {
            found.iter_mut().for_each(|path| path.push(name));
            found.retain(|path| path.exists());
            continue;
        }
        found = found.iter().flat_map(|folder| entries(folder, text.as_bytes())).collect();
    }
    found
}

fn entries(folder: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names = std::fs::read_dir(here).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut found: Vec<PathBuf> =
        names.filter(|name| matches(pattern, name.as_encoded_bytes())).map(|name| folder.join(name)).collect();
    found.sort();
    found
}

/// Whether a name matches. Wildcards do not match a leading dot.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    rest_matches(pattern, name)
}

fn rest_matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', pattern @ ..], _) => (0..=name.len()).any(|skipped| rest_matches(pattern, &name[skipped..])),
        ([b'?', pattern @ ..], [_, name @ ..]) => rest_matches(pattern, name),
        ([b'[', rest @ ..], [byte, name @ ..]) => match match_set(rest, *byte) {
            Some((is_in, pattern)) => is_in && rest_matches(pattern, name),
            // an unfinished set is a literal bracket
            None => *byte == b'[' && rest_matches(rest, name),
        },
        ([b'\\', escaped, pattern @ ..], [byte, name @ ..]) => escaped == byte && rest_matches(pattern, name),
        ([expected, pattern @ ..], [byte, name @ ..]) => expected == byte && rest_matches(pattern, name),
        _ => false,
    }
}

/// Whether the set at the start of `rest` contains the byte, and the pattern after the set. `None` if the set does not
/// end.
fn match_set(rest: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (negated, mut rest) = match rest {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut is_in = false;
    let mut is_first = true;
    loop {
        rest = match rest {
            [b']', behind @ ..] if !is_first => return Some((is_in != negated, behind)),
            [from, b'-', to, behind @ ..] if *to != b']' => {
                is_in |= (*from..=*to).contains(&byte);
                behind
            }
            [one, behind @ ..] => {
                is_in |= *one == byte;
                behind
            }
            [] => return None,
        };
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_glob() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.conf~", false),
            ("*", ".hidden", false),
            (".*", ".hidden", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("[ab]x", "bx", true),
            ("[ab]x", "cx", false),
            ("[!ab]x", "cx", true),
            ("[0-9]*", "10-site", true),
            ("[0-9]*", "x10", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn folders_can_be_patterns() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["b-on/2.conf", "b-on/1.conf", "a-on/3.conf", "c-off/4.conf"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = expand(&folder.path().join("*-on/*.conf"));
        let names: Vec<_> = found.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["3.conf", "1.conf", "2.conf"]);
        assert!(expand(&folder.path().join("nothing/*.conf")).is_empty());
    }
}
