//! The time, read once per turn of a worker as in nginx, and the local time in the formats of logs. Each thread formats
//! it once per second.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use lab_http::message::date;

pub use lab_net::clock::{begin_turn, now, since, wall};

/// One second in all formats.
struct Second {
    since_epoch: u64,
    log: String,
    iso8601: String,
    error_log: String,
    syslog: String,
    gmt_date: String,
    local_date: String,
}

thread_local! {
    static CACHED: RefCell<Option<Second>> = const { RefCell::new(None) };
}

/// Appends `24/Nov/2026:11:00:00 +0000`, the format of access logs.
pub fn write_log_time(now: SystemTime, out: &mut Vec<u8>) {
    write(now, out, |second| &second.log);
}

/// Appends `2026-11-24T11:00:00+00:00`.
pub fn write_iso8601(now: SystemTime, out: &mut Vec<u8>) {
    write(now, out, |second| &second.iso8601);
}

/// Appends `2026/11/24 11:00:00`, the format of error logs.
pub fn write_error_time(now: SystemTime, out: &mut Vec<u8>) {
    write(now, out, |second| &second.error_log);
}

/// Appends `Nov 24 11:00:00`, the format of syslog, in which days have a space in front instead of a zero.
pub fn write_syslog_time(now: SystemTime, out: &mut Vec<u8>) {
    write(now, out, |second| &second.syslog);
}

/// Appends `Tuesday, 24-Nov-2026 11:00:00 GMT`.
pub fn write_gmt_date(now: SystemTime, out: &mut Vec<u8>) {
    write(now, out, |second| &second.gmt_date);
}

/// Appends `Tuesday, 24-Nov-2026 12:00:00 CET`.
pub fn write_local_date(now: SystemTime, out: &mut Vec<u8>) {
    write(now, out, |second| &second.local_date);
}

/// Parses a date of RFC 9110 §5.6.7, in seconds since 1970. As in nginx, a wrong day of the week does not matter.
#[must_use]
pub fn parse_http_date(value: &[u8]) -> Option<i64> {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    // most dates, in a fraction of the time
    if let Some(seconds) = date::parse_preferred(value) {
        return i64::try_from(seconds).ok();
    }
    let text = std::str::from_utf8(value).ok()?;
    let time = httpdate::parse_http_date(text).ok().or_else(|| {
        let rest = text.get(3..).filter(|rest| rest.starts_with(", "))?;
        DAYS.iter().find_map(|day| httpdate::parse_http_date(&format!("{day}{rest}")).ok())
    })?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

fn write(now: SystemTime, out: &mut Vec<u8>, format: impl Fn(&Second) -> &String) {
    let since_epoch = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    CACHED.with_borrow_mut(|cached| {
        let second = match cached {
            Some(second) if second.since_epoch == since_epoch => second,
            _ => cached.insert(Second::new(now, since_epoch)),
        };
        out.extend_from_slice(format(second).as_bytes());
    });
}

impl Second {
    fn new(now: SystemTime, since_epoch: u64) -> Second {
        // a time out of range becomes 1970
        let now = jiff::Timestamp::try_from(now).unwrap_or_default();
        let local = now.to_zoned(jiff::tz::TimeZone::system());
        Second {
            since_epoch,
            log: local.strftime("%d/%b/%Y:%H:%M:%S %z").to_string(),
            iso8601: local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            error_log: local.strftime("%Y/%m/%d %H:%M:%S").to_string(),
            syslog: local.strftime("%b %e %H:%M:%S").to_string(),
            gmt_date: now.strftime("%A, %d-%b-%Y %H:%M:%S GMT").to_string(),
            local_date: local.strftime("%A, %d-%b-%Y %H:%M:%S %Z").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn day_of_the_week_does_not_matter() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Tue, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"]
        {
            assert_eq!(parse_http_date(text.as_bytes()), Some(784_111_777), "{text}");
        }
        assert_eq!(parse_http_date(b"yesterday"), None);
    }

    #[test]
    fn formats_have_their_length() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let text = |write: fn(SystemTime, &mut Vec<u8>)| {
            let mut out = Vec::new();
            write(now, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(write_log_time).len(), "14/Nov/2023:22:13:20 +0000".len());
        assert_eq!(text(write_iso8601).len(), "2023-11-14T22:13:20+00:00".len());
        assert!(text(write_error_time).starts_with("2023/11/1"));
        assert_eq!(text(write_gmt_date), "Tuesday, 14-Nov-2023 22:13:20 GMT");
    }
}
