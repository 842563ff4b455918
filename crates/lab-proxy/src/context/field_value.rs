//! Field values that variables have made.

/// Replaces control characters by spaces (RFC 9110 §5.5). A variable can hold a line end that a client escaped: `$uri` of
/// `/%0d%0aX-Admin:1`.
pub(crate) fn replace_control_characters(value: &mut [u8]) {
    for byte in value {
        if (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f {
            *byte = b' ';
        }
    }
}
