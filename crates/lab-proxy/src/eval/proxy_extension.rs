//! `$proxy_protocol_tlv_…`: the extensions of a PROXY header.

use lab_http::h1::write::decimal;
use lab_net::proxy_protocol::{extension_list, extensions};

/// The types of extensions with a name (HAProxy's `proxy-protocol.txt`, §2.2).
const TYPES: [(&str, u8); 5] =
    [("alpn", 0x01), ("authority", 0x02), ("unique_id", 0x05), ("ssl", SSL), ("netns", 0x30)];

const SSL: u8 = 0x20;

/// The types of the extensions within that of SSL.
const SSL_TYPES: [(&str, u8); 5] =
    [("version", 0x21), ("cn", 0x22), ("cipher", 0x23), ("sig_alg", 0x24), ("key_alg", 0x25)];

/// The bytes in front of the extensions within that of SSL: flags, and the result of the verification.
const SSL_FIXED: usize = 5;

/// Appends the value of an extension. False if the header does not have it.
pub(super) fn write(header: &[u8], name: &str, out: &mut Vec<u8>) -> bool {
    let find = |wanted: u8| extensions(header).find(|(own, _)| *own == wanted).map(|(_, value)| value);
    let number = name.strip_prefix("0x").filter(|digits| digits.len() == 2);
    let number = number.and_then(|digits| u8::from_str_radix(digits, 16).ok());
    let value = if let Some(part) = name.strip_prefix("ssl_") {
        let Some((fixed, list)) = find(SSL).and_then(|value| value.split_at_checked(SSL_FIXED)) else { return false };
        if part == "verify" {
            let verify = fixed[1..].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            decimal(out, verify);
            return true;
        }
        let wanted = SSL_TYPES.iter().find(|(own, _)| *own == part).map(|(_, number)| *number);
        wanted.and_then(|wanted| extension_list(list).find(|(own, _)| *own == wanted)).map(|(_, value)| value)
    } else {
        let named = TYPES.iter().find(|(own, _)| *own == name).map(|(_, number)| *number);
        named.or(number).and_then(find)
    };
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_found_by_name_and_number() {
        let ssl = [&b"\x01\0\0\x01\x02"[..], b"\x21\0\x07TLSv1.3", b"\x22\0\x01c"].concat();
        let tail =
            [&b"\x01\0\x02h2"[..], b"\x20\0", &[u8::try_from(ssl.len()).unwrap()], &ssl, b"\xe0\0\x01x"].concat();
        let length = u8::try_from(12 + tail.len()).unwrap();
        let header = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"[..], &[length], &[0; 12], &tail].concat();
        for (name, expected) in [
            ("alpn", Some(&b"h2"[..])),
            ("0x01", Some(b"h2")),
            ("0xe0", Some(b"x")),
            ("ssl", Some(&ssl)),
            ("ssl_verify", Some(b"258")),
            ("ssl_version", Some(b"TLSv1.3")),
            ("ssl_cn", Some(b"c")),
            ("ssl_cipher", None),
            ("authority", None),
            ("nothing", None),
            ("0x1", None),
        ] {
            let mut out = Vec::new();
            let has_value = write(&header, name, &mut out);
            assert_eq!(has_value.then_some(&*out), expected, "{name}");
        }
    }
}
