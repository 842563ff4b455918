//! Histograms of times in microseconds, and their encoding in documents.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// The largest time that can be recorded, in microseconds: ten minutes. Longer times count as this.
pub const LARGEST_US: u64 = 600_000_000;

/// Significant decimal digits kept: every recorded time is known to 0.1 %.
pub const DIGITS: u8 = 3;

/// Text that is not a histogram.
#[derive(Debug, thiserror::Error)]
pub enum HistogramError {
    #[error("the histogram is not base64")]
    Base64(#[from] base64::DecodeError),
    #[error("the histogram is not in HdrHistogram's V2 format")]
    Format(#[from] hdrhistogram::serialization::DeserializeError),
    #[error("the histogram cannot be written")]
    Write(#[from] hdrhistogram::serialization::V2DeflateSerializeError),
}

/// An empty histogram of times in microseconds.
#[must_use]
pub fn empty() -> Histogram<u64> {
    // OK because the bounds are constants that `new_with_bounds` accepts
    Histogram::new_with_bounds(1, LARGEST_US, DIGITS).expect("constant bounds")
}

/// The histogram as base64 of HdrHistogram's compressed V2 format, which HdrHistogram tools in every language read.
///
/// # Errors
/// The histogram is too large for the format; histograms from [`empty`] never are.
pub fn encode(histogram: &Histogram<u64>) -> Result<String, HistogramError> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes)?;
    Ok(STANDARD.encode(bytes))
}

/// Reads the output of [`encode`].
///
/// # Errors
/// The text is no such histogram.
pub fn decode(text: &str) -> Result<Histogram<u64>, HistogramError> {
    let bytes = STANDARD.decode(text)?;
    Ok(Deserializer::new().deserialize(&mut bytes.as_slice())?)
}

/// A histogram in its [encoded](encode) form: a hundredth of the memory of most decoded ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HistogramText(String);

impl HistogramText {
    /// # Errors
    /// As for [`encode`].
    pub fn new(histogram: &Histogram<u64>) -> Result<HistogramText, HistogramError> {
        encode(histogram).map(HistogramText)
    }

    /// # Errors
    /// The text is no histogram.
    pub fn decode(&self) -> Result<Histogram<u64>, HistogramError> {
        decode(&self.0)
    }
}

/// A time rounded to the nearest microsecond. Truncation would make every time shorter by half a microsecond on
/// average.
#[must_use]
pub fn rounded_us(time: Duration) -> u64 {
    u64::try_from((time + Duration::from_nanos(500)).as_micros()).unwrap_or(u64::MAX)
}

/// Adds one histogram of times to another.
pub fn add(to: &mut Histogram<u64>, other: &Histogram<u64>) {
    // OK because both have the bounds of `empty`, and histograms of the same bounds can always be added
    to.add(other).expect("histograms of the same bounds");
}

/// Histograms as fields of documents: see [`encode`].
pub(crate) mod as_text {
    use hdrhistogram::Histogram;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(histogram: &Histogram<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::encode(histogram).map_err(serde::ser::Error::custom)?)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Histogram<u64>, D::Error> {
        super::decode(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_round_trip_through_text() {
        let mut histogram = empty();
        for us in [0, 1, 999, 12_345, LARGEST_US] {
            histogram.saturating_record(us);
        }
        let text = encode(&histogram).unwrap();
        assert!(text.len() < 300, "{} bytes", text.len());
        assert_eq!(decode(&text).unwrap(), histogram);
    }

    #[test]
    fn other_text_is_refused() {
        assert!(matches!(decode("?"), Err(HistogramError::Base64(_))));
        assert!(matches!(decode("AAAA"), Err(HistogramError::Format(_))));
    }

    #[test]
    fn times_are_capped_at_ten_minutes() {
        let mut histogram = empty();
        histogram.saturating_record(u64::MAX);
        assert!(histogram.max() >= LARGEST_US);
        assert!(histogram.max() < LARGEST_US + LARGEST_US / 100);
    }
}
