//! Messages about relocated copies, with the names of the files that they were made from.

/// The text with the names of original files instead of those of their copies, which come first in each pair.
#[must_use]
pub(super) fn original_names(text: &str, originals: &[(String, String)]) -> String {
    originals.iter().fold(text.to_owned(), |text, (copy, original)| text.replace(copy.as_str(), original))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_have_their_original_names() {
        let originals = [("/run/visit/nginx.conf".to_owned(), "/srv/nginx.conf".to_owned())];
        let text = "[emerg] unknown directive in /run/visit/nginx.conf:3";
        assert_eq!(original_names(text, &originals), "[emerg] unknown directive in /srv/nginx.conf:3");
    }
}
