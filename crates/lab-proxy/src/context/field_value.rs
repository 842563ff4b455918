//! Field values that come from variables.

/// Replaces control characters with spaces (RFC 9110 §5.5). A variable can contain a line break that a client escaped:
/// `$uri` of `/%0d%0aX-Admin:1`.
pub(crate) fn replace_control_characters(value: &mut [u8]) {
    for byte in value {
        if (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f {
            *byte = b' ';
        }
    }
}
