//! The parts of a rule between slashes: how one matches, and which of two is tried first.

use super::converter::Pattern;

/// One step of the matcher. Parts that are equal share a state, so names and conversions stand elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// A segment that has to be exactly this.
    Static(String),
    /// A segment, or with `takes_rest` the whole rest of the path, that holds converters.
    Dynamic(DynamicPart),
}

/// A part with converters in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DynamicPart {
    pub(super) pieces: Vec<Piece>,
    /// It matches all of the remaining path, slashes included (`final` in werkzeug).
    pub(super) takes_rest: bool,
    /// Its rule ends with a slash after a converter that matches slashes: the slash is optional here, and the
    /// next state says whether to redirect (`suffixed` in werkzeug).
    pub(super) optional_slash: bool,
    pub(super) weight: Weight,
}

/// A literal or a converter inside a part.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Literal(String),
    Variable(Pattern),
}

/// werkzeug's `Weighting`, compared field by field; the smaller part is tried first. So: more literals before
/// fewer, longer literals before shorter, more converters before fewer, lighter converters before heavier.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weight {
    minus_literals: isize,
    literals: Vec<(usize, isize)>,
    minus_variables: isize,
    variables: Vec<u32>,
}

/// What a dynamic part left of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suffix {
    /// All of it was matched.
    None,
    /// All but the optional slash at the end.
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
    /// Matches the whole of `text`, adding what each converter matched to `values`. Leaves `values` as it was
    /// when there is no match.
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
            // `(?<!/)(/?)\Z`: what stands before the optional slash must not end with one.
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
            pattern.offer_lengths(rest, |length| {
                values.truncate(position);
                values.push(&rest[..length]);
                found = match_pieces(pieces, &rest[length..], optional_slash, whole, values);
                found.is_some()
            });
            found
        }
    }
}
