//! The present: looked at once per turn of a worker, as in nginx, and its local time in the forms that logs have it in,
//! made once per second and thread.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

pub use lab_net::clock::{begin_turn, now, since};

/// The texts of one second.
struct Second {
    since_epoch: u64,
    log: String,
    iso8601: String,
    error_log: String,
}

thread_local! {
    static CACHED: RefCell<Option<Second>> = const { RefCell::new(None) };
}

/// `24/Nov/2026:11:00:00 +0000`, as access logs have it.
pub fn write_log_time(now: SystemTime, out: &mut Vec<u8>) {
    write(now, out, |second| &second.log);
}

/// `2026-11-24T11:00:00+00:00`
pub fn write_iso8601(now: SystemTime, out: &mut Vec<u8>) {
    write(now, out, |second| &second.iso8601);
}

/// `2026/11/24 11:00:00`, as error logs have it.
pub fn write_error_time(now: SystemTime, out: &mut Vec<u8>) {
    write(now, out, |second| &second.error_log);
}

fn write(now: SystemTime, out: &mut Vec<u8>, choose: impl Fn(&Second) -> &String) {
    let since_epoch = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    CACHED.with_borrow_mut(|cached| {
        let second = match cached {
            Some(second) if second.since_epoch == since_epoch => second,
            _ => cached.insert(Second::new(now, since_epoch)),
        };
        out.extend_from_slice(choose(second).as_bytes());
    });
}

impl Second {
    fn new(now: SystemTime, since_epoch: u64) -> Second {
        // a clock that is out of range counts as 1970
        let local = jiff::Timestamp::try_from(now).unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
        Second {
            since_epoch,
            log: local.strftime("%d/%b/%Y:%H:%M:%S %z").to_string(),
            iso8601: local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            error_log: local.strftime("%Y/%m/%d %H:%M:%S").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_form_has_its_length_and_shape() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let text = |write: fn(SystemTime, &mut Vec<u8>)| {
            let mut out = Vec::new();
            write(now, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(write_log_time).len(), "14/Nov/2023:22:13:20 +0000".len());
        assert_eq!(text(write_iso8601).len(), "2023-11-14T22:13:20+00:00".len());
        assert!(text(write_error_time).starts_with("2023/11/1"));
    }
}
