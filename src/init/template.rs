//! Configurations that a container makes of a template when it starts, as the official image of nginx does with envsubst.
//! Pure.

/// A template with the values of its variables.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FilledTemplate {
    pub(super) text: String,
    /// Names that look like variables of the environment and have no value, each once.
    pub(super) unknown: Vec<String>,
}

/// Replaces `$NAME` and `${NAME}` by the known values. Other names are nginx's own variables, which have lower case.
pub(super) fn filled(text: &str, known: &[(String, String)]) -> FilledTemplate {
    let mut filled = FilledTemplate { text: String::new(), unknown: Vec::new() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.text.push_str(before);
        let is_braced = after.starts_with('{');
        let from = &after[usize::from(is_braced)..];
        let end = from.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(from.len());
        let (name, behind) = from.split_at(end);
        let behind = if is_braced { behind.strip_prefix('}') } else { Some(behind) };
        let value = known.iter().find(|(own, _)| own == name).map(|(_, value)| value);
        match (value, behind) {
            (Some(value), Some(behind)) => {
                filled.text.push_str(value);
                rest = behind;
            }
            _ => {
                if is_of_environment(name) && behind.is_some() && !filled.unknown.iter().any(|other| other == name) {
                    filled.unknown.push(name.to_owned());
                }
                filled.text.push('$');
                rest = after;
            }
        }
    }
    filled.text.push_str(rest);
    filled
}

/// Whether a name is written as those of variables of the environment are.
fn is_of_environment(name: &str) -> bool {
    name.len() > 1
        && !name.contains(|c: char| c.is_ascii_lowercase())
        && name.starts_with(|c: char| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_environment_are_replaced() {
        let known = [("APP_HOST", "web"), ("PORT", "8000")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let template = "listen ${PORT}; proxy_pass http://$APP_HOST:${PORT}$request_uri; set $x ${host}; a ${TLS_NAME} $TLS_NAME $1 $";
        let expected =
            "listen 8000; proxy_pass http://web:8000$request_uri; set $x ${host}; a ${TLS_NAME} $TLS_NAME $1 $";
        let unknown = vec!["TLS_NAME".to_owned()];
        assert_eq!(filled(template, &known), FilledTemplate { text: expected.to_owned(), unknown });
    }
}
