//! How often a camera is looked at.

use crate::time::{MediaTime, Span};

/// What happened this long before an act's moment is part of it.
const BEFORE: Span = Span::from_ms(1000);
/// A single gap of so many times the slowest interval is too long, however fast the pictures around it came.
const GAP: u64 = 4;
/// So many pictures in a row make a camera slow, or fast again: one hiccup does not.
const IN_A_ROW: u8 = 4;

/// The mean distance of one camera's pictures, and when it was too long last. Too slow and fast enough are a tenth
/// apart, so that a camera at the edge does not go to and fro.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    last: Option<MediaTime>,
    /// Of the intervals so far, and over about 8 of them later.
    mean: Span,
    intervals: u8,
    /// How many pictures in a row spoke against `slow` being what it is, at most [`IN_A_ROW`].
    against: u8,
    slow: bool,
    slow_at: Option<MediaTime>,
}

impl Pace {
    /// Another picture was looked at; two of them may be `slowest` apart ([`Span::ZERO`]: as far as they like).
    pub(crate) fn see(&mut self, now: MediaTime, slowest: Span) {
        if slowest == Span::ZERO {
            return;
        }
        let Some(last) = self.last.replace(now) else { return };
        let interval = now.since(last);
        self.intervals = 8.min(self.intervals + 1);
        let share = u64::from(self.intervals);
        let mean = self.mean.ns - self.mean.ns / share + interval.ns / share;
        self.mean = Span { ns: mean };
        let bound = if self.slow { slowest.ns - slowest.ns / 10 } else { slowest.ns };
        self.against = if (mean > bound) == self.slow { 0 } else { self.against + 1 };
        let gap = interval.ns > slowest.ns.saturating_mul(GAP);
        if gap || self.against >= IN_A_ROW {
            self.slow = gap || !self.slow;
            self.against = 0;
        }
        if self.slow {
            self.slow_at = Some(now);
        }
    }

    /// It gives no pictures: what comes after the pause is counted anew.
    pub(crate) fn stop(&mut self) {
        *self = Self { slow_at: self.slow_at, ..Self::default() };
    }

    /// Whether it is looked at too seldom now.
    pub(crate) fn is_slow(&self) -> bool {
        self.slow
    }

    /// Whether it was, during an act of this moment or since.
    pub(crate) fn was_slow(&self, moment: MediaTime) -> bool {
        self.slow_at.is_some_and(|at| at + BEFORE >= moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOWEST: Span = Span::from_ms(200);

    fn at(ms: u64) -> MediaTime {
        MediaTime::ZERO + Span::from_ms(ms)
    }

    /// Pictures every `ms` from `from` until `until`.
    fn look(pace: &mut Pace, from: u64, until: u64, ms: u64) {
        (from..until).step_by(ms as usize).for_each(|t| pace.see(at(t), SLOWEST));
    }

    #[test]
    fn slow_is_told_and_forgotten() {
        let mut pace = Pace::default();
        look(&mut pace, 0, 2000, 66);
        assert!(!pace.is_slow() && !pace.was_slow(at(0)));
        look(&mut pace, 2000, 6000, 300);
        assert!(pace.is_slow() && pace.was_slow(at(5000)));
        look(&mut pace, 6000, 9000, 66);
        assert!(!pace.is_slow());
        assert!(pace.was_slow(at(6500)), "within a second of it");
        assert!(!pace.was_slow(at(8500)));
    }

    #[test]
    fn at_the_edge_it_does_not_go_to_and_fro() {
        let mut pace = Pace::default();
        look(&mut pace, 0, 4000, 210);
        assert!(pace.is_slow());
        look(&mut pace, 4000, 8000, 195);
        assert!(pace.is_slow(), "not yet fast enough");
        look(&mut pace, 8000, 12000, 170);
        assert!(!pace.is_slow());
        look(&mut pace, 12000, 16000, 195);
        assert!(!pace.is_slow(), "not slow again");
    }

    #[test]
    fn a_hiccup_is_not_slow_and_zero_is_never() {
        let mut pace = Pace::default();
        look(&mut pace, 0, 750, 250);
        look(&mut pace, 750, 2000, 50);
        assert!(!pace.was_slow(at(0)));
        let mut pace = Pace::default();
        (0..1000).for_each(|n| pace.see(at(n * 3000), Span::ZERO));
        assert!(!pace.was_slow(at(0)));
    }

    #[test]
    fn one_long_gap_is_enough_and_a_lost_camera_is_no_gap() {
        let mut pace = Pace::default();
        look(&mut pace, 0, 1000, 50);
        pace.see(at(1801), SLOWEST);
        assert!(pace.is_slow());
        look(&mut pace, 1850, 2000, 50);
        assert!(pace.is_slow(), "a few quick ones do not make up for it");
        look(&mut pace, 2000, 2600, 50);
        assert!(!pace.is_slow());
        let mut pace = Pace::default();
        look(&mut pace, 0, 1000, 50);
        pace.stop();
        look(&mut pace, 5000, 6000, 50);
        assert!(!pace.was_slow(at(5000)));
    }
}
