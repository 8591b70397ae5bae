//! What can be set about tracking and deciding. Times are media time.

use crate::time::Span;

/// Thresholds and spans. [`Settings::default`] is the reference; the daemon's reference configuration repeats
/// it and a test compares them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// A decision with at least this confidence is published as what it is.
    pub accept: f32,
    /// Below this a decision is not reported; from here to `accept` it is `unresolved`.
    pub reject: f32,
    /// What a temporal classifier calls at least this probable is an act at once. What is less sure, it is asked about
    /// again while more pictures come.
    pub sure: f32,
    /// Until so long after its moment, at most.
    pub patience: Span,
    /// A detection with at least this score takes part in the first association stage.
    pub high_score: f32,
    /// A detection with at least this score may start a track.
    pub birth_score: f32,
    /// A hand detection with at least this score counts as a hand.
    pub hand_score: f32,
    /// An item still for this long rests, where no hand touches it.
    pub settle: Span,
    /// An item still for this long rests even though a hand touches it.
    pub settle_touched: Span,
    /// A lifted item that is out of the zone or unseen for this long has left.
    pub away: Span,
    /// An item that vanished from its place, which nothing covers, is asked about after this long.
    pub vanish: Span,
    /// What rests within this long after a session's start, and did not move, is stock.
    pub stock: Span,
    /// Two cameras' acts this close together may be one.
    pub fuse: Span,
    /// How long an act waits for the other cameras.
    pub fuse_wait: Span,
    /// How long a resting item that is covered is remembered.
    pub memory: Span,
    /// Where a camera's pictures are further apart than this on average, what it alone tells is `unresolved`;
    /// [`Span::ZERO`]: never.
    pub slowest: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            accept: 0.5,
            reject: 0.25,
            sure: 0.8,
            patience: Span::from_ms(1000),
            high_score: 0.4,
            birth_score: 0.5,
            hand_score: 0.25,
            settle: Span::from_ms(600),
            settle_touched: Span::from_ms(1500),
            away: Span::from_ms(500),
            vanish: Span::from_ms(1000),
            stock: Span::from_ms(1000),
            fuse: Span::from_ms(700),
            fuse_wait: Span::from_ms(300),
            memory: Span::from_ms(120_000),
            slowest: Span::from_ms(200),
        }
    }
}

/// Settings that contradict themselves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SettingsError {
    /// A threshold is not between 0 and 1.
    NotAShare {
        /// The field's name.
        field: &'static str,
        /// What it was set to.
        value: f32,
    },
    /// The first must not be greater than the second.
    OutOfOrder {
        /// The field that must be the lesser.
        lesser: &'static str,
        /// The field that must be the greater.
        greater: &'static str,
    },
}

impl core::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotAShare { field, value } => write!(f, "{field} = {value}: give a number from 0 to 1"),
            Self::OutOfOrder { lesser, greater } => write!(f, "{lesser} must not be greater than {greater}"),
        }
    }
}

impl core::error::Error for SettingsError {}

impl Settings {
    /// Whether they make sense together.
    pub fn check(&self) -> Result<(), SettingsError> {
        for (field, value) in [
            ("accept", self.accept),
            ("reject", self.reject),
            ("sure", self.sure),
            ("high_score", self.high_score),
            ("birth_score", self.birth_score),
            ("hand_score", self.hand_score),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return Err(SettingsError::NotAShare { field, value });
            }
        }
        for (lesser, greater, holds) in [
            ("reject", "accept", self.reject <= self.accept),
            ("accept", "sure", self.accept <= self.sure),
            ("high_score", "birth_score", self.high_score <= self.birth_score),
            ("settle_ms", "settle_touched_ms", self.settle <= self.settle_touched),
            ("fuse_wait_ms", "fuse_ms", self.fuse_wait <= self.fuse),
        ] {
            if !holds {
                return Err(SettingsError::OutOfOrder { lesser, greater });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let ok = Settings::default();
        let cases = [
            (ok, None),
            (Settings { accept: 1.0, sure: 1.0, reject: 0.0, ..ok }, None),
            (Settings { accept: 0.5, reject: 0.5, ..ok }, None),
            (Settings { accept: 1.5, ..ok }, Some("accept")),
            (Settings { reject: -0.1, ..ok }, Some("reject")),
            (Settings { high_score: f32::NAN, ..ok }, Some("high_score")),
            (Settings { birth_score: f32::INFINITY, ..ok }, Some("birth_score")),
            (Settings { hand_score: 1.1, ..ok }, Some("hand_score")),
        ];
        for (settings, field) in cases {
            let got = match settings.check() {
                Err(SettingsError::NotAShare { field, .. }) => Some(field),
                other => {
                    assert_eq!(other, Ok(()));
                    None
                }
            };
            assert_eq!(got, field);
        }
        let cases = [
            (Settings { reject: 0.8, ..ok }, "reject", "accept"),
            (Settings { accept: 0.9, ..ok }, "accept", "sure"),
            (Settings { high_score: 0.6, ..ok }, "high_score", "birth_score"),
            (Settings { settle: Span::from_ms(1501), ..ok }, "settle_ms", "settle_touched_ms"),
            (Settings { fuse_wait: Span::from_ms(701), ..ok }, "fuse_wait_ms", "fuse_ms"),
        ];
        for (settings, lesser, greater) in cases {
            assert_eq!(settings.check(), Err(SettingsError::OutOfOrder { lesser, greater }));
        }
    }
}
