//! UTC moments as they are printed, and how far to trust them.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The last moment that can be had: 9999-12-30T22:00:00.000Z, the last that jiff takes in milliseconds.
const MAX_MS: u64 = 253_402_207_200_000;

/// A moment that cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{given:?} is not a moment from 1970 to 9999 as RFC 3339 writes it; write it like 2026-11-23T10:15:30.123Z"
)]
pub struct TimeError {
    given: String,
}

/// A UTC moment with the precision of a millisecond, 1970 to 9999; printed as `2026-11-23T10:15:30.123Z`,
/// always with three decimals and `Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UtcTime {
    ms: u64,
}

impl UtcTime {
    /// 1970-01-01T00:00:00.000Z.
    pub const EPOCH: Self = Self { ms: 0 };

    /// The moment `ms` milliseconds after 1970 began; beyond `jiff`'s last (in 9999), that one.
    pub const fn from_ms(ms: u64) -> Self {
        Self { ms: if ms > MAX_MS { MAX_MS } else { ms } }
    }

    /// Milliseconds since 1970 began.
    pub const fn as_ms(self) -> u64 {
        self.ms
    }

    /// The moment `ms` milliseconds later.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self::from_ms(self.ms.saturating_add(ms))
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `MAX_MS` keeps it within both ranges.
        let ms = i64::try_from(self.ms).map_err(|_| fmt::Error)?;
        let timestamp = Timestamp::from_millisecond(ms).map_err(|_| fmt::Error)?;
        write!(f, "{timestamp:.3}")
    }
}

impl FromStr for UtcTime {
    type Err = TimeError;

    /// Reads RFC 3339 with any offset; what is finer than a millisecond is cut off.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError { given: text.chars().take(40).collect() };
        let timestamp: Timestamp = text.parse().map_err(|_| error())?;
        let ms = u64::try_from(timestamp.as_millisecond()).map_err(|_| error())?;
        if timestamp < Timestamp::UNIX_EPOCH || ms > MAX_MS { Err(error()) } else { Ok(Self { ms }) }
    }
}

impl TryFrom<String> for UtcTime {
    type Error = TimeError;
    fn try_from(text: String) -> Result<Self, TimeError> {
        text.parse()
    }
}

impl From<UtcTime> for String {
    fn from(time: UtcTime) -> Self {
        time.to_string()
    }
}

/// How far to trust a message's `time`: carts boot without network time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Whether the cart's clock follows network time.
    pub synced: bool,
    /// How far it may be off, milliseconds; `null` when nobody knows.
    pub uncertainty_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_three_decimals() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_428_930_123, "2026-11-23T10:15:30.123Z"),
            (1_795_428_930_100, "2026-11-23T10:15:30.100Z"),
            (u64::MAX, "9999-12-30T22:00:00.000Z"),
        ] {
            let time = UtcTime::from_ms(ms);
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn reading_takes_any_offset_and_refuses_the_rest() {
        assert_eq!("2026-11-23T11:15:30.1239+01:00".parse(), Ok(UtcTime::from_ms(1_795_428_930_123)));
        for bad in
            ["", "yesterday", "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.9999Z", "2026-11-23", "17"]
        {
            let error = bad.parse::<UtcTime>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{bad:?} is not a moment")), "{error}");
        }
    }
}
