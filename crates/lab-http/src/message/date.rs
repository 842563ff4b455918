//! The value of the Date field (RFC 9110 §6.6.1), formatted once per second.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The length of a date in the preferred format.
const LENGTH: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();

/// The current date, for example `Sun, 06 Nov 1994 08:49:37 GMT`.
#[must_use]
pub fn now() -> [u8; LENGTH] {
    thread_local! {
        static CACHED: Cell<(u64, [u8; LENGTH])> = Cell::new((0, format(0)));
    }
    // A clock before 1970 counts as 1970.
    let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    CACHED.with(|cached| {
        let (cached_second, date) = cached.get();
        if cached_second == second {
            return date;
        }
        let date = format(second);
        cached.set((second, date));
        date
    })
}

fn format(second: u64) -> [u8; LENGTH] {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    let mut date = [b' '; LENGTH];
    date.copy_from_slice(text.as_bytes());
    date
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_preferred_format() {
        assert_eq!(&format(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn current_date_is_recent() {
        let text = String::from_utf8(now().to_vec()).expect("ASCII");
        let parsed = httpdate::parse_http_date(&text).expect("a date");
        assert!(SystemTime::now().duration_since(parsed).expect("not in the future") < Duration::from_secs(60));
    }
}
