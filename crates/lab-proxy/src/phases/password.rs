//! Password files as `htpasswd`, `openssl passwd` and `mkpasswd` write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha1::Sha1;

/// The hash of a user: the text between the first and the second colon of a line. A line that begins with `#` is a
/// comment.
pub(super) fn find<'f>(file: &'f [u8], user: &[u8]) -> Option<&'f [u8]> {
    let lines = file.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
    let mut hashes = lines.filter_map(|line| {
        let rest = line.strip_prefix(user)?.strip_prefix(b":")?;
        let end = rest.iter().position(|byte| matches!(byte, b':' | b'\r'));
        Some(&rest[..end.unwrap_or(rest.len())])
    });
    hashes.next()
}

/// Whether a password has this hash, in a form that nginx knows: `$apr1$`, `{SHA}`, `{SSHA}`, `{PLAIN}`, or a form of
/// crypt(3): DES, MD5, SHA-256, SHA-512 or bcrypt. Any other hash matches no password.
pub(super) fn verify(password: &[u8], hash: &[u8]) -> bool {
    if let Some(rest) = hash.strip_prefix(b"$apr1$") {
        let salt = rest.split(|byte| *byte == b'$').next().unwrap_or_default();
        return is_same(&apr1(password, salt), hash);
    }
    if let Some(digest) = hash.strip_prefix(b"{SHA}") {
        return is_same(STANDARD.encode(Sha1::digest(password)).as_bytes(), digest);
    }
    if let Some(encoded) = hash.strip_prefix(b"{SSHA}") {
        let Ok(digest) = STANDARD.decode(encoded) else { return false };
        let Some((digest, salt)) = digest.split_at_checked(20) else { return false };
        return is_same(&Sha1::new().chain_update(password).chain_update(salt).finalize(), digest);
    }
    if let Some(plain) = hash.strip_prefix(b"{PLAIN}") {
        return is_same(password, plain);
    }
    std::str::from_utf8(hash).is_ok_and(|hash| pwhash::unix::verify(password, hash))
}

/// Compares in a time that does not depend on where the bytes differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |found, (a, b)| found | (a ^ b)) == 0
}

/// Apache's variant of MD5-crypt, as a whole entry.
fn apr1(password: &[u8], salt: &[u8]) -> Vec<u8> {
    const MAGIC: &[u8] = b"$apr1$";
    let salt = &salt[..salt.len().min(8)];
    let mixed = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut first = Md5::new().chain_update(password).chain_update(MAGIC).chain_update(salt);
    for block in password.chunks(16) {
        first.update(&mixed[..block.len()]);
    }
    let mut bits = password.len();
    while bits > 0 {
        first.update(if bits & 1 == 1 { &[0][..] } else { &password[..1] });
        bits >>= 1;
    }
    let mut digest = first.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        let is_odd = round % 2 == 1;
        next.update(if is_odd { password } else { &digest[..] });
        if round % 3 > 0 {
            next.update(salt);
        }
        if round % 7 > 0 {
            next.update(password);
        }
        next.update(if is_odd { &digest[..] } else { password });
        digest = next.finalize();
    }
    let mut out = [MAGIC, salt, b"$"].concat();
    for [high, middle, low] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        let [high, middle, low] = [high, middle, low].map(|index: usize| u32::from(digest[index]));
        push_base64(&mut out, high << 16 | middle << 8 | low, 4);
    }
    push_base64(&mut out, u32::from(digest[11]), 2);
    out
}

/// Appends digits of crypt(3)'s alphabet, the lowest first.
fn push_base64(out: &mut Vec<u8>, number: u32, digits: u32) {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    out.extend((0..digits).map(|place| ALPHABET[(number >> (6 * place)) as usize & 63]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_user() {
        let file = b"# users\nann:x\nbob:y:comment\r\n#cat:z\nann2:w\r\nann:later";
        for (user, expected) in
            [("ann", Some("x")), ("bob", Some("y")), ("ann2", Some("w")), ("cat", None), ("#cat", None), ("an", None)]
        {
            assert_eq!(find(file, user.as_bytes()), expected.map(str::as_bytes), "{user}");
        }
    }

    #[test]
    fn all_forms_are_verified() {
        // from `openssl passwd`, `htpasswd -B` and Apache's documentation
        for hash in [
            "$apr1$lZL6V/ci$eIMz/iKDkbtys/uU7LEK00",
            "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
            "{PLAIN}password",
            "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/",
            "$5$abcdefgh$ZLdkj8mkc2XVSrPVjskDAgZPGjtj1VGVaa1aUkrMTU/",
            "$6$abcdefgh$yVfUwsw5T.JApa8POvClA1pQ5peiq97DUNyXCZN5IrF.BMSkiaLQ5kvpuEm/VQ1Tvh/KV2TcaWh8qinoW5dhA1",
            "$2y$05$bvIG6Nmid91Mu9RcmmWZfO5HJIMCT8riNW0hEp8f6/FuA2/mHZFpe",
        ] {
            assert!(verify(b"password", hash.as_bytes()), "{hash}");
            assert!(!verify(b"Password", hash.as_bytes()), "{hash}");
        }
        for hash in ["", "password", "{SHA}", "{SSHA}x", "$apr1$", "$9$a$b", "$2y$05$x"] {
            assert!(!verify(b"password", hash.as_bytes()), "{hash}");
        }
    }
}
