//! OpenSSL's cipher lists: names and classes of cipher suites, with operators (openssl-ciphers(1)).

use rustls::SupportedCipherSuite;

use super::cipher_suites::SUITES;

/// The cipher suites of TLS 1.2 that a list selects, most preferred first.
#[derive(Debug, Clone, PartialEq)]
pub struct CipherList {
    pub suites: Vec<SupportedCipherSuite>,
    /// The words that were meant to add suites, but add none that the provider has.
    pub unsupported: Vec<String>,
}

/// What a word does with the suites that it names.
#[derive(Clone, Copy, PartialEq)]
enum Operator {
    Add,
    /// `+`: moves selected suites to the end.
    MoveToEnd,
    /// `-`: removes suites, which a later word may add again.
    Remove,
    /// `!`: removes suites for good.
    Exclude,
}

impl CipherList {
    /// Evaluates a list, from left to right. As in OpenSSL, an unknown word selects nothing.
    #[must_use]
    pub fn parse(text: &str) -> CipherList {
        let mut selected: Vec<usize> = Vec::new();
        let mut excluded = [false; SUITES.len()];
        let mut unsupported = Vec::new();
        // a command needs no separator in front
        let text = text.replace('@', ":@");
        for word in text.split([':', ',', ' ', ';']).filter(|word| !word.is_empty()) {
            // sorting by strength keeps this order, and the provider has no suite below any security level
            if word.starts_with('@') {
                continue;
            }
            let (operator, names) = match word.as_bytes()[0] {
                b'+' => (Operator::MoveToEnd, &word[1..]),
                b'-' => (Operator::Remove, &word[1..]),
                b'!' => (Operator::Exclude, &word[1..]),
                _ => (Operator::Add, word),
            };
            let matching: Vec<usize> =
                (0..SUITES.len()).filter(|&suite| is_selected_by(SUITES[suite].0, names)).collect();
            match operator {
                Operator::Add => {
                    if matching.is_empty() {
                        unsupported.push(word.to_owned());
                    }
                    for suite in matching {
                        if !excluded[suite] && !selected.contains(&suite) {
                            selected.push(suite);
                        }
                    }
                }
                Operator::MoveToEnd => {
                    let (moved, kept) = selected.iter().partition::<Vec<usize>, _>(|suite| matching.contains(suite));
                    selected = [kept, moved].concat();
                }
                Operator::Remove | Operator::Exclude => {
                    selected.retain(|suite| !matching.contains(suite));
                    if operator == Operator::Exclude {
                        matching.into_iter().for_each(|suite| excluded[suite] = true);
                    }
                }
            }
        }
        CipherList { suites: selected.into_iter().map(|suite| *SUITES[suite].1).collect(), unsupported }
    }
}

/// Whether a suite has all properties of a word such as `ECDHE+AESGCM`.
fn is_selected_by(suite: &str, word: &str) -> bool {
    word.split('+').all(|name| {
        let has = |part: &str| suite.split('-').any(|own| own == part);
        match name {
            "ALL" | "DEFAULT" | "HIGH" | "TLSv1.2" => true,
            "ECDH" | "ECDHE" | "EECDH" | "kECDHE" | "kEECDH" => true,
            "ECDSA" | "aECDSA" => has("ECDSA"),
            "aRSA" => has("RSA"),
            "AESGCM" | "AES" | "FIPS" => has("GCM"),
            "AES128" | "AES256" => has(name),
            "CHACHA20" => has(name),
            name => name == suite,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> (String, Vec<String>) {
        let list = CipherList::parse(text);
        let name = |suite: &SupportedCipherSuite| {
            let found = SUITES.iter().find(|(_, own)| own.suite() == suite.suite());
            found.unwrap().0.replace("ECDHE-", "").replace("-GCM-", "-").replace("-POLY1305", "")
        };
        (list.suites.iter().map(name).collect::<Vec<_>>().join(" "), list.unsupported)
    }

    #[test]
    fn lists_select_what_openssl_selects() {
        for (text, expected) in [
            (
                "HIGH:!aNULL:!MD5",
                "ECDSA-AES256-SHA384 RSA-AES256-SHA384 ECDSA-CHACHA20 RSA-CHACHA20 ECDSA-AES128-SHA256 RSA-AES128-SHA256",
            ),
            ("EECDH+AESGCM", "ECDSA-AES256-SHA384 RSA-AES256-SHA384 ECDSA-AES128-SHA256 RSA-AES128-SHA256"),
            ("ECDHE+aRSA+CHACHA20", "RSA-CHACHA20"),
            ("ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES128-GCM-SHA256", "RSA-AES128-SHA256 ECDSA-AES128-SHA256"),
            ("ALL:+aECDSA:!AES128:-CHACHA20", "RSA-AES256-SHA384 ECDSA-AES256-SHA384"),
            ("!AES256:ALL:!CHACHA20", "ECDSA-AES128-SHA256 RSA-AES128-SHA256"),
            ("DEFAULT:@SECLEVEL=2:-AES:CHACHA20:@STRENGTH", "ECDSA-CHACHA20 RSA-CHACHA20"),
            ("CHACHA20@SECLEVEL=1", "ECDSA-CHACHA20 RSA-CHACHA20"),
            ("ECDH+AESGCM+AES128:!aNULL", "ECDSA-AES128-SHA256 RSA-AES128-SHA256"),
        ] {
            assert_eq!(names(text), (expected.to_owned(), Vec::new()), "{text}");
        }
    }

    #[test]
    fn words_without_a_suite_are_reported() {
        let (selected, unsupported) = names("ECDHE+CHACHA20+aRSA:DHE-RSA-AES128-GCM-SHA256:kRSA:!DES:SHA256");
        assert_eq!(selected, "RSA-CHACHA20");
        assert_eq!(unsupported, ["DHE-RSA-AES128-GCM-SHA256", "kRSA", "SHA256"]);
    }
}
