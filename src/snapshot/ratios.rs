//! The statistical facts of a run: each stack's ratios to the reference stack, with what is needed to compare them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Estimate, RatioInterval};
use crate::scenario::model::Load;

/// The content of a ratios snapshot, as TOML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// The machine they were measured on, in words. Ratios travel between machines, so this is for the reader.
    pub machine: String,
    /// What each load was. A ratio under another load is another ratio, whatever its name.
    #[serde(default)]
    pub loads: BTreeMap<String, String>,
    /// One per load, stack and metric.
    #[serde(default, rename = "ratio")]
    pub ratios: Vec<RatioFact>,
}

/// One ratio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RatioFact {
    /// The load.
    pub load: String,
    /// The stack.
    pub stack: String,
    /// The stack it is relative to.
    pub reference: String,
    /// The metric's name.
    pub metric: String,
    /// The estimate, to four digits.
    pub ratio: f64,
    /// The interval's ends, to four digits; none for too few rounds. For the reader: comparisons are made from `blocks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<RatioInterval>,
    /// The ratio in each block it is from, to five digits; without any, it is too uncertain to compare with.
    #[serde(default)]
    pub blocks: Vec<f64>,
}

impl Ratios {
    /// The ratios among a run's estimates.
    #[must_use]
    pub fn of(machine: String, loads: &[Load], estimates: &[Estimate]) -> Ratios {
        let fact = |estimate: &Estimate| {
            let ratio = estimate.ratio.as_ref()?;
            Some(RatioFact {
                load: estimate.load.clone(),
                stack: estimate.stack.clone(),
                reference: ratio.reference.clone(),
                metric: estimate.metric.clone(),
                ratio: digits(4, ratio.ratio),
                interval: ratio.interval.map(|interval| RatioInterval {
                    lower: digits(4, interval.lower),
                    upper: digits(4, interval.upper),
                    confidence: digits(4, interval.confidence),
                }),
                blocks: ratio.log_ratios.iter().map(|log| digits(5, log.exp())).collect(),
            })
        };
        Ratios {
            machine,
            loads: loads.iter().map(|load| (load.name.clone(), described(load))).collect(),
            ratios: estimates.iter().filter_map(fact).collect(),
        }
    }

    /// The ratio of this metric of this stack under this load, if it is here.
    #[must_use]
    pub fn find(&self, load: &str, stack: &str, metric: &str) -> Option<&RatioFact> {
        self.ratios.iter().find(|known| known.load == load && known.stack == stack && known.metric == metric)
    }

    /// As TOML.
    #[must_use]
    pub fn render(&self) -> String {
        // OK because strings, numbers and tables in this order can be written as TOML
        toml::to_string(self).expect("ratios can be written as TOML").trim_end().to_owned()
    }

    /// From TOML.
    ///
    /// # Errors
    /// When the text is not what [`render`](Ratios::render) writes.
    pub fn parse(text: &str) -> Result<Ratios, toml::de::Error> {
        toml::from_str(text)
    }
}

impl RatioFact {
    /// Logarithms of the ratios of its blocks.
    #[must_use]
    pub fn log_ratios(&self) -> Vec<f64> {
        self.blocks.iter().map(|ratio| ratio.ln()).collect()
    }
}

/// What makes a load this one and no other: who asks, and what for. How long it is measured does not.
#[must_use]
pub fn described(load: &Load) -> String {
    format!("{}, {}", load.driver, load.path)
}

/// Rounded to so many significant digits: more would be noise in a reviewed file.
fn digits(count: usize, value: f64) -> f64 {
    format!("{value:.0$e}", count - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let interval = RatioInterval { lower: 1.9, upper: 2.1, confidence: 0.9688 };
        let fact = |interval| RatioFact {
            load: "pingpong".to_owned(),
            stack: "proxied".to_owned(),
            reference: "direct".to_owned(),
            metric: "throughput".to_owned(),
            ratio: 2.0,
            interval,
            blocks: vec![1.95, 2.05],
        };
        let loads = [("pingpong".to_owned(), "goose, 16 users, /pong".to_owned())].into();
        let ratios = Ratios { machine: "a machine".to_owned(), loads, ratios: vec![fact(Some(interval)), fact(None)] };
        assert_eq!(Ratios::parse(&ratios.render()).unwrap(), ratios);
        let none = Ratios { machine: String::new(), loads: BTreeMap::new(), ratios: vec![] };
        assert_eq!(Ratios::parse(&none.render()).unwrap(), none);
    }

    #[test]
    fn so_many_digits_are_kept() {
        assert_eq!([digits(4, 1.234_56), digits(4, 1234.56), digits(5, 0.000_123_456)], [1.235, 1235.0, 0.000_123_46]);
    }
}
