//! Which pending snapshots cannot be accepted. Pure.

use super::ratios::Ratios;
use lab_stats::decision::ALPHA;
use lab_stats::signed_rank::min_sample_size;

/// The end of the name of a snapshot of ratios.
pub const RATIOS: &str = ".ratios";

/// The name of the snapshot of a scenario's ratios.
#[must_use]
pub fn ratios_name(scenario: &str) -> String {
    format!("{scenario}{RATIOS}")
}

/// Why a snapshot cannot be accepted; `None` if it can.
#[must_use]
pub fn refusal(name: &str, content: &str) -> Option<String> {
    if !name.ends_with(RATIOS) {
        return None;
    }
    match Ratios::parse(content) {
        Ok(ratios) => refused_ratios(&ratios),
        Err(error) => Some(format!("they are damaged: {}", error.message())),
    }
}

/// Why ratios are nothing to compare later runs with: a stack has no valid round, or too few for an interval.
#[must_use]
pub fn refused_ratios(ratios: &Ratios) -> Option<String> {
    if let Some(void) = ratios.void.first() {
        return Some(format!("there is no ratio of {void}: no block has valid rounds of it and its reference"));
    }
    // Each side of a comparison gets half of the error.
    let needed = min_sample_size(ALPHA / 2.0);
    let poor = ratios.ratios.iter().find(|ratio| ratio.blocks.len() < needed)?;
    let blocks = match poor.blocks.len() {
        1 => "1 pair".to_owned(),
        pairs => format!("{pairs} pairs"),
    };
    let (metric, stack, load) = (&poor.metric, &poor.stack, &poor.load);
    Some(format!("{metric} of {stack} under {load} is from {blocks} of valid rounds, and a comparison takes {needed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_without_enough_valid_rounds_are_refused() {
        let ratios = |blocks: usize, void: &str| {
            let blocks = vec!["1.0"; blocks].join(", ");
            format!(
                "machine = \"m\"\nvoid = [{void}]\n\n[[ratio]]\nload = \"l\"\nstack = \"s\"\nreference = \"r\"\n\
                 metric = \"p50\"\nratio = 1.0\nblocks = [{blocks}]\n"
            )
        };
        assert_eq!(refusal("a.ratios", &ratios(7, "")), None);
        let few = refusal("a.ratios", &ratios(6, "")).unwrap();
        assert_eq!(few, "p50 of s under l is from 6 pairs of valid rounds, and a comparison takes 7");
        let void = refusal("a.ratios", &ratios(7, "\"t under l\"")).unwrap();
        assert_eq!(void, "there is no ratio of t under l: no block has valid rounds of it and its reference");
        assert!(refusal("a.ratios", "machine").unwrap().starts_with("they are damaged: "));
        assert_eq!(refusal("a", "anything"), None);
    }
}
