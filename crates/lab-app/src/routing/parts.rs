//! The parts of a rule between slashes: their matching and their order.

use super::converter::Pattern;

/// One step of the matcher. Equal parts share a state, so names and conversions are stored elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// A literal segment.
    Static(String),
    /// A segment with converters, or with `takes_rest` the whole rest of the path.
    Dynamic(DynamicPart),
}

/// A part with converters.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DynamicPart {
    pub(super) pieces: Vec<Piece>,
    /// The part matches the whole rest of the path, including slashes (`final` in werkzeug).
    pub(super) takes_rest: bool,
    /// The rule ends with a slash after a converter that matches slashes: the slash is optional here, and the next
    /// state decides whether to redirect (`suffixed` in werkzeug).
    pub(super) optional_slash: bool,
    pub(super) weight: Weight,
}

/// A literal or a converter inside a part.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Literal(String),
    Variable(Pattern),
}

/// werkzeug's `Weighting`, compared field by field; the smaller part is tried first: more literals before fewer, longer
/// literals before shorter, more converters before fewer, lighter converters before heavier.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    minus_literals: isize,
    literals: Vec<(usize, isize)>,
    minus_variables: isize,
    variables: Vec<u32>,
}

/// The unmatched end of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suffix {
    None,
    /// The optional trailing slash.
    Slash,
}

impl Weight {
    pub(super) fn add_literal(&mut self, literal: &str) {
        self.literals.push((self.literals.len(), -literal.chars().count().cast_signed()));
        self.minus_literals -= 1;
    }

    pub(super) fn add_variable(&mut self, pattern: &Pattern) {
        self.variables.push(pattern.weight());
        self.minus_variables -= 1;
    }
}

impl DynamicPart {
    /// Matches all of `text`, and appends the match of each converter to `values`, which is unchanged without a match.
    pub(super) fn matches<'p>(&self, text: &'p str, values: &mut Vec<&'p str>) -> Option<Suffix> {
        let before = values.len();
        let suffix = match_pieces(&self.pieces, text, self.optional_slash, text, values);
        if suffix.is_none() {
            values.truncate(before);
        }
        suffix
    }
}

fn match_pieces<'p>(
    pieces: &[Piece],
    rest: &'p str,
    optional_slash: bool,
    whole: &'p str,
    values: &mut Vec<&'p str>,
) -> Option<Suffix> {
    match pieces {
        [] => match rest {
            _ if !optional_slash => rest.is_empty().then_some(Suffix::None),
            // `(?<!/)(/?)\Z`: no slash may precede the optional one.
            "" if !whole.ends_with('/') => Some(Suffix::None),
            "/" if !whole[..whole.len() - 1].ends_with('/') => Some(Suffix::Slash),
            _ => None,
        },
        [Piece::Literal(literal), pieces @ ..] => {
            match_pieces(pieces, rest.strip_prefix(literal.as_str())?, optional_slash, whole, values)
        }
        [Piece::Variable(pattern), pieces @ ..] => {
            let position = values.len();
            let mut found = None;
            pattern.try_lengths(rest, |length| {
                values.truncate(position);
                values.push(&rest[..length]);
                found = match_pieces(pieces, &rest[length..], optional_slash, whole, values);
                found.is_some()
            });
            found
        }
    }
}
