//! The statistical facts of a run: each stack's ratios to the reference stack, with the data needed to compare them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::record::{Estimate, RatioInterval};
use crate::scenario::model::Load;

/// The content of a ratios snapshot, as TOML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// A description of the machine, for the reader: ratios are compared across machines.
    pub machine: String,
    /// The stacks, each with a load, whose rounds were all invalid. Such ratios are not committed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub void: Vec<String>,
    /// The description of each load. Ratios under different loads are not compared, even if the names are the same.
    #[serde(default)]
    pub loads: BTreeMap<String, String>,
    #[serde(default, rename = "ratio")]
    pub ratios: Vec<RatioFact>,
}

/// The ratio of one metric of one stack under one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RatioFact {
    pub load: String,
    pub stack: String,
    pub reference: String,
    pub metric: String,
    /// The estimate, to four digits.
    pub ratio: f64,
    /// To four digits; `None` with too few rounds. For the reader: comparisons use `blocks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<RatioInterval>,
    /// The ratio in each block, to five digits. Without any, the ratio is too uncertain to compare with.
    #[serde(default)]
    pub blocks: Vec<f64>,
}

impl Ratios {
    #[must_use]
    pub fn from_estimates(machine: String, loads: &[Load], estimates: &[Estimate]) -> Ratios {
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
            loads: loads.iter().map(|load| (load.name.clone(), load_description(load))).collect(),
            void: Vec::new(),
            ratios: estimates.iter().filter_map(fact).collect(),
        }
    }

    #[must_use]
    pub fn find(&self, load: &str, stack: &str, metric: &str) -> Option<&RatioFact> {
        self.ratios.iter().find(|known| known.load == load && known.stack == stack && known.metric == metric)
    }

    /// Renders the ratios as TOML.
    #[must_use]
    pub fn render(&self) -> String {
        // OK because strings, numbers and tables in this order can be written as TOML
        toml::to_string(self).expect("ratios can be written as TOML").trim_end().to_owned()
    }

    /// Parses TOML.
    ///
    /// # Errors
    /// The text is not a ratios snapshot.
    pub fn parse(text: &str) -> Result<Ratios, toml::de::Error> {
        toml::from_str(text)
    }
}

impl RatioFact {
    /// The natural logarithms of the ratios in each block.
    #[must_use]
    pub fn log_ratios(&self) -> Vec<f64> {
        self.blocks.iter().map(|ratio| ratio.ln()).collect()
    }
}

/// The properties of a load that ratios depend on: its driver and path. The duration is not among them.
#[must_use]
pub fn load_description(load: &Load) -> String {
    format!("{}, {}", load.driver, load.path)
}

/// Rounds to `count` significant digits: more would be noise in a reviewed file.
fn digits(count: usize, value: f64) -> f64 {
    format!("{value:.0$e}", count - 1).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rendered_ratios_are_parsed_back() {
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
        let ratios = Ratios {
            machine: "a machine".to_owned(),
            loads,
            void: Vec::new(),
            ratios: vec![fact(Some(interval)), fact(None)],
        };
        assert_eq!(Ratios::parse(&ratios.render()).unwrap(), ratios);
        let none = Ratios {
            machine: String::new(),
            loads: BTreeMap::new(),
            void: vec!["s under l".to_owned()],
            ratios: vec![],
        };
        assert_eq!(Ratios::parse(&none.render()).unwrap(), none);
    }

    #[test]
    fn values_are_rounded_to_significant_digits() {
        assert_eq!([digits(4, 1.234_56), digits(4, 1234.56), digits(5, 0.000_123_456)], [1.235, 1235.0, 0.000_123_46]);
    }
}
