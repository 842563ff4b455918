//! Numbers as people read them: three digits, a unit, no false precision.

/// Microseconds with the unit that fits: `850 µs`, `4.10 ms`, `1.25 s`.
#[must_use]
pub fn micros(us: f64) -> String {
    match us {
        us if us < 999.5 => format!("{} µs", three_digits(us)),
        us if us < 999_500.0 => format!("{} ms", three_digits(us / 1e3)),
        us => format!("{} s", three_digits(us / 1e6)),
    }
}

/// Bytes with the unit that fits: `512 B`, `3.20 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(value), UNITS[unit])
}

/// A count or a rate, with thin groups of thousands: `10 432`.
#[must_use]
pub fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    if value < 0.0 { format!("-{grouped}") } else { grouped }
}

/// Three significant digits for what is below a thousand, whole numbers above.
#[must_use]
pub fn three_digits(value: f64) -> String {
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A count with its noun, in the singular or with an `s`: `1 core`, `2 cores`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The value of a text that starts with a number as the functions above write it, for sorting: times in microseconds, sizes
/// in bytes. `None` if it does not start with a number.
#[must_use]
pub fn sort_value(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(['≤', ' ']);
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '.' | '-' | '+');
    let (number, rest) = text.split_at(text.find(|c: char| !is_of_number(c)).unwrap_or(text.len()));
    let number: f64 = number.replace(' ', "").parse().ok()?;
    let unit = rest.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
    let factor = match unit {
        "ms" => 1e3,
        "s" => 1e6,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => 1.0,
    };
    Some(number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_change_before_a_fourth_digit() {
        let times = [0.5, 99.96, 999.4, 999.6, 12_345.0, 999_600.0].map(micros);
        assert_eq!(times, ["0.50 µs", "100 µs", "999 µs", "1.00 ms", "12.3 ms", "1.00 s"]);
        let sizes = [0, 999, 1000, 3_355_443, 5_000_000_000].map(bytes);
        assert_eq!(sizes, ["0.00 B", "999 B", "0.98 KiB", "3.20 MiB", "4.66 GiB"]);
        assert_eq!([12.0, 1234.4, -1_234_567.0].map(grouped), ["12", "1 234", "-1 234 567"]);
    }

    #[test]
    fn cells_sort_by_their_values() {
        let cells = ["10 432", "≤ 4.10 ms", "1.50 s", "850 µs", "2.00 KiB, 3.00 KiB", "0.99 ×", "3/4", "7 status-5xx"];
        let values = [10_432.0, 4_100.0, 1_500_000.0, 850.0, 2_048.0, 0.99, 3.0, 7.0];
        assert_eq!(cells.map(sort_value), values.map(Some));
        assert_eq!(["gunicorn", "–", "", "unavailable: 3"].map(sort_value), [None; 4]);
    }
}
