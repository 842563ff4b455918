//! An SVG document: shapes, text and one style sheet. No scripts and no embedded fonts.

use std::fmt::Write as _;

pub(super) struct Drawing {
    width: u32,
    body: String,
}

/// The part of a text that its position refers to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Drawing {
    /// `width` is in pixels.
    pub(super) fn new(width: u32) -> Drawing {
        Drawing { width, body: String::new() }
    }

    pub(super) fn rectangle(&mut self, class: &str, [x, y, width, height]: [f64; 4], round: f64) {
        let _ = writeln!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="{round}"/>"#
        );
    }

    pub(super) fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        let _ = writeln!(self.body, r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#);
    }

    pub(super) fn dot(&mut self, class: &str, [x, y]: [f64; 2], radius: f64) {
        let _ = writeln!(self.body, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius}"/>"#);
    }

    /// `y` is the base line.
    pub(super) fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: Anchor, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let words = escaped(words);
        let _ =
            writeln!(self.body, r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{words}</text>"#);
    }

    /// The document. `height` is in pixels; `title` is for screen readers.
    pub(super) fn finish(self, height: f64, title: &str, style: &str) -> String {
        let (width, title, body) = (self.width, escaped(title), self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height:.0}\" viewBox=\"0 0 {width} \
             {height:.0}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n<style>\n{style}</style>\n\
             <rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{:.1}\" height=\"{:.1}\" rx=\"6\"/>\n{body}</svg>\n",
            f64::from(width) - 1.0,
            height - 1.0,
        )
    }
}

/// Escapes text for XML, and replaces control characters, which XML does not allow.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let mut drawing = Drawing::new(10);
        drawing.text("t", [0.0, 0.0], Anchor::Start, "<a> & \"b\"\u{1}");
        let svg = drawing.finish(10.0, "x<y", "");
        assert!(
            svg.contains("&lt;a&gt; &amp; &quot;b&quot; </text>") && svg.contains("<title>x&lt;y</title>"),
            "{svg}"
        );
    }
}
