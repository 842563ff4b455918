//! The alphabets of HTTP: which byte may stand where.

/// Whether `byte` may stand in a token: a method, a field name, a coding (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether all of `text` is one token; an empty text is none.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

/// Whether all of `text` may stand in a field value: no control character but the tab (RFC 9110 §5.5).
///
/// Looks at every byte without leaving early, which compilers turn into vector instructions.
pub(crate) fn is_field_value(text: &[u8]) -> bool {
    let is_bad = |byte: u8| (byte < 0x20 && byte != b'\t') || byte == 0x7f;
    let has_bad = |word: &[u8; 8]| may_have_control(u64::from_ne_bytes(*word)) && word.iter().any(|&byte| is_bad(byte));
    let (words, _) = text.as_chunks::<8>();
    match text.last_chunk::<8>() {
        // what the words leave over is looked at with some of the last of them
        Some(last) => !words.iter().any(has_bad) && !has_bad(last),
        None => !text.iter().any(|&byte| is_bad(byte)),
    }
}

/// Where the first byte lies that cannot be part of a token; none if all can.
#[inline]
pub(crate) fn token_length(text: &[u8]) -> Option<usize> {
    let (words, _) = text.as_chunks::<4>();
    let is_whole = |word: &[u8; 4]| word.iter().fold(true, |whole, &byte| whole & is_token_byte(byte));
    let start = 4 * words.iter().take_while(|word| is_whole(word)).count();
    text[start..].iter().position(|&byte| !is_token_byte(byte)).map(|end| start + end)
}

/// Whether one of a word's bytes is below 0x20 or 0x7f; a tab is.
const fn may_have_control(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES * 0x80;
    // the highest bit of a byte is set by the subtraction if the byte is smaller, and was not set before
    let is_low = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let is_delete = delete.wrapping_sub(ONES) & !delete;
    (is_low | is_delete) & HIGHS != 0
}

/// `text` without the spaces and tabs around it (RFC 9110 §5.6.3).
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
    fn every_byte_is_seen_wherever_it_stands() {
        for length in 1..20 {
            for place in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'a'; length];
                    text[place] = byte;
                    let is_allowed = byte == b'\t' || (byte >= 0x20 && byte != 0x7f);
                    assert_eq!(is_field_value(&text), is_allowed, "{byte} at {place} of {length}");
                    let expected = (!is_token_byte(byte)).then_some(place);
                    assert_eq!(token_length(&text), expected, "{byte} at {place} of {length}");
                }
            }
        }
        assert!(is_field_value(b"\t\xff\x80\t\xa0\xe0\t\t\xfe"));
        assert!(!is_field_value(b"\t\t\t\t\t\t\t\x1f"));
    }
}
