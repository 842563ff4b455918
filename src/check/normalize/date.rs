//! Dates in the future or the past of a response.

use std::time::SystemTime;

/// Dates further away than this are constants, such as the first day of 1970.
const FARTHEST_S: i64 = 5 * 365 * 86_400;
/// A date may be computed some seconds before or after `Date` is.
const TOLERANCE_S: i64 = 5;
/// On a busy machine, an application may take this long from a date to its response.
const GIVEN_TOLERANCE_S: i64 = 60;
/// What nginx's `expires max` sends.
const NGINX_MAX: &str = "Thu, 31 Dec 2037 23:55:55 GMT";

/// A date as its distance from `date`; `None` if it is none, or a constant. Where the response also gives the distance in
/// seconds, as an age, a date that was computed long before the response was sent counts as that distance.
pub(super) fn relative(value: &str, date: Option<SystemTime>, given: Option<i64>) -> Option<String> {
    if value == NGINX_MAX {
        return None;
    }
    let (value, date) = (httpdate::parse_http_date(value).ok()?, date?);
    let seconds =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).map(|time| time.as_secs().cast_signed());
    let distance = seconds(value).ok()? - seconds(date).ok()?;
    if distance.abs() > FARTHEST_S {
        return None;
    }
    let given = given.filter(|given| (given - distance).abs() <= GIVEN_TOLERANCE_S);
    let rounded = given.unwrap_or_else(|| (distance as f64 / TOLERANCE_S as f64).round() as i64 * TOLERANCE_S);
    Some(match rounded {
        0 => "{date}".to_owned(),
        1.. => format!("{{date + {rounded} s}}"),
        ..0 => format!("{{date - {} s}}", -rounded),
    })
}
