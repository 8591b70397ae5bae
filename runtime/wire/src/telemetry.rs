//! Telemetry, every 10 s: figures for dashboards. Rates and percentiles cover the time since the last one,
//! counters run since the daemon's start.

use serde::{Deserialize, Serialize};

use crate::bounded::{List, Text};
use crate::name::CameraName;
use crate::time::UtcTime;
use crate::unit::Measure;

/// The time between two of them.
pub const PERIOD_S: u64 = 10;

/// One report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telemetry {
    /// When.
    pub time: UtcTime,
    /// Seconds since the daemon's start.
    pub uptime_s: u64,
    /// Each camera.
    pub cameras: List<CameraFigures, 16>,
    /// Each queue of the daemon.
    pub queues: List<QueueFigures, 32>,
    /// What waits for the broker.
    pub outbox: OutboxFigures,
    /// The hottest sensor; `null` where there is none.
    pub temperature_c: Option<Measure>,
    /// What the whole board takes, watts; absent where nothing measures it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_w: Option<Measure>,
    /// Pictures a second of each camera, at most, because of temperature or power; absent: as they come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<u32>,
    /// How often that limit was set lower.
    #[serde(default)]
    pub rate_lowered: u64,
    /// The process's memory.
    pub memory: MemoryFigures,
    /// Questions on which the learned classifier failed and the analytic one answered, in total; absent where no
    /// learned one is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier_failures: Option<u64>,
}

/// One camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraFigures {
    /// Which.
    pub camera: CameraName,
    /// Frames that were looked at, a second.
    pub frames_per_s: Measure,
    /// Frames that came, in total.
    pub frames: u64,
    /// Frames that a newer one pushed out before they were looked at, in total.
    pub dropped: u64,
    /// How often it came to be looked at too seldom to decide by.
    #[serde(default)]
    pub slow: u64,
    /// How long each stage took.
    pub stages: List<StageFigures, 16>,
}

/// One stage of the way from camera to event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageFigures {
    /// Which.
    pub stage: Text<32>,
    /// Half took at most this.
    pub p50_ms: Measure,
    /// 99 of 100 took at most this.
    pub p99_ms: Measure,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueFigures {
    /// Which.
    pub queue: Text<32>,
    /// What waits in it.
    pub depth: u64,
    /// The most that may wait in it.
    pub bound: u64,
    /// What its drop policy took out, in total.
    pub dropped: u64,
}

/// The outbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxFigures {
    /// Events that the broker has not taken yet.
    pub depth: u64,
    /// The age of the oldest of them; 0 when there is none.
    pub oldest_age_ms: u64,
    /// Acknowledgements that said "nobody subscribed" (0x10), in total.
    pub no_subscriber: u64,
    /// Acknowledgements that said "refused" (0x80 and above), in total.
    pub refused: u64,
    /// From the decision to the broker's PUBACK; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<StageFigures>,
}

/// The process's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFigures {
    /// Resident now.
    pub rss_mib: Measure,
    /// The most that was resident.
    pub peak_rss_mib: Measure,
}
