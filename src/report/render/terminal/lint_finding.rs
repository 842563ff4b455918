//! A finding of `lab lint`: its location with a caret, the reason and the fix.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str};

use crate::lint::{Finding, Severity};

/// A finding with its line of `text`, the content of its file. ANSI colours if `color`; no newline at the end.
#[must_use]
pub fn render(finding: &Finding, text: &str, color: bool) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Advice => Level::INFO.with_name("advice"),
    };
    let path = finding.location.file.display().to_string();
    let start = finding.location.span.start.min(text.len());
    let end = finding.location.span.end.clamp(start, text.len());
    // In a block, one caret under the first line says more than one under each.
    let first_line = text[start..end].split(['\r', '\n']).next().unwrap_or_default().trim_end();
    let annotation = AnnotationKind::Primary.span(start..start + first_line.len());
    let note = |name: &'static str, text: &str| Level::NOTE.with_name(name).message(normalize_untrusted_str(text));
    let group = level
        .primary_title(normalize_untrusted_str(&finding.message))
        .id(finding.rule)
        .element(Snippet::source(text).path(path).annotation(annotation))
        .element(note("why", finding.why))
        .element(note("fix", &finding.fix));
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// The number of findings by severity, in one line.
#[must_use]
pub fn summary(findings: &[Finding]) -> String {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let named = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        more => Some(format!("{more} {many}")),
    };
    let parts = [
        named(count(Severity::Error), "error", "errors"),
        named(count(Severity::Warning), "warning", "warnings"),
        named(count(Severity::Advice), "piece of advice", "pieces of advice"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "nothing found".to_owned() } else { parts.join(", ") }
}
