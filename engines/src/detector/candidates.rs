//! From candidates to detections: the best few, and of those that show the same thing the best one.

use cartvision_core::{BBox, ClassId, Detection, Detections, Role};

/// The most candidates of one picture that enter suppression; where there are more, those with the highest scores.
pub const MAX_CANDIDATES: usize = 512;

/// A box that passed the score threshold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) class: ClassId,
    pub(super) role: Role,
    pub(super) score: f32,
    pub(super) bbox: BBox,
    /// Where it stood in the output: of equal scores the first wins, so that a run can be repeated.
    pub(super) index: usize,
}

/// A buffer of candidates, allocated once. It holds twice the bound: each time it is full, its better half stays.
#[derive(Debug)]
pub(super) struct Candidates {
    buffer: Vec<Candidate>,
    cut: u64,
}

impl Candidates {
    pub(super) fn new() -> Self {
        Self { buffer: Vec::with_capacity(2 * MAX_CANDIDATES), cut: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Candidates and detections dropped so far because there were too many.
    pub(super) fn cut(&self) -> u64 {
        self.cut
    }

    pub(super) fn offer(&mut self, candidate: Candidate) {
        if self.buffer.len() == 2 * MAX_CANDIDATES {
            self.keep_best();
        }
        self.buffer.push(candidate);
    }

    /// Sorts, best first, and drops what is past the bound.
    fn keep_best(&mut self) {
        self.buffer.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index)));
        self.cut += self.buffer.len().saturating_sub(MAX_CANDIDATES) as u64;
        self.buffer.truncate(MAX_CANDIDATES);
    }

    /// Writes the detections, best first. With `overlap`, a box that covers a better one of its class by more than
    /// that (intersection over union) is dropped; without, the model has done so itself.
    pub(super) fn settle(&mut self, overlap: Option<f32>, out: &mut Detections) {
        self.keep_best();
        out.clear();
        for c in &self.buffer {
            let shadowed = overlap
                .is_some_and(|most| out.iter().any(|d| d.class == c.class && d.bbox.iou(&c.bbox) > most));
            let detection = Detection { class: c.class, role: c.role, score: c.score, bbox: c.bbox };
            if !shadowed && out.push(detection).is_err() {
                self.cut += 1;
            }
        }
    }
}
