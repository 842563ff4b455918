//! Distributions of times.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use lab_load::wire::histogram::{self, HistogramError};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    pub mean_us: f64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
    /// The whole histogram: HdrHistogram's V2 encoding, in base64. Empty in an abridged record.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub histogram: String,
}

impl Distribution {
    /// Summarises a histogram of microseconds; `None` if it is empty, because then it has no median.
    #[must_use]
    pub fn from_histogram(histogram: &Histogram<u64>) -> Option<Distribution> {
        (!histogram.is_empty()).then(|| Distribution {
            mean_us: histogram.mean(),
            p50_us: histogram.value_at_quantile(0.50),
            p90_us: histogram.value_at_quantile(0.90),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
            // OK because every histogram of times can be encoded
            histogram: histogram::encode(histogram).expect("a histogram can be encoded"),
        })
    }

    /// The whole histogram.
    ///
    /// # Errors
    /// The text is not an encoded histogram.
    pub fn histogram(&self) -> Result<Histogram<u64>, HistogramError> {
        histogram::decode(&self.histogram)
    }
}
