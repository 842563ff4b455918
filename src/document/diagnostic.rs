//! Problems in a document, collected while reading and rendered at the end. Pure.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

/// A range of bytes in the file's text.
pub(crate) type Span = Range<usize>;

/// A problem: a message, its location, and a hint about what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    message: String,
    span: Span,
    label: Option<String>,
    related: Vec<(Span, String)>,
    hint: Option<String>,
}

impl Diagnostic {
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Self {
        Diagnostic { message: message.into(), span, label: None, related: Vec::new(), hint: None }
    }

    /// Adds a text beside the caret.
    pub(crate) fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    /// Adds a second location, with its relation to the first.
    pub(crate) fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    /// Adds a line that says what would be accepted.
    pub(crate) fn hint(mut self, text: impl Into<String>) -> Self {
        self.hint = Some(text.into());
        self
    }

    /// The message, and the hint on a line of its own.
    pub(crate) fn message_with_hint(&self) -> String {
        let hint = self.hint.iter().map(|hint| format!("\nhint: {hint}")).collect::<String>();
        format!("{}{hint}", self.message)
    }

    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The message with its line of the file, a caret, and the hint.
    pub(crate) fn render(&self, lines: &LineStarts<'_>, path: &str, color: bool) -> String {
        let LineStarts { source, .. } = *lines;
        // Only the lines it is about: the renderer goes through all of its text for every message.
        let spans = || self.related.iter().map(|(span, _)| span).chain([&self.span]);
        let first = lines.line_of(spans().map(|span| span.start).min().unwrap_or(0));
        let last = lines.line_of(spans().map(|span| span.start).max().unwrap_or(0));
        let (start, end) = (lines.start_of(first), lines.start_of(last + 1));
        let within = |span: &Span| {
            let shown = visible(source, span);
            shown.start - start..shown.end - start
        };
        let mut primary = AnnotationKind::Primary.span(within(&self.span));
        if let Some(label) = &self.label {
            primary = primary.label(label);
        }
        let related = self.related.iter().map(|(span, text)| AnnotationKind::Context.span(within(span)).label(text));
        let snippet = Snippet::source(&source[start..end])
            .line_start(first + 1)
            .path(path)
            .annotation(primary)
            .annotations(related);
        let mut group = Level::ERROR.primary_title(self.message.as_str()).element(snippet);
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(normalize_untrusted_str(hint)));
        }
        renderer(color).render(&[group])
    }
}

pub(crate) fn renderer(color: bool) -> Renderer {
    if color { Renderer::styled() } else { Renderer::plain() }
}

/// The first line of the span, clamped to the text. For the value of a table, one caret under its first line says more than
/// one under each.
fn visible(source: &str, span: &Span) -> Span {
    let start = span.start.min(source.len());
    let end = span.end.clamp(start, source.len());
    let first_line = source[start..end].split(['\r', '\n']).next().unwrap_or_default();
    start..start + first_line.len()
}

/// A text and the offsets at which its lines start.
pub(crate) struct LineStarts<'s> {
    source: &'s str,
    starts: Vec<usize>,
}

impl<'s> LineStarts<'s> {
    pub(crate) fn new(source: &'s str) -> LineStarts<'s> {
        let ends = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        LineStarts { source, starts: std::iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect() }
    }

    /// The line of an offset, counted from 0.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// Where a line starts, or the text ends.
    fn start_of(&self, line: usize) -> usize {
        self.starts.get(line).copied().unwrap_or(self.source.len())
    }
}

/// How many problems are listed. Nobody reads more, and a generated file may have any number.
const MAX_LISTED: usize = 50;

/// The problems of one file.
#[derive(Debug)]
pub(crate) struct Problems<'s> {
    source: &'s str,
    found: Vec<Diagnostic>,
    unlisted: usize,
}

impl<'s> Problems<'s> {
    pub(crate) fn new(source: &'s str) -> Self {
        Problems { source, found: Vec::new(), unlisted: 0 }
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.push_with(|| diagnostic);
    }

    /// Adds a problem whose message and hint cost something, if it will be listed.
    pub(crate) fn push_with(&mut self, diagnostic: impl FnOnce() -> Diagnostic) {
        if self.found.len() < MAX_LISTED {
            self.found.push(diagnostic());
        } else {
            self.unlisted += 1;
        }
    }

    /// How many problems are not listed.
    pub(crate) fn unlisted(&self) -> usize {
        self.unlisted
    }

    /// Replaces all others with one that makes them meaningless.
    pub(crate) fn replace_with(&mut self, diagnostic: Diagnostic) {
        self.found = vec![diagnostic];
        self.unlisted = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|diagnostic| diagnostic.span.start);
        self.found
    }

    /// The location in the file of `part` of the decoded string `text`, given the location of its literal. The whole literal
    /// if it contains escapes.
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
    fn part_of_a_string_is_located() {
        let source = "a = 'x{y}'\nb = \"\"\"x{y}\"\"\"\nc = \"x\\u007by}\"";
        let problems = Problems::new(source);
        assert_eq!(&source[problems.within_string(&(4..10), "x{y}", 1..4)], "{y}");
        assert_eq!(&source[problems.within_string(&(15..25), "x{y}", 1..4)], "{y}");
        let escaped = 30..source.len();
        assert_eq!(problems.within_string(&escaped, "x{y}", 1..4), escaped, "escapes: the whole literal");
    }

    #[test]
    fn diagnostics_follow_the_files_order() {
        let mut problems = Problems::new("a\nb\n");
        problems.push(Diagnostic::at(2..3, "second"));
        problems.push(Diagnostic::at(0..1, "first"));
        let messages: Vec<_> = problems.into_sorted().iter().map(|d| d.message().to_owned()).collect();
        assert_eq!(messages, ["first", "second"]);
    }

    #[test]
    fn span_outside_the_text_is_clamped() {
        let rendered = Diagnostic::at(90..95, "gone").render(&LineStarts::new("a = 1"), "x.toml", false);
        assert!(rendered.starts_with("error: gone"), "{rendered}");
    }
}
