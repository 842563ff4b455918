//! `split_clients`: a variable with one of several values, by shares.

use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive, parse_number};

#[derive(Debug)]
pub struct SplitClients {
    pub(crate) source: Template,
    /// The ends of the shares in the range of the hash, and the values. The last share may have no end.
    shares: Vec<(Option<u32>, String)>,
}

impl SplitClients {
    /// Reads a block. Returns it with the slot of its variable.
    pub(crate) fn read(
        directive: &Directive,
        reader: &mut ConfigReader<'_>,
    ) -> Result<(usize, SplitClients), ConfError> {
        let source = reader.template(directive, directive.first())?;
        let (mut shares, mut sum, mut end) = (Vec::new(), 0_u64, 0_u64);
        for entry in directive.children() {
            // as in nginx, a value has no variables
            let value = entry.first().to_owned();
            if entry.name == "*" {
                sum = 10_000;
                shares.push((None, value));
                continue;
            }
            let share = percent(&entry.name).ok_or_else(|| entry.invalid(&entry.name, "a share such as 0.5%, or *"))?;
            sum += share;
            if sum > 10_000 {
                let message = "percent total is greater than 100%".to_owned();
                return Err(entry.error(ConfErrorKind::Conflict(message)));
            }
            end += u64::from(u32::MAX) / 10_000 * share;
            shares.push((Some(u32::try_from(end).unwrap_or(u32::MAX)), value));
        }
        let name = directive.arg(1).unwrap_or_default().trim_start_matches('$');
        // OK because the variables were collected from the same directives
        let slot = reader.variables.slot(name).expect("the variable of a split_clients is defined");
        Ok((slot, SplitClients { source, shares }))
    }

    /// The value for a text.
    #[must_use]
    pub fn find(&self, text: &[u8]) -> Option<&str> {
        let hash = murmur2(text);
        self.shares.iter().find(|(end, _)| end.is_none_or(|end| hash < end)).map(|(_, value)| value.as_str())
    }
}

/// Hundredths of a percent.
fn percent(text: &str) -> Option<u64> {
    let number = text.strip_suffix('%')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = format!("{fraction:0<2}");
    let whole: u64 = parse_number(whole).filter(|_| !whole.is_empty())?;
    let fraction: u64 = parse_number(&fraction).filter(|_| fraction.len() == 2)?;
    Some(whole * 100 + fraction).filter(|share| *share > 0)
}

/// MurmurHash2 with a seed of zero, which nginx uses.
fn murmur2(text: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    // as in nginx, the length counts modulo 2^32
    let mut hash = text.len() as u32;
    let mut blocks = text.chunks_exact(4);
    for block in blocks.by_ref() {
        // OK because blocks have four bytes
        let mut mixed = u32::from_le_bytes(block.try_into().expect("four bytes")).wrapping_mul(M);
        mixed = (mixed ^ mixed >> 24).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ mixed;
    }
    let rest = blocks.remainder();
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages() {
        for (text, expected) in [
            ("50%", Some(5000)),
            ("0.5%", Some(50)),
            ("1.25%", Some(125)),
            ("*", None),
            ("0%", None),
            ("1.234%", None),
            ("x%", None),
        ] {
            assert_eq!(percent(text), expected, "{text}");
        }
    }

    #[test]
    fn hash_is_murmur2() {
        // from the reference implementation
        assert_eq!(murmur2(b""), 0);
        assert_ne!(murmur2(b"a"), murmur2(b"b"));
    }
}
