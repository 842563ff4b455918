//! The statistical facts of a run: each stack's ratios to the reference stack, with what is needed to compare them.

use serde::{Deserialize, Serialize};

use crate::record::{Estimate, RatioInterval};

/// The content of a ratios snapshot, as TOML.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// The machine they were measured on, in words. Ratios travel between machines, so this is for the reader.
    pub machine: String,
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
    /// The interval's ends, to four digits; none for too few rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<RatioInterval>,
    /// Blocks it is from.
    pub rounds: usize,
}

impl Ratios {
    /// The ratios among a run's estimates.
    #[must_use]
    pub fn of(machine: String, estimates: &[Estimate]) -> Ratios {
        let fact = |estimate: &Estimate| {
            let ratio = estimate.ratio.as_ref()?;
            Some(RatioFact {
                load: estimate.load.clone(),
                stack: estimate.stack.clone(),
                reference: ratio.reference.clone(),
                metric: estimate.metric.clone(),
                ratio: four_digits(ratio.ratio),
                interval: ratio.interval.map(|interval| RatioInterval {
                    lower: four_digits(interval.lower),
                    upper: four_digits(interval.upper),
                    confidence: four_digits(interval.confidence),
                }),
                rounds: ratio.log_ratios.len(),
            })
        };
        Ratios { machine, ratios: estimates.iter().filter_map(fact).collect() }
    }

    /// The same ratio in this snapshot: of the same load, stack, reference and metric.
    #[must_use]
    pub fn find(&self, fact: &RatioFact) -> Option<&RatioFact> {
        let key = |fact: &RatioFact| -> [String; 4] {
            [&fact.load, &fact.stack, &fact.reference, &fact.metric].map(String::clone)
        };
        self.ratios.iter().find(|known| key(known) == key(fact))
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

/// Rounded to four significant digits: more would be noise in a reviewed file.
fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
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
            rounds: 6,
        };
        let ratios = Ratios { machine: "a machine".to_owned(), ratios: vec![fact(Some(interval)), fact(None)] };
        assert_eq!(Ratios::parse(&ratios.render()).unwrap(), ratios);
        let none = Ratios { machine: String::new(), ratios: vec![] };
        assert_eq!(Ratios::parse(&none.render()).unwrap(), none);
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!(
            [four_digits(1.234_56), four_digits(1234.56), four_digits(0.000_123_456)],
            [1.235, 1235.0, 0.000_123_5]
        );
    }
}
