//! The character classes of HTTP's grammar.

/// Whether `byte` can be part of a token, such as a method, a field name or a coding (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether `text` is a token. The empty text is not.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// Whether `text` has no control character except the tab, as in a field value (RFC 9110 §5.5).
///
/// Tests eight bytes at a time.
pub(crate) fn is_field_value(text: &[u8]) -> bool {
    let is_bad = |byte: u8| (byte < 0x20 && byte != b'\t') || byte == 0x7f;
    let has_bad = |word: &[u8; 8]| may_have_control(u64::from_ne_bytes(*word)) && word.iter().any(|&byte| is_bad(byte));
    let (words, _) = text.as_chunks::<8>();
    match text.last_chunk::<8>() {
        // the last word overlaps the one before it and covers the remaining bytes
        Some(last) => !words.iter().any(has_bad) && !has_bad(last),
        None => !text.iter().any(|&byte| is_bad(byte)),
    }
}

/// The position of the first byte that cannot be part of a token; none if all can.
#[inline]
pub(crate) fn token_length(text: &[u8]) -> Option<usize> {
    let (words, _) = text.as_chunks::<4>();
    let is_whole = |word: &[u8; 4]| word.iter().fold(true, |whole, &byte| whole & is_token_byte(byte));
    let start = 4 * words.iter().take_while(|word| is_whole(word)).count();
    text[start..].iter().position(|&byte| !is_token_byte(byte)).map(|end| start + end)
}

/// Whether any byte of the word is below 0x20, a tab included, or equals 0x7f.
const fn may_have_control(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES * 0x80;
    // the subtraction sets a byte's highest bit if the byte was smaller; `!word` excludes bytes that had it set
    let is_low = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    (is_low | is_delete) & HIGHS != 0
}

/// `text` without surrounding spaces and tabs (RFC 9110 §5.6.3).
pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(
            byte as u8,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        ) || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_tested_at_every_position() {
        for length in 1..20 {
            for position in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'a'; length];
                    text[position] = byte;
                    let is_allowed = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
                    assert_eq!(is_field_value(&text), is_allowed, "{byte} at {position} of {length}");
                    let expected = (!is_token_byte(byte)).then_some(position);
                    assert_eq!(token_length(&text), expected, "{byte} at {position} of {length}");
                }
            }
        }
        assert!(is_field_value(b"\t\xff\x80\t\xa0\xe0\t\t\xfe"));
        assert!(!is_field_value(b"\t\t\t\t\t\t\t\x1f"));
    }
}
