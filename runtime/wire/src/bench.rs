//! What a computer makes of a cart's configuration: `cartvisiond bench` measures it, `cartctl bench` shows it.

use serde::{Deserialize, Serialize};

use crate::bounded::{List, Text};
use crate::telemetry::{CameraFigures, StageFigures};
use crate::unit::Measure;

/// One measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bench {
    /// The computer, as its maker calls it.
    pub device: Text<128>,
    /// What inferred.
    pub engine: Text<128>,
    /// Why the CPU inferred although a GPU was meant to; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Text<512>>,
    /// The bundle, with its version.
    pub bundle: Text<128>,
    /// Inference threads, each with a detector of its own.
    pub threads: u32,
    /// Whether a cart ran on this computer meanwhile: what is measured is then what that one leaves.
    pub beside_a_cart: bool,
    /// Whether the cameras were test pictures instead of the configuration's own.
    pub pattern: bool,
    /// The bound: the engine, and nothing else.
    pub engine_only: EngineOnly,
    /// The whole way, from the cameras to the decisions.
    pub pipeline: Pipeline,
}

/// Every detector looked at one and the same picture, as fast as it could.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineOnly {
    /// For how long.
    pub seconds: Measure,
    /// How often, all detectors together.
    pub inferences: u64,
    /// The same, a second.
    pub inferences_per_s: Measure,
    /// How long one look took.
    pub detector: StageFigures,
    /// How long the learned classifier took for an answer, alone; absent where none is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<StageFigures>,
    /// Heat and power meanwhile.
    pub sensors: SensorFigures,
}

/// Live cameras were looked at and decided on, without broker and database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// For how long, from when each camera had given a picture.
    pub seconds: Measure,
    /// Pictures that were looked at, all cameras together.
    pub pictures: u64,
    /// The same, a second.
    pub pictures_per_s: Measure,
    /// Pictures that a newer one pushed out before they were looked at.
    pub dropped: u64,
    /// How long each stage took, all cameras together: waiting in the slot, inference, decision.
    pub stages: List<StageFigures, 16>,
    /// Each camera, in this time.
    pub cameras: List<CameraFigures, 16>,
    /// The process's CPU time over pictures looked at, cameras included.
    pub cpu_ms_per_picture: Measure,
    /// The most memory that was resident.
    pub peak_rss_mib: Measure,
    /// Heat and power meanwhile.
    pub sensors: SensorFigures,
}

/// What the sensors said; absent what nothing measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SensorFigures {
    /// The hottest sensor at its hottest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_c: Option<Measure>,
    /// What the whole board took on average, watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_w: Option<Measure>,
    /// The same at its most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_w: Option<Measure>,
}

impl Pipeline {
    /// A stage's figures by its name.
    pub fn stage(&self, name: &str) -> Option<&StageFigures> {
        self.stages.iter().find(|stage| stage.stage.as_str() == name)
    }
}
