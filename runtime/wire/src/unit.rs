//! Numbers with a fixed number of decimals: the same value always prints the same bytes.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A probability, 0 to 1, kept as ten-thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probability(u16);

const PROBABILITY_SCALE: f64 = 10_000.0;

impl Probability {
    /// Certain.
    pub const ONE: Self = Self(10_000);

    /// `p`, rounded to 4 decimals. What lies outside 0 to 1 is taken to the nearest end; NaN is 0, since
    /// whoever computed it knows nothing.
    pub fn new(p: f64) -> Self {
        // The cast saturates, and takes NaN to 0.
        Self((p.clamp(0.0, 1.0) * PROBABILITY_SCALE).round() as u16)
    }

    /// The probability, 0 to 1.
    pub fn get(self) -> f64 {
        f64::from(self.0) / PROBABILITY_SCALE
    }
}

impl Serialize for Probability {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }
}

impl<'de> Deserialize<'de> for Probability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let p = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&p) {
            return Err(D::Error::custom(format_args!("{p} is no probability: 0 to 1")));
        }
        Ok(Self::new(p))
    }
}

/// A measured figure, kept as thousandths; its unit stands in the field's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Measure(i64);

const MEASURE_SCALE: f64 = 1_000.0;

impl Measure {
    /// `value`, rounded to 3 decimals; NaN is 0 (JSON has no word for it).
    pub fn new(value: f64) -> Self {
        // The cast saturates; 53 bits keep the quotient exact to 3 decimals for every figure we measure.
        Self((value * MEASURE_SCALE).round() as i64)
    }

    /// The figure.
    pub fn get(self) -> f64 {
        self.0 as f64 / MEASURE_SCALE
    }
}

impl Serialize for Measure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }
}

impl<'de> Deserialize<'de> for Measure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_rounded_and_bounded() {
        for (p, json) in [
            (0.97, "0.97"),
            (f64::from(0.97_f32), "0.97"),
            (0.123_456, "0.1235"),
            (0.999_96, "1.0"),
            (-0.1, "0.0"),
            (7.0, "1.0"),
            (f64::NAN, "0.0"),
        ] {
            assert_eq!(serde_json::to_string(&Probability::new(p)).unwrap(), json, "{p}");
        }
        assert!(serde_json::from_str::<Probability>("1.2").is_err());
        assert!(serde_json::from_str::<Probability>("-0.1").is_err());
        assert_eq!(serde_json::from_str::<Probability>("1").unwrap(), Probability::ONE);
    }

    #[test]
    fn measures_are_always_numbers() {
        for (value, json) in [(12.345_678, "12.346"), (-18.5, "-18.5"), (f64::NAN, "0.0"), (0.0, "0.0")] {
            assert_eq!(serde_json::to_string(&Measure::new(value)).unwrap(), json, "{value}");
        }
    }
}
