//! What is wrong with a document, and where: collected while reading, rendered once at the end.
//!
//! Pure: knows the text of one file and nothing of what its values mean.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

/// A range of bytes in the file's text.
pub(crate) type Span = Range<usize>;

/// One problem: a message, the place it is about, and what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    span: Span,
    label: Option<String>,
    related: Vec<(Span, String)>,
    hint: Option<String>,
}

impl Diagnostic {
    /// A problem with the text at `span`.
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Self {
        Diagnostic { message: message.into(), span, label: None, related: Vec::new(), hint: None }
    }

    /// Says something beside the caret.
    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    /// Shows a second place, with what it has to do with the first.
    pub(crate) fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    /// Says, on a line of its own, what would be accepted.
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }

    /// What is wrong, in one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The bytes of the file this is about.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The message with its line of the file, a caret under the exact text, and the hint.
    pub(crate) fn render(&self, source: &str, path: &str, color: bool) -> String {
        let within = |span: &Span| visible(source, span);
        let mut primary = AnnotationKind::Primary.span(within(&self.span));
        if let Some(label) = &self.label {
            primary = primary.label(label);
        }
        let related = self.related.iter().map(|(span, text)| AnnotationKind::Context.span(within(span)).label(text));
        let snippet = Snippet::source(source).path(path).annotation(primary).annotations(related);
        let mut group = Level::ERROR.primary_title(self.message.as_str()).element(snippet);
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(normalize_untrusted_str(hint)));
        }
        renderer(color).render(&[group])
    }
}

/// The renderer of every message: plain text unless colour is asked for.
pub(crate) fn renderer(color: bool) -> Renderer {
    if color { Renderer::styled() } else { Renderer::plain() }
}

/// What a caret can point at: the span's first line, within the text.
///
/// A table's value may span many lines; a caret under each of them says less than one under the first.
fn visible(source: &str, span: &Span) -> Span {
    let start = span.start.min(source.len());
    let end = span.end.clamp(start, source.len());
    let first_line = source[start..end].split(['\r', '\n']).next().unwrap_or_default();
    start..start + first_line.len()
}

/// The problems of one file, gathered while it is read.
#[derive(Debug)]
pub(crate) struct Problems<'s> {
    source: &'s str,
    found: Vec<Diagnostic>,
}

impl<'s> Problems<'s> {
    /// None yet, in a file that holds `source`.
    pub(crate) fn new(source: &'s str) -> Self {
        Problems { source, found: Vec::new() }
    }

    /// Adds one.
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// Adds one that makes all others meaningless.
    pub(crate) fn replace_with(&mut self, diagnostic: Diagnostic) {
        self.found = vec![diagnostic];
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, in the file's order.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|diagnostic| diagnostic.span.start);
        self.found
    }

    /// Where `part` of the decoded string `text` stands in the file, given the literal at `literal`;
    /// the whole literal where escapes make that unclear.
    pub(crate) fn within_string(&self, literal: &Span, text: &str, part: Range<usize>) -> Span {
        let written = self.source.get(literal.clone()).unwrap_or_default();
        for quotes in [1, 3] {
            if written.len() == text.len() + 2 * quotes && written.get(quotes..quotes + text.len()) == Some(text) {
                let offset = literal.start + quotes;
                return offset + part.start..offset + part.end;
            }
        }
        literal.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_string_is_found_behind_its_quotes() {
        let source = "a = 'x{y}'\nb = \"\"\"x{y}\"\"\"\nc = \"x\\u007by}\"";
        let problems = Problems::new(source);
        assert_eq!(&source[problems.within_string(&(4..10), "x{y}", 1..4)], "{y}");
        assert_eq!(&source[problems.within_string(&(15..25), "x{y}", 1..4)], "{y}");
        let escaped = 30..source.len();
        assert_eq!(problems.within_string(&escaped, "x{y}", 1..4), escaped, "escapes: the whole literal");
    }

    #[test]
    fn diagnostics_come_out_in_the_files_order() {
        let mut problems = Problems::new("a\nb\n");
        problems.push(Diagnostic::at(2..3, "second"));
        problems.push(Diagnostic::at(0..1, "first"));
        let messages: Vec<_> = problems.into_sorted().iter().map(|d| d.message().to_owned()).collect();
        assert_eq!(messages, ["first", "second"]);
    }

    #[test]
    fn a_span_outside_the_text_is_clamped() {
        let rendered = Diagnostic::at(90..95, "gone").render("a = 1", "x.toml", false);
        assert!(rendered.starts_with("error: gone"), "{rendered}");
    }
}
