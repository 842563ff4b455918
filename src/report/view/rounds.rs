//! Selects rounds of a record, and positions within them.

use crate::record::{Measured, Record, RoundRecord};

/// The valid rounds of a stack under a load.
#[must_use]
pub fn valid_rounds<'a>(record: &'a Record, load: &'a str, stack: &'a str) -> Vec<&'a Measured> {
    let rounds = record.rounds.iter().filter(move |round| round.load == load && round.stack == stack);
    rounds.filter_map(RoundRecord::valid).collect()
}

/// At most `most` of the indices below `count`, evenly spaced, including the first and the last.
#[must_use]
pub fn evenly_spaced(count: usize, most: usize) -> Vec<usize> {
    if count <= most { (0..count).collect() } else { (0..most).map(|index| index * (count - 1) / (most - 1)).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_evenly_spaced() {
        assert_eq!(evenly_spaced(3, 12), [0, 1, 2]);
        assert_eq!(evenly_spaced(30, 4), [0, 9, 19, 29]);
    }
}
