//! `Vary` (RFC 9111 §4.1): which requests a stored response is for.

use lab_http::Headers;

/// The fields of a `Vary`, in lower case, sorted and each once. None if the response varies by nothing.
///
/// `*` is for [`storage::check`](super::storage::check).
#[must_use]
pub fn names(fields: &Headers) -> Option<Vec<Vec<u8>>> {
    let mut names: Vec<Vec<u8>> = fields.list("vary").map(<[u8]>::to_ascii_lowercase).collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then_some(names)
}

/// The values that a request has for these names, in a form in which requests that mean the same are equal.
///
/// A name that the request does not have differs from one with an empty value.
#[must_use]
pub fn variant(names: &[Vec<u8>], request: &Headers) -> Vec<u8> {
    let mut text = Vec::new();
    for name in names {
        text.extend_from_slice(name);
        // OK because names of fields are tokens, which are ASCII, and others match nothing
        let name = std::str::from_utf8(name).unwrap_or_default();
        let mut has_line = false;
        for line in request.get_all(name) {
            text.push(if has_line { b',' } else { b':' });
            has_line = true;
            append_normalised(name, line, &mut text);
        }
        text.push(b'\n');
    }
    text
}

/// Appends a value without spaces around its commas. The negotiation fields of RFC 9110 §12.5 are lists of tokens without
/// case.
fn append_normalised(name: &str, value: &[u8], text: &mut Vec<u8>) {
    let has_no_case = matches!(name, "accept" | "accept-charset" | "accept-encoding" | "accept-language");
    // commas in quotes are part of a value
    if value.contains(&b'"') {
        return text.extend_from_slice(value);
    }
    for (index, part) in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).enumerate() {
        if index > 0 {
            text.push(b',');
        }
        let start = text.len();
        text.extend_from_slice(part);
        if has_no_case {
            text[start..].make_ascii_lowercase();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Headers {
        lines.iter().copied().collect()
    }

    #[test]
    fn names_are_normalised() {
        let found = names(&fields(&[("Vary", "Foo, bar"), ("vary", "FOO,, Accept")])).unwrap();
        assert_eq!(found, [b"accept".to_vec(), b"bar".to_vec(), b"foo".to_vec()]);
        assert_eq!(names(&fields(&[("Vary", " , ")])), None);
        assert_eq!(names(&fields(&[])), None);
    }

    #[test]
    fn requests_match_by_meaning() {
        let names = names(&fields(&[("Vary", "Foo, Accept-Language")])).unwrap();
        let own = variant(&names, &fields(&[("Foo", "1, 2"), ("Accept-Language", "en, DE")]));
        for (other, is_same) in [
            (&[("foo", "1,2"), ("accept-language", "EN , de")][..], true),
            (&[("Foo", "1"), ("Foo", "2"), ("Accept-Language", "en"), ("accept-language", "de")], true),
            (&[("Foo", "1, 2"), ("Accept-Language", "en, de"), ("X", "y")], true),
            (&[("Foo", "2, 1"), ("Accept-Language", "en, de")], false),
            (&[("Foo", "1, 2"), ("Accept-Language", "en")], false),
            (&[("Foo", "1, 2")], false),
            (&[("Accept-Language", "en, de")], false),
        ] {
            assert_eq!(variant(&names, &fields(other)) == own, is_same, "{other:?}");
        }
    }

    #[test]
    fn absent_field_is_not_an_empty_one() {
        let names = [b"foo".to_vec()];
        assert_ne!(variant(&names, &fields(&[])), variant(&names, &fields(&[("Foo", "")])));
        // a value cannot pass for another field
        let two = [b"a".to_vec(), b"b".to_vec()];
        assert_ne!(variant(&two, &fields(&[("A", "1"), ("B", "2")])), variant(&two, &fields(&[("A", "1,2")])));
        assert_ne!(variant(&names, &fields(&[("Foo", "a")])), variant(&names, &fields(&[("Foo", "A")])));
    }
}
