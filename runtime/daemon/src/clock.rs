//! From moments on the media time line to UTC, and how far to trust that.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use cartvision_core::MediaTime;
use cartvision_wire::{Clock, UtcTime};

/// How media time maps to UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TimeLine {
    /// The cart's own clock, as it stands when somebody asks: it may jump when network time comes.
    Live,
    /// A recording that started at this moment.
    Recorded { start: UtcTime },
}

impl TimeLine {
    /// The UTC time of `moment`, seen from `now`.
    pub(crate) fn utc(self, moment: MediaTime, now: MediaTime) -> UtcTime {
        match self {
            Self::Live => {
                UtcTime::from_ms(utc_now().as_ms().saturating_sub(now.since(moment).ns / 1_000_000))
            }
            Self::Recorded { start } => start.plus_ms(moment.as_ms()),
        }
    }

    /// How far to trust it. A recording's times are only as good as the start it was given.
    pub(crate) fn clock(self) -> Clock {
        match self {
            Self::Live => Clock { synced: synchronized(), uncertainty_ms: None },
            Self::Recorded { .. } => Clock { synced: false, uncertainty_ms: None },
        }
    }
}

/// The cart's clock.
pub(crate) fn utc_now() -> UtcTime {
    // Before 1970 the clock is wrong whatever we say.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UtcTime::from_ms(since.as_millis() as u64)
}

/// Whether systemd-timesyncd has set the clock since boot. Other time services are not asked (not yet): with
/// them the cart says `synced: false`, which promises less than it could and never more.
fn synchronized() -> bool {
    Path::new("/run/systemd/timesync/synchronized").exists()
}
