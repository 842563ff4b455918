//! Variables in the files of a deployment: those of a `.env`, and those that a compose file's values name.

/// The variables of a `.env` file. A line that is none is skipped: `[app] env_file` reports it.
pub(super) fn env_file(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let value = value.trim();
        let quoted = ['\'', '"'].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
        let value = quoted.unwrap_or_else(|| value.split(" #").next().unwrap_or_default().trim_end());
        Some((name.trim().to_owned(), value.to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// Variables, with those that override them.
pub(super) fn overridden(
    mut variables: Vec<(String, String)>,
    overriding: Vec<(String, String)>,
) -> Vec<(String, String)> {
    variables.retain(|(name, _)| overriding.iter().all(|(other, _)| other != name));
    variables.extend(overriding);
    variables
}

/// A value of a compose file with its variables replaced: `$NAME`, `${NAME}`, `${NAME:-default}`. Unknown ones are empty, as
/// for compose; `$$` is a dollar sign.
pub(super) fn interpolated(value: &str, known: &[(String, String)]) -> String {
    let lookup = |name: &str| known.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some((inner, after)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            let end = inner.find([':', '-', '?', '+']).unwrap_or(inner.len());
            let (name, operator) = inner.split_at(end);
            let default = operator.strip_prefix(":-").or_else(|| operator.strip_prefix('-'));
            text.push_str(lookup(name).filter(|value| !value.is_empty()).or(default).unwrap_or_default());
            rest = after;
        } else {
            let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
            text.push_str(lookup(&after[..end]).unwrap_or_default());
            rest = &after[end..];
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_file_are_read() {
        let text = "# a comment\nexport A=1\nB = 'two words' \nC=x # why\nD=\"\nnothing\n";
        let pairs: Vec<(String, String)> =
            [("A", "1"), ("B", "two words"), ("C", "x"), ("D", "\"")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(env_file(text), pairs);
    }

    #[test]
    fn variables_of_values_are_replaced() {
        let known = [("USER".to_owned(), "shop".to_owned()), ("EMPTY".to_owned(), String::new())];
        for (value, expected) in [
            ("postgres://${USER}:${PASSWORD:-pw}@db/$USER", "postgres://shop:pw@db/shop"),
            ("${EMPTY:-default}${EMPTY}$$5", "default$5"),
            ("${PASSWORD:?must be set}", ""),
            ("${unclosed", "{unclosed"),
        ] {
            assert_eq!(interpolated(value, &known), expected, "{value}");
        }
    }
}
