//! Which item a track is: weighted votes of its sightings.

use crate::sighting::ClassId;

/// The most items one track (or act) has votes for; the least voted gives way to a newcomer.
const MAX_VOTED: usize = 8;
/// The most candidates a decision names.
pub const MAX_CANDIDATES: usize = 5;

/// An item that something may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The item.
    pub item: ClassId,
    /// Its share of the votes, 0 to 1.
    pub p: f32,
}

/// Votes for items, each weighing its detection's score.
#[derive(Clone, Debug, Default)]
pub(crate) struct Votes {
    // Descending by weight, then ascending by class: order never depends on the order of arrival.
    tally: heapless::Vec<(ClassId, f32), MAX_VOTED>,
}

impl Votes {
    pub(crate) fn add(&mut self, item: ClassId, weight: f32) {
        match self.tally.iter_mut().find(|(i, _)| *i == item) {
            Some((_, w)) => *w += weight,
            None => {
                if self.tally.is_full() {
                    self.tally.pop();
                }
                // Room was made above.
                let _ = self.tally.push((item, weight));
            }
        }
        self.tally.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    }

    /// Adds another tally's shares, so that a camera with more frames does not outvote one that saw better.
    pub(crate) fn add_shares(&mut self, other: &Self) {
        let total = other.total();
        for (item, w) in &other.tally {
            self.add(*item, w / total);
        }
    }

    fn total(&self) -> f32 {
        self.tally.iter().map(|(_, w)| w).sum::<f32>().max(f32::MIN_POSITIVE)
    }

    pub(crate) fn top(&self) -> Option<Candidate> {
        let total = self.total();
        self.tally.first().map(|(item, w)| Candidate { item: *item, p: w / total })
    }

    /// The most voted, most first.
    pub(crate) fn candidates(&self) -> heapless::Vec<Candidate, MAX_CANDIDATES> {
        let total = self.total();
        self.tally
            .iter()
            .take(MAX_CANDIDATES)
            .map(|(item, w)| Candidate { item: *item, p: w / total })
            .collect()
    }

    pub(crate) fn knows(&self, item: ClassId) -> bool {
        self.tally.iter().any(|(i, _)| *i == item)
    }
}
