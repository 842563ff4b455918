//! A drawing as SVG text: shapes, words and scales. No scripts, no fonts of its own; one style sheet with a light and a
//! dark half.

use std::fmt::Write as _;

/// A drawing that grows downwards.
pub(super) struct Drawing {
    width: u32,
    body: String,
}

/// Where a text is held.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    /// At its first letter.
    Start,
    /// In its middle.
    Middle,
    /// At its last letter.
    End,
}

impl Drawing {
    /// An empty one, so many pixels wide.
    pub(super) fn new(width: u32) -> Drawing {
        Drawing { width, body: String::new() }
    }

    /// A filled rectangle of a class.
    pub(super) fn rectangle(&mut self, class: &str, [x, y, width, height]: [f64; 4], round: f64) {
        let _ = writeln!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="{round}"/>"#
        );
    }

    /// A line of a class.
    pub(super) fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        let _ = writeln!(self.body, r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#);
    }

    /// A dot of a class.
    pub(super) fn dot(&mut self, class: &str, [x, y]: [f64; 2], radius: f64) {
        let _ = writeln!(self.body, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius}"/>"#);
    }

    /// Words of a class; `y` is their base line.
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

    /// The document, so many pixels high; `title` is for those who cannot see it.
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

/// Text in XML. What XML cannot hold at all is replaced.
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

/// From values to pixels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    from: [f64; 2],
    to: [f64; 2],
    is_log: bool,
    /// Values that have a line and a label.
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    /// From 0 to `most`, over the pixels `to`, with at most eight round ticks.
    pub(super) fn linear(most: f64, to: [f64; 2]) -> Scale {
        let most = if most > 0.0 { most } else { 1.0 };
        let magnitude = 10f64.powf((most / 7.0).log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
        let step = steps.into_iter().find(|step| most / step <= 7.0).unwrap_or(steps[3]);
        let ticks = (0..).map(|tick| f64::from(tick) * step).take_while(|tick| *tick <= most * 1.0001).collect();
        Scale { from: [0.0, most], to, is_log: false, ticks }
    }

    /// From at most `least` to at least `most`, logarithmic, from one power of ten (or twice or five times one) to
    /// another; a tick at each power of ten.
    pub(super) fn logarithmic(least: f64, most: f64, to: [f64; 2]) -> Scale {
        let rounds = |exponent: i32| [1.0, 2.0, 5.0].map(|digit: f64| digit * 10f64.powi(exponent));
        let all: Vec<f64> = (-3..10).flat_map(rounds).collect();
        let low = all.iter().copied().rfind(|round| *round <= least).unwrap_or(all[0]);
        let high = all.iter().copied().find(|round| *round >= most).unwrap_or(most);
        let ticks = (-3..10).map(|exponent| 10f64.powi(exponent)).filter(|tick| (low..=high).contains(tick)).collect();
        Scale { from: [low, high.max(low * 2.0)], to, is_log: true, ticks }
    }

    /// Where a value lies.
    pub(super) fn at(&self, value: f64) -> f64 {
        let [low, high] = self.from;
        let share = match self.is_log {
            true => (value / low).ln() / (high / low).ln(),
            false => (value - low) / (high - low),
        };
        self.to[0] + share.clamp(0.0, 1.0) * (self.to[1] - self.to[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_scale() {
        assert_eq!(
            Scale::linear(64_000.0, [0.0, 1.0]).ticks,
            [0.0, 10_000.0, 20_000.0, 30_000.0, 40_000.0, 50_000.0, 60_000.0]
        );
        assert_eq!(Scale::linear(9.0, [0.0, 1.0]).ticks, [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(Scale::linear(0.0, [0.0, 1.0]).ticks.len(), 6);
        assert_eq!(Scale::logarithmic(8.0, 1_200.0, [0.0, 1.0]).ticks, [10.0, 100.0, 1_000.0]);
    }

    #[test]
    fn values_lie_where_they_should() {
        let linear = Scale::linear(100.0, [10.0, 20.0]);
        assert_eq!([0.0, 50.0, 100.0, 200.0].map(|value| linear.at(value)), [10.0, 15.0, 20.0, 20.0]);
        let logarithmic = Scale::logarithmic(1.0, 100.0, [0.0, 2.0]);
        assert!((logarithmic.at(10.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_means_something_in_xml_is_text() {
        let mut drawing = Drawing::new(10);
        drawing.text("t", [0.0, 0.0], Anchor::Start, "<a> & \"b\"\u{1}");
        let svg = drawing.finish(10.0, "x<y", "");
        assert!(
            svg.contains("&lt;a&gt; &amp; &quot;b&quot; </text>") && svg.contains("<title>x&lt;y</title>"),
            "{svg}"
        );
    }
}
