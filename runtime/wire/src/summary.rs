//! The one line of JSON that a replay ends with, on stderr.

use serde::{Deserialize, Serialize};

use crate::unit::Measure;

/// What a replay took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Frames, all cameras together.
    pub frames: u64,
    /// Frames over wall time, start-up excluded.
    pub fps: Measure,
    /// The process's CPU time over frames.
    pub cpu_ms_per_frame: Measure,
    /// The most memory that was resident.
    pub peak_rss_mib: Measure,
    /// Events written.
    pub events: u64,
    /// Cameras.
    pub streams: u32,
    /// Questions on which the learned classifier failed and the analytic one answered; absent where no learned one
    /// was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier_failures: Option<u64>,
}
