//! Evaluates `$secure_link` and `$secure_link_expires`.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use md5::{Digest as _, Md5};

use super::Scope;
use crate::config::location::secure_link::SecureLink;

impl SecureLink {
    /// Appends the value of `$secure_link`: `1` for a valid link, `0` for one that has expired; or the path that a secret
    /// protects. False if the link is not valid.
    pub(super) fn write(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> bool {
        match self {
            SecureLink::Hash { link, text } => {
                let link = link.value(scope);
                let Some((hash, expires)) = split(&link) else { return false };
                if decode(hash).as_deref() != Some(&*Md5::digest(text.value(scope))) {
                    return false;
                }
                let now = scope.outcome.now.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
                let has_expired = expires.is_some_and(|(_, time)| time < now);
                out.push(if has_expired { b'0' } else { b'1' });
                true
            }
            SecureLink::Secret(secret) => {
                let Some(request) = scope.request else { return false };
                let target = request.target.origin_form(request.head);
                let mut segments = target.splitn(4, |&byte| byte == b'/').skip(2);
                let (Some(hash), Some(rest)) = (segments.next(), segments.next()) else { return false };
                let expected = Md5::digest([rest, secret.as_bytes()].concat());
                let is_valid = hash.len() == 32
                    && std::iter::zip(hash.chunks(2), &*expected).all(|(digits, byte)| {
                        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'));
                        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) == Some(*byte)
                    });
                if is_valid {
                    out.extend_from_slice(rest);
                }
                is_valid
            }
        }
    }

    /// Appends the value of `$secure_link_expires`. False if the link does not expire.
    pub(super) fn write_expires(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> bool {
        let SecureLink::Hash { link, .. } = self else { return false };
        let link = link.value(scope);
        let Some((_, Some((text, _)))) = split(&link) else { return false };
        out.extend_from_slice(text);
        true
    }
}

/// A time as it was written, and in seconds since 1970.
type Expiry<'l> = (&'l [u8], u64);

/// The hash and the expiry. None if the expiry is invalid.
fn split(link: &[u8]) -> Option<(&[u8], Option<Expiry<'_>>)> {
    let Some(comma) = memchr::memchr(b',', link) else { return Some((link, None)) };
    let text = &link[comma + 1..];
    let time = std::str::from_utf8(text).ok().filter(|text| !text.is_empty()).and_then(lab_nginx_conf::parse_number)?;
    (time > 0).then_some((&link[..comma], Some((text, time))))
}

/// Decodes base64url, as nginx does: everything behind a `=` is ignored, and so are leftover bits.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));
    let end = memchr::memchr(b'=', text).unwrap_or(text.len());
    LENIENT.decode(&text[..end]).ok().filter(|_| text.len() <= 24)
}
