//! What is known about a possible act, and the question whether it was one.

use crate::act::Change;
use crate::camera::CameraId;
use crate::features::Context;
use crate::sighting::ClassId;
use crate::time::MediaTime;
use crate::tracker::TrackId;

/// How the item passed between "in the zone" and "not in the zone".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Passage {
    /// It was seen on both sides of the zone's edge.
    Seen,
    /// It was first (last) seen at the picture's edge, or on its way over the edge.
    AtEdge,
    /// It was first (last) seen inside the zone, on the move.
    Inside,
    /// It appeared (vanished) where it rests: nobody saw it move.
    InPlace,
}

/// What one camera saw of one possible act.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// How the item came or went.
    pub passage: Passage,
    /// 1 − IoU of the first and the last box of the movement: 0 nothing moved, 1 all the way.
    pub travel: f32,
    /// Share of the last (at most 64) pictures that show the item, up to the last one that does.
    pub hit_ratio: f32,
    /// Running mean of the detections' scores.
    pub mean_score: f32,
    /// Share of the movement's pictures in which a hand touched the item; `None` while this camera has never
    /// seen a hand (the detector may have no such class).
    pub hand: Option<f32>,
}

/// Names an open question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuestionId(pub u32);

/// "Was this an act?", to be answered by a temporal classifier ([`crate::analytic`] or a learned one).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Question {
    /// To be named in the answer.
    pub id: QuestionId,
    /// Whose picture.
    pub camera: CameraId,
    /// Which track of that camera.
    pub track: TrackId,
    /// What the change would be.
    pub change: Change,
    /// When it would have ended.
    pub moment: MediaTime,
    /// Of what: the track's most likely item.
    pub item: Option<ClassId>,
    /// What speaks for it.
    pub evidence: Evidence,
    /// What the whole cart knows besides.
    pub context: Context,
}

/// The answer: what the track did. The three sum to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActProbabilities {
    /// No act.
    pub none: f32,
    /// Put in.
    pub added: f32,
    /// Taken out.
    pub removed: f32,
}

impl ActProbabilities {
    /// The probability of this change.
    pub fn of(&self, change: Change) -> f32 {
        match change {
            Change::Added => self.added,
            Change::Removed => self.removed,
        }
    }
}
