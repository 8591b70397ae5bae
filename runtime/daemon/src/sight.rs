//! How a camera of a running cart does, and when a failed one is opened again.
//!
//! ```text
//!            failed                   time is up
//! Giving ────────────► Lost ◄───────────────────► Reopened      Over
//!   ▲                  (reopened, failed again)      │       (a recording's end)
//!   └────────────────────────────────── a picture ───┘
//! ```

use std::time::{Duration, Instant};

/// Waits before a failed camera is opened again: from this, doubled each time, up to that.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A camera that has given pictures for so long is well again. One that fails again and again sooner waits longer each
/// time, or its coming and going would fill the log.
const STEADY: Duration = Duration::from_secs(60);

/// How a camera does. `pause` is what was waited before it was opened last.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight {
    Giving { since: Instant, pause: Duration },
    Lost { reopen_at: Instant, pause: Duration },
    Reopened { pause: Duration },
    Over,
}

impl Sight {
    /// Of a camera that was opened now. It is taken to give pictures until it is heard otherwise.
    pub(crate) fn new(now: Instant) -> Self {
        Self::Giving { since: now, pause: FIRST_PAUSE / 2 }
    }

    pub(crate) fn is_giving(&self) -> bool {
        matches!(self, Self::Giving { .. })
    }

    /// It gave a picture; whether it gave none before.
    pub(crate) fn gave(&mut self, now: Instant) -> bool {
        let pause = match *self {
            Self::Giving { .. } => return false,
            Self::Reopened { pause } => pause,
            Self::Lost { .. } | Self::Over => FIRST_PAUSE,
        };
        *self = Self::Giving { since: now, pause };
        true
    }

    /// It failed; how long until it is opened again.
    pub(crate) fn failed(&mut self, now: Instant) -> Duration {
        let pause = match *self {
            Self::Reopened { pause } => (pause * 2).min(LONGEST_PAUSE),
            Self::Giving { since, pause } if now.duration_since(since) < STEADY => {
                (pause * 2).min(LONGEST_PAUSE)
            }
            _ => FIRST_PAUSE,
        };
        *self = Self::Lost { reopen_at: now + pause, pause };
        pause
    }

    /// Whether it is to be opened again now; it counts as opened then.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        match *self {
            Self::Lost { reopen_at, pause } if now >= reopen_at => {
                *self = Self::Reopened { pause };
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn one_that_does_not_come_back_is_tried_less_and_less() {
        let mut now = Instant::now();
        let mut sight = Sight::new(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let pause = sight.failed(now);
            assert!(!sight.is_giving() && !sight.is_due(now + pause - s(0.001)));
            now += pause;
            assert!(sight.is_due(now) && !sight.is_due(now), "once");
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn one_that_comes_and_goes_waits_longer_until_it_was_steady() {
        let mut now = Instant::now();
        let mut sight = Sight::new(now);
        for (gave_for, pause) in [(5.0, 1), (59.0, 2), (0.0, 4), (60.0, 1), (1.0, 2), (3600.0, 1)] {
            now += s(gave_for);
            assert_eq!(sight.failed(now).as_secs(), pause, "after {gave_for} s");
            now += s(pause as f64);
            assert!(sight.is_due(now));
            assert!(sight.gave(now) && !sight.gave(now), "told once");
        }
    }

    #[test]
    fn a_recordings_end_is_no_failure() {
        let now = Instant::now();
        let mut sight = Sight::Over;
        assert!(!sight.is_giving() && !sight.is_due(now + s(1e6)));
        assert!(sight.gave(now), "what was still on its way counts");
    }
}
