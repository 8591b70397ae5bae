//! The analytic temporal classifier: a few products over the evidence, no learning. It is the baseline that a
//! learned classifier has to beat. Its numbers are ranks, not calibrated probabilities.

use crate::act::Change;
use crate::evidence::{ActProbabilities, Evidence, Passage, Question};

/// 0 up to `low`, 1 from `high` on, straight between.
fn ramp(value: f32, low: f32, high: f32) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

/// Answers a question.
pub fn classify(question: &Question) -> ActProbabilities {
    let p = probability(question.change, &question.evidence);
    let (added, removed) = match question.change {
        Change::Added => (p, 0.0),
        Change::Removed => (0.0, p),
    };
    ActProbabilities { none: 1.0 - p, added, removed }
}

fn probability(change: Change, e: &Evidence) -> f32 {
    // Whether there is an item at all: a real one is found in most pictures (hit ratio above 0.9 on real video,
    // 0.75 where hands cover it), a flickering false one is not.
    let solid = ramp(e.hit_ratio, 0.3, 0.75) * ramp(e.mean_score, 0.2, 0.45);
    let moved = ramp(e.travel, 0.25, 0.7);
    let hand = e.hand.unwrap_or(0.0);
    let passed = match (e.passage, change) {
        (Passage::Seen, _) => 0.95,
        (Passage::AtEdge, _) => 0.22 + 0.73 * moved,
        // Found late, because a hand covered it on the way in: more likely an act than losing it on the way.
        (Passage::Inside, Change::Added) => 0.285 + 0.415 * moved * moved,
        (Passage::Inside, Change::Removed) => 0.25 + 0.24 * moved,
        (Passage::InPlace, _) => 0.285 + 0.18 * hand,
    };
    solid * passed
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLID: Evidence =
        Evidence { passage: Passage::AtEdge, travel: 1.0, hit_ratio: 0.95, mean_score: 0.9, hand: None };

    /// Every case with what it must come to at the default thresholds.
    #[test]
    fn table() {
        let accept = 0.5..=1.0;
        let ask = 0.25..=0.5;
        let silent = 0.0..=0.25;
        let cases = [
            ("carried in over the edge", Change::Added, SOLID, &accept),
            ("carried out over the edge", Change::Removed, SOLID, &accept),
            (
                "seen leaving the zone",
                Change::Removed,
                Evidence { passage: Passage::Seen, travel: 0.5, ..SOLID },
                &accept,
            ),
            ("found on the way in", Change::Added, Evidence { passage: Passage::Inside, ..SOLID }, &accept),
            ("lost in the basket", Change::Removed, Evidence { passage: Passage::Inside, ..SOLID }, &ask),
            (
                "appeared in place",
                Change::Added,
                Evidence { passage: Passage::InPlace, travel: 0.0, ..SOLID },
                &ask,
            ),
            (
                "vanished in place",
                Change::Removed,
                Evidence { passage: Passage::InPlace, travel: 0.0, ..SOLID },
                &ask,
            ),
            (
                "flickering box",
                Change::Added,
                Evidence { passage: Passage::InPlace, travel: 0.1, hit_ratio: 0.5, ..SOLID },
                &silent,
            ),
            (
                "flickering box at the edge",
                Change::Added,
                Evidence { travel: 0.2, hit_ratio: 0.5, ..SOLID },
                &silent,
            ),
            ("faint box", Change::Added, Evidence { mean_score: 0.25, ..SOLID }, &silent),
        ];
        let mut wrong = std::vec::Vec::new();
        for (name, change, evidence, range) in cases {
            let p = probability(change, &evidence);
            if !range.contains(&p) {
                wrong.push(std::format!("{name}: {p} is not in {range:?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    extern crate std;
}
