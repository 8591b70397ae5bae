//! Moments and spans on a media time line.

use core::ops::{Add, Sub};

/// A moment on a source's own time line, nanoseconds since its start. Under `run` the time line is the
/// monotonic clock since the daemon's start; in a replay it is the recording's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime {
    /// Nanoseconds since the start of the time line.
    pub ns: u64,
}

/// A length of media time, nanoseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Nanoseconds.
    pub ns: u64,
}

impl MediaTime {
    /// The start of the time line.
    pub const ZERO: Self = Self { ns: 0 };

    /// The moment `ms` milliseconds after the start.
    pub const fn from_ms(ms: u64) -> Self {
        Self { ns: ms * 1_000_000 }
    }

    /// Whole milliseconds since the start, rounded to the nearest.
    pub const fn as_ms(self) -> u64 {
        self.ns.saturating_add(500_000) / 1_000_000
    }

    /// The span from `earlier` to here; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        Span { ns: self.ns.saturating_sub(earlier.ns) }
    }

    /// The distance to `other`, whichever comes first.
    pub const fn distance(self, other: Self) -> Span {
        Span { ns: self.ns.abs_diff(other.ns) }
    }
}

impl Span {
    /// The empty span.
    pub const ZERO: Self = Self { ns: 0 };

    /// A span of `ms` milliseconds.
    pub const fn from_ms(ms: u64) -> Self {
        Self { ns: ms * 1_000_000 }
    }

    /// `n` times this span.
    pub const fn times(self, n: u64) -> Self {
        Self { ns: self.ns.saturating_mul(n) }
    }

    /// The span in seconds.
    pub fn as_seconds(self) -> f32 {
        (self.ns as f64 / 1e9) as f32
    }
}

impl Add<Span> for MediaTime {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self { ns: self.ns.saturating_add(span.ns) }
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { ns: self.ns.saturating_add(other.ns) }
    }
}

impl Sub<Span> for MediaTime {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self { ns: self.ns.saturating_sub(span.ns) }
    }
}
