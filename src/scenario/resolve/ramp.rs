//! The rates of a ramp, in steps or by a factor. Pure.

use std::fmt;
use std::num::NonZeroU32;

/// The change from one rate to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stride {
    Step(NonZeroU32),
    Factor(NonZeroU32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RampError {
    /// The rate never changes.
    Constant,
    /// The strides skip the last rate. Holds the rate before it.
    MissesEnd(NonZeroU32),
}

impl Stride {
    /// The rates from `from` to exactly `to`, up or down.
    pub(super) fn rates(self, from: NonZeroU32, to: NonZeroU32) -> Result<Vec<NonZeroU32>, RampError> {
        if from == to || self == Stride::Factor(NonZeroU32::MIN) {
            return Err(RampError::Constant);
        }
        let up = to > from;
        let mut rates = vec![from];
        let mut last = from;
        while last != to {
            let next = match (self, up) {
                (Stride::Step(step), true) => last.checked_add(step.get()),
                (Stride::Step(step), false) => last.get().checked_sub(step.get()).and_then(NonZeroU32::new),
                (Stride::Factor(factor), true) => last.checked_mul(factor),
                (Stride::Factor(factor), false) if last.get() % factor != 0 => None,
                (Stride::Factor(factor), false) => NonZeroU32::new(last.get() / factor),
            };
            match next.filter(|next| if up { *next <= to } else { *next >= to }) {
                Some(next) => last = next,
                None => return Err(RampError::MissesEnd(last)),
            }
            rates.push(last);
        }
        Ok(rates)
    }
}

impl fmt::Display for Stride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stride::Step(step) => write!(f, "steps of {step}"),
            Stride::Factor(factor) => write!(f, "factors of {factor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    fn ramp(from: u32, to: u32, stride: Stride) -> Vec<u32> {
        stride.rates(number(from), number(to)).unwrap().into_iter().map(NonZeroU32::get).collect()
    }

    #[test]
    fn ramps_go_up_and_down() {
        assert_eq!(ramp(500, 2000, Stride::Step(number(500))), [500, 1000, 1500, 2000]);
        assert_eq!(ramp(30, 10, Stride::Step(number(10))), [30, 20, 10]);
        assert_eq!(ramp(100, 800, Stride::Factor(number(2))), [100, 200, 400, 800]);
        assert_eq!(ramp(900, 100, Stride::Factor(number(3))), [900, 300, 100]);
    }

    #[test]
    fn ramp_must_meet_its_end() {
        let error = |from, to, stride: Stride| stride.rates(number(from), number(to)).unwrap_err();
        assert_eq!(error(900, 500, Stride::Step(number(150))), RampError::MissesEnd(number(600)));
        assert_eq!(error(100, 500, Stride::Factor(number(2))), RampError::MissesEnd(number(400)));
        assert_eq!(error(100, 30, Stride::Factor(number(3))), RampError::MissesEnd(number(100)));
        assert_eq!(error(u32::MAX - 1, u32::MAX, Stride::Step(number(2))), RampError::MissesEnd(number(u32::MAX - 1)));
        assert_eq!(error(5, 5, Stride::Step(number(2))), RampError::Constant);
    }
}
