//! `gzip_types`, `charset_types`: the media types that a filter applies to.

use lab_nginx_conf::Directive;

/// A set of media types. Case does not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaTypeSet {
    /// `*`
    All,
    /// In lower case.
    List(Vec<Box<[u8]>>),
}

impl MediaTypeSet {
    pub(crate) fn new(types: &[&str]) -> MediaTypeSet {
        MediaTypeSet::List(types.iter().map(|name| name.as_bytes().into()).collect())
    }

    /// Adds the types of a directive. As in nginx, `text/html` is always among them.
    pub(crate) fn read(directive: &Directive, set: &mut Option<MediaTypeSet>) {
        let set = set.get_or_insert_with(|| MediaTypeSet::new(&["text/html"]));
        for name in directive.args.iter().map(|arg| arg.value.as_str()) {
            match set {
                _ if name == "*" => *set = MediaTypeSet::All,
                MediaTypeSet::All => {}
                MediaTypeSet::List(list) => list.push(name.to_ascii_lowercase().into_bytes().into()),
            }
        }
    }

    /// Whether it has the type of a `Content-Type`, whose parameters do not count. As in nginx, `*` includes responses
    /// without a type.
    #[must_use]
    pub fn contains(&self, content_type: Option<&[u8]>) -> bool {
        let content_type = content_type.unwrap_or_default();
        let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
        let name = content_type[..end].trim_ascii();
        match self {
            MediaTypeSet::All => true,
            MediaTypeSet::List(list) => list.iter().any(|own| own.eq_ignore_ascii_case(name)),
        }
    }
}
