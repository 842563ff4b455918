//! lab's own settings, for which gunicorn has none. They are given like gunicorn's: in the same file, where gunicorn ignores
//! them, and as flags.

use super::kind::Kind;
use super::table::{DefaultValue, Setting, row};

/// The heading in `--help`.
const OWN: &str = "lab's own (not in gunicorn)";

use DefaultValue as I;
use Kind as K;

/// All of them. [`ConnectionLimits`](lab_worker::ConnectionLimits) is what workers get.
#[rustfmt::skip] // keeps the rows of the table compact
pub static OWN_TABLE: &[Setting] = &[
    row(OWN, "limit_request_body", &["--limit-request-body"], K::Natural, I::Int(1 << 30),
        "The largest request body in bytes; 0 for no limit"),
    row(OWN, "limit_response_spool", &["--limit-response-spool"], K::Natural, I::Int(1 << 30),
        "Bytes of a response that are kept for a slow client before the application waits for it"),
    row(OWN, "spool_share", &["--spool-share"], K::Natural, I::Int(50),
        "The percentage of the free space that the bodies a worker keeps in temporary files may take together"),
    row(OWN, "idle_timeout", &["--idle-timeout"], K::Natural, I::Int(60),
        "Seconds until the first byte of a new connection; 0 for no limit"),
    row(OWN, "request_head_timeout", &["--request-head-timeout"], K::Natural, I::Int(60),
        "Seconds from the first to the last byte of a request's head; 0 for no limit"),
    row(OWN, "request_body_timeout", &["--request-body-timeout"], K::Natural, I::Int(60),
        "Seconds between two reads of a request's body; 0 for no limit"),
    row(OWN, "send_timeout", &["--send-timeout"], K::Natural, I::Int(60),
        "Seconds between two writes of a response; 0 for no limit"),
];

#[cfg(test)]
mod tests {
    use super::super::table::TABLE;
    use super::*;

    #[test]
    fn own_settings_have_names_and_flags_of_their_own() {
        for own in OWN_TABLE {
            let is_same =
                |other: &Setting| other.name == own.name || other.flags.iter().any(|flag| own.flags.contains(flag));
            assert!(!TABLE.iter().any(is_same), "{}", own.name);
            assert_eq!(OWN_TABLE.iter().filter(|other| is_same(other)).count(), 1, "{}", own.name);
        }
    }

    #[test]
    fn defaults_are_the_workers() {
        let defaults = lab_worker::ConnectionLimits::default();
        let value = |name| match OWN_TABLE.iter().find(|setting| setting.name == name).map(|setting| setting.default) {
            Some(DefaultValue::Int(number)) => u64::try_from(number).unwrap(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(value("limit_request_body"), defaults.request_body);
        assert_eq!(value("limit_response_spool"), defaults.response_spool);
        assert_eq!(value("spool_share"), defaults.spool_share);
        assert_eq!(value("idle_timeout"), defaults.idle_timeout_s);
        assert_eq!(value("request_head_timeout"), defaults.header_timeout_s);
        assert_eq!(value("request_body_timeout"), defaults.body_timeout_s);
        assert_eq!(value("send_timeout"), defaults.send_timeout_s);
    }
}
