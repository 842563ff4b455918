//! `sub_filter`: replaces texts in responses.

use aho_corasick::{AhoCorasick, MatchKind};

use super::change_validators;
use super::progress::Progress;
use crate::config::logs::Severity;
use crate::context::RequestContext;
use crate::response::{BodyError, Response};

/// Has the texts of the location replaced, if the response is of its types.
pub(super) fn apply(context: &RequestContext<'_>, response: &mut Response) -> Option<Substitution> {
    let rules = context.config().sub_filter.as_ref()?;
    let fields = response.head.fields();
    if !rules.types.contains(fields.get("content-type")) || fields.get("content-length") == Some(b"0") {
        return None;
    }
    let scope = context.scope();
    let pairs = rules.pairs.iter().map(|pair| (pair.search.value(&scope), pair.replacement.value(&scope)));
    // as in nginx: a variable may turn out to be empty
    let pairs: Vec<_> = pairs.filter(|(search, _)| !search.is_empty()).collect();
    if pairs.is_empty() {
        return None;
    }
    let substitution = match Substitution::new(pairs, rules.once) {
        Ok(substitution) => substitution,
        Err(message) => {
            context.log_error(Severity::Error, &message, None);
            return None;
        }
    };
    response.head.fields_mut().remove("Content-Length");
    change_validators(&mut response.head, rules.keeps_last_modified);
    response.ranges = None;
    (!context.is_head()).then_some(substitution)
}

/// Replaces texts in content that arrives in pieces.
#[derive(Debug)]
pub(crate) struct Substitution {
    pairs: Vec<Pair>,
    /// Finds the active pairs; none if there are none left.
    searcher: Option<AhoCorasick>,
    /// The active pairs, by the numbers of the searcher.
    active: Vec<usize>,
    once: bool,
    /// The end of the content so far, which may be the beginning of a text.
    held: Vec<u8>,
}

#[derive(Debug)]
struct Pair {
    search: Vec<u8>,
    replacement: Vec<u8>,
    is_used: bool,
}

impl Substitution {
    fn new(pairs: Vec<(Vec<u8>, Vec<u8>)>, once: bool) -> Result<Substitution, String> {
        let pairs = pairs.into_iter().map(|(search, replacement)| Pair { search, replacement, is_used: false });
        let mut substitution =
            Substitution { pairs: pairs.collect(), searcher: None, active: Vec::new(), once, held: Vec::new() };
        substitution.build()?;
        Ok(substitution)
    }

    /// Prepares the search for the pairs that may still be used.
    fn build(&mut self) -> Result<(), String> {
        self.active = (0..self.pairs.len()).filter(|&index| !(self.once && self.pairs[index].is_used)).collect();
        self.searcher = if self.active.is_empty() {
            None
        } else {
            let texts = self.active.iter().map(|&index| &self.pairs[index].search);
            let mut builder = AhoCorasick::builder();
            builder.ascii_case_insensitive(true).match_kind(MatchKind::LeftmostFirst);
            Some(builder.build(texts).map_err(|error| format!("sub_filter: {error}"))?)
        };
        Ok(())
    }

    pub(super) fn push(&mut self, input: &[u8], progress: Progress, out: &mut Vec<u8>) -> Result<(), BodyError> {
        self.held.extend_from_slice(input);
        let content = std::mem::take(&mut self.held);
        let mut rest = &content[..];
        loop {
            let Some(searcher) = &self.searcher else {
                out.extend_from_slice(rest);
                return Ok(());
            };
            let partial = if progress == Progress::Finish { None } else { self.partial_match(rest) };
            let found = searcher.find(rest).map(|found| (found.start(), found.end(), found.pattern().as_usize()));
            // what is incomplete goes first, as in nginx, if it begins earlier, or is earlier in the file
            let found = found.filter(|(start, _, number)| partial.is_none_or(|partial| (*start, *number) < partial));
            let Some((start, end, number)) = found else {
                let (passed, held) = rest.split_at(partial.map_or(rest.len(), |(start, _)| start));
                out.extend_from_slice(passed);
                self.held.extend_from_slice(held);
                return Ok(());
            };
            let pair = &mut self.pairs[self.active[number]];
            out.extend_from_slice(&rest[..start]);
            out.extend_from_slice(&pair.replacement);
            rest = &rest[end..];
            pair.is_used = true;
            if self.once {
                self.build().map_err(BodyError::Filter)?;
            }
        }
    }

    /// The first end of the content that is the beginning of a text, and the number of that text.
    fn partial_match(&self, content: &[u8]) -> Option<(usize, usize)> {
        let texts = || self.active.iter().map(|&index| &*self.pairs[index].search);
        let longest = texts().map(<[u8]>::len).max()?;
        (content.len().saturating_sub(longest - 1)..content.len()).find_map(|start| {
            let end = &content[start..];
            let is_begun = |text: &[u8]| text.len() > end.len() && text[..end.len()].eq_ignore_ascii_case(end);
            Some((start, texts().position(is_begun)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replace(pairs: &[(&str, &str)], once: bool, pieces: &[&str]) -> String {
        let pairs =
            pairs.iter().map(|(search, replacement)| (search.as_bytes().to_vec(), replacement.as_bytes().to_vec()));
        let mut substitution = Substitution::new(pairs.collect(), once).unwrap();
        let mut out = Vec::new();
        for piece in pieces {
            substitution.push(piece.as_bytes(), Progress::AsConvenient, &mut out).unwrap();
        }
        substitution.push(b"", Progress::Finish, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_are_found_across_pieces() {
        let content = "one TWO three two onetwo";
        for size in 1..=content.len() {
            let pieces: Vec<&str> =
                (0..content.len()).step_by(size).map(|at| &content[at..content.len().min(at + size)]).collect();
            let pairs = [("two", "2"), ("one", "1"), ("onetwo", "never")];
            assert_eq!(replace(&pairs, false, &pieces), "1 2 three 2 12", "{size}");
            assert_eq!(replace(&pairs, true, &pieces), "1 2 three two never", "{size}");
            assert_eq!(replace(&[("onetwo", "12"), ("one", "1")], false, &pieces), "1 TWO three two 12", "{size}");
        }
    }

    #[test]
    fn only_beginnings_are_held_back() {
        let mut substitution = Substitution::new(vec![(b"</body>".to_vec(), b"x".to_vec())], true).unwrap();
        let mut out = Vec::new();
        substitution.push(b"data: 1\n\n", Progress::Flush, &mut out).unwrap();
        assert_eq!(out, b"data: 1\n\n");
        substitution.push(b"a</bo", Progress::Flush, &mut out).unwrap();
        assert_eq!(out, b"data: 1\n\na");
        substitution.push(b"x", Progress::Finish, &mut out).unwrap();
        assert_eq!(out, b"data: 1\n\na</box");
    }
}
