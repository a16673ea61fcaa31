//! The cost of one or several model calls.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// The cost of one or several model calls, by kind of token.
///
/// The amounts are in the currency of the [`Prices`](super::Prices): USD for the built-in ones.
///
/// ```
/// use chatlas_core::Usage;
/// use chatlas_core::cost::Price;
///
/// let cost = Price::new(2.5, 10.0).cost(&Usage::new(2_000, 730));
/// assert_eq!(cost.to_string(), "$0.0123");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Cost {
    /// The cost of input tokens, without those read from or written to a cache.
    pub input: f64,
    /// The cost of input tokens that were read from a cache.
    pub cached_input: f64,
    /// The cost of input tokens that were written to a cache.
    pub cache_write: f64,
    /// The cost of output tokens.
    pub output: f64,
    /// The number of calls whose price or usage is unknown. The amounts do not contain them.
    pub unknown_calls: u64,
}

impl Cost {
    /// Creates the cost of a call whose price or usage is unknown.
    pub const fn unknown() -> Self {
        Self { input: 0.0, cached_input: 0.0, cache_write: 0.0, output: 0.0, unknown_calls: 1 }
    }

    /// Returns the sum of the amounts. Calls of unknown price are missing in it.
    pub fn total(&self) -> f64 {
        self.input + self.cached_input + self.cache_write + self.output
    }

    /// Returns whether the cost of every call is contained in the amounts.
    pub fn is_complete(&self) -> bool {
        self.unknown_calls == 0
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.cached_input += other.cached_input;
        self.cache_write += other.cache_write;
        self.output += other.output;
        self.unknown_calls += other.unknown_calls;
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Cost {
    /// Writes the total in dollars: four decimals, or three significant digits below $0.01.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        match self.unknown_calls {
            0 => write_dollars(f, total),
            calls if total == 0.0 => write!(f, "unknown ({})", Calls(calls)),
            calls => {
                write_dollars(f, total)?;
                write!(f, " without {} of unknown price", Calls(calls))
            }
        }
    }
}

fn write_dollars(f: &mut fmt::Formatter<'_>, amount: f64) -> fmt::Result {
    let mut decimals = 4;
    let mut smallest = 0.01;
    while amount > 0.0 && amount < smallest && decimals < 9 {
        decimals += 1;
        smallest /= 10.0;
    }
    write!(f, "${amount:.decimals$}")
}

struct Calls(u64);

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} call{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_shows_small_amounts_and_unknown_calls() {
        let of = |input, unknown_calls| Cost { input, unknown_calls, ..Cost::default() };
        assert_eq!(of(0.0, 0).to_string(), "$0.0000");
        assert_eq!(of(12.5, 0).to_string(), "$12.5000");
        assert_eq!(of(0.00123, 0).to_string(), "$0.00123");
        assert_eq!(of(0.000_034, 0).to_string(), "$0.0000340");
        assert_eq!(of(0.5, 2).to_string(), "$0.5000 without 2 calls of unknown price");
        assert_eq!(of(0.0, 1).to_string(), "unknown (1 call)");
    }

    #[test]
    fn costs_add_up_with_their_unknown_calls() {
        let known = Cost { input: 1.0, output: 2.0, ..Cost::default() };
        let sum: Cost = [known, Cost::unknown(), known].into_iter().sum();
        assert_eq!((sum.total(), sum.unknown_calls, sum.is_complete()), (6.0, 1, false));
    }
}
