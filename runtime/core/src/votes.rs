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
        self.weight().max(f32::MIN_POSITIVE)
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

    /// The probability that both mean one item, each drawing one by its votes; 0 to 1.
    pub(crate) fn agreement(&self, other: &Self) -> f32 {
        let total = self.total();
        self.tally.iter().map(|(item, w)| w / total * other.share(*item)).sum()
    }

    /// The weight of all.
    pub(crate) fn weight(&self) -> f32 {
        self.tally.iter().map(|(_, w)| w).sum()
    }

    /// An item's share.
    pub(crate) fn share(&self, item: ClassId) -> f32 {
        self.tally.iter().find(|(i, _)| *i == item).map_or(0.0, |(_, w)| w / self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(votes: &[(u16, f32)]) -> Votes {
        let mut tally = Votes::default();
        for (item, weight) in votes {
            tally.add(ClassId(*item), *weight);
        }
        tally
    }

    #[test]
    fn nobody_voted() {
        assert_eq!(Votes::default().top(), None);
        assert!(Votes::default().candidates().is_empty());
    }

    #[test]
    fn weights_add_up_and_shares_sum_to_one() {
        let votes = tally(&[(1, 0.5), (2, 0.9), (1, 0.6)]);
        let top = votes.top().unwrap();
        assert_eq!(top.item, ClassId(1));
        assert!((top.p - 0.55).abs() < 1e-6);
        let sum: f32 = votes.candidates().iter().map(|c| c.p).sum();
        assert!((sum - 1.0).abs() < 1e-6);
    }

    #[test]
    fn order_of_arrival_does_not_matter() {
        let (there, back) = (tally(&[(3, 0.5), (1, 0.5), (2, 0.5)]), tally(&[(2, 0.5), (1, 0.5), (3, 0.5)]));
        assert_eq!(there.candidates(), back.candidates());
        assert_eq!(there.top().unwrap().item, ClassId(1), "a tie goes to the lower class");
    }

    #[test]
    fn when_full_the_least_gives_way_to_the_newcomer() {
        let mut votes = Votes::default();
        for item in 0..MAX_VOTED as u16 {
            votes.add(ClassId(item), 1.0 + f32::from(item));
        }
        votes.add(ClassId(99), 0.1);
        let voted = |item| votes.share(ClassId(item)) > 0.0;
        assert!(!voted(0) && voted(99) && voted(1));
        assert_eq!(votes.candidates().len(), MAX_CANDIDATES);
        assert_eq!(votes.top().unwrap().item, ClassId(MAX_VOTED as u16 - 1));
    }

    #[test]
    fn agreement_table() {
        let sure = tally(&[(1, 3.0)]);
        for (other, agreement) in [
            (sure.clone(), 1.0),
            (tally(&[(2, 1.0)]), 0.0),
            (tally(&[(1, 1.0), (2, 3.0)]), 0.25),
            (Votes::default(), 0.0),
        ] {
            assert!((sure.agreement(&other) - agreement).abs() < 1e-6, "{other:?}");
            assert!((other.agreement(&sure) - agreement).abs() < 1e-6, "{other:?}");
        }
    }

    #[test]
    fn shares_weigh_cameras_alike() {
        let mut both = Votes::default();
        both.add_shares(&tally(&[(1, 300.0)]));
        both.add_shares(&tally(&[(2, 0.9), (1, 0.1)]));
        let top = both.top().unwrap();
        assert_eq!(top.item, ClassId(1));
        assert!((top.p - 0.55).abs() < 1e-6);
        both.add_shares(&Votes::default());
        assert_eq!(both.top(), Some(top), "one that saw nothing changes nothing");
    }
}
