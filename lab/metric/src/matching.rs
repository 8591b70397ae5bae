//! Who belongs to whom: one to one, as many pairs as can be, and among those the cheapest.

use crate::events::{Act, Claim};
use crate::truth::TrueChange;

/// Two limits of the definition, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// How long after a change's end an event's moment may lie.
    pub tolerance: f64,
    /// How long after a change's end the decision may fall.
    pub decided_within: f64,
}

impl Default for Rule {
    fn default() -> Self {
        Self { tolerance: 1.0, decided_within: 2.0 }
    }
}

impl Rule {
    /// Whether an act's times fit the change.
    // In floating-point seconds and with these very sums, as the other implementation has it: a moment on the
    // edge must fall on the same side.
    fn in_time(self, act: &Act, change: &TrueChange) -> bool {
        change.start <= act.moment
            && act.moment <= change.end + self.tolerance
            && act.decided <= change.end + self.decided_within
    }

    /// Whether the act is a match of the change: kind, item and times.
    pub fn matches(self, act: &Act, change: &TrueChange) -> bool {
        self.matches_action(act, change) && change.item.is(&act.item)
    }

    /// The same with the item ignored.
    pub fn matches_action(self, act: &Act, change: &TrueChange) -> bool {
        act.claim == Claim::Resolved(change.kind) && self.in_time(act, change)
    }

    /// Whether an unresolved act may stand for the change.
    pub fn answers(self, act: &Act, change: &TrueChange) -> bool {
        matches!(act.claim, Claim::Unresolved(kind) if kind.is_none_or(|kind| kind == change.kind))
            && self.in_time(act, change)
    }
}

/// |moment − end| in nanoseconds: whole numbers, so that sums are exact and no pair is preferred by rounding.
pub(crate) fn distance(act: &Act, change: &TrueChange) -> i64 {
    ((act.moment - change.end).abs() * 1e9).round() as i64
}

/// More than all distances of a session together: what an item that is not the right one costs.
pub(crate) const WRONG_ITEM: i64 = 1_000_000_000_000_000;

/// A pair that may be made: (left, right, cost).
pub type Edge = (usize, usize, i64);

/// For each of `left` the partner among `right` that it gets, so that as many as possible have one, and among
/// those choices the total cost is least.
///
/// Successive shortest paths (Bellman and Ford's search on the residual graph): each round adds one pair by the
/// cheapest way to change the pairs there are; without a way there is no larger matching. Sessions have tens of
/// acts, so its cost, pairs × (acts + changes) × edges at worst, is nothing.
pub fn cheapest(left: usize, right: usize, edges: &[Edge]) -> Vec<Option<usize>> {
    let mut partner: Vec<Option<usize>> = vec![None; left];
    // Who holds a right node, and what that pair costs.
    let mut holder: Vec<Option<(usize, i64)>> = vec![None; right];
    loop {
        // The cheapest way from any free left node to each node; a right node remembers its last step.
        let mut to_left: Vec<Option<i64>> =
            partner.iter().map(|p| if p.is_none() { Some(0) } else { None }).collect();
        let mut to_right: Vec<Option<Step>> = vec![None; right];
        let mut moved = true;
        while moved {
            moved = false;
            for &(l, r, cost) in edges.iter().filter(|(l, r, _)| partner[*l] != Some(*r)) {
                let Some(way) = to_left[l].map(|before| before + cost) else { continue };
                if to_right[r].is_some_and(|known| known.way <= way) {
                    continue;
                }
                to_right[r] = Some(Step { way, from: l, cost });
                moved = true;
                if let Some((held_by, held_for)) = holder[r] {
                    // Giving the pair up earns what it cost.
                    let back = way - held_for;
                    if to_left[held_by].is_none_or(|known| back < known) {
                        to_left[held_by] = Some(back);
                    }
                }
            }
        }
        let free = (0..right).filter(|r| holder[*r].is_none());
        let Some((_, mut at)) = free.filter_map(|r| to_right[r].map(|step| (step.way, r))).min() else {
            return partner;
        };
        // Turn the way round, from its end to the free left node it began at.
        while let Some(Step { from, cost, .. }) = to_right[at] {
            holder[at] = Some((from, cost));
            match partner[from].replace(at) {
                Some(given_up) => at = given_up,
                None => break,
            }
        }
    }
}

/// The last step of the cheapest way to a right node.
#[derive(Clone, Copy)]
struct Step {
    /// What the whole way costs.
    way: i64,
    from: usize,
    cost: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{Identity, Reported};
    use cartvision_wire::Change;

    fn act(kind: Change, item: &str, moment: f64, decided: f64) -> Act {
        Act {
            line: 1,
            event: "e".into(),
            claim: Claim::Resolved(kind),
            item: Reported { id: Some(item.into()), label: item.to_uppercase() },
            moment,
            decided,
            confidence: None,
            decided_by: None,
            candidates: vec![],
        }
    }

    #[test]
    fn the_edges_of_the_rule() {
        let item = |name: &str| Identity::Named(name.into());
        let change = |item: Identity| TrueChange {
            kind: Change::Added,
            item,
            label: "x".into(),
            start: 6.4,
            end: 7.2,
            episode: None,
        };
        let rule = Rule::default();
        for (kind, moment, decided, expected) in [
            (Change::Added, 6.4, 6.4, true),
            (Change::Added, 6.399, 6.4, false),
            (Change::Added, 8.2, 9.2, true),
            (Change::Added, 8.201, 9.0, false),
            (Change::Added, 8.2, 9.201, false),
            (Change::Removed, 7.0, 7.0, false),
        ] {
            let act = act(kind, "a", moment, decided);
            assert_eq!(rule.matches(&act, &change(item("a"))), expected, "{moment} {decided}");
            assert!(!rule.matches(&act, &change(item("b"))));
            assert_eq!(rule.matches_action(&act, &change(item("b"))), expected);
            assert_eq!(rule.matches(&act, &change(item("A"))), expected, "the label, where it is the id");
            assert!(!rule.matches(&act, &change(Identity::Unknown)));
        }
    }

    #[test]
    fn more_pairs_go_before_cheaper_ones() {
        // The cheap pair (0, 0) would leave 1 alone.
        assert_eq!(cheapest(2, 2, &[(0, 0, 1), (0, 1, 50), (1, 0, 60)]), [Some(1), Some(0)]);
        // Of two matchings of one size the cheaper.
        assert_eq!(cheapest(2, 2, &[(0, 0, 5), (0, 1, 2), (1, 0, 2), (1, 1, 5)]), [Some(1), Some(0)]);
        assert_eq!(cheapest(3, 1, &[(0, 0, 5), (1, 0, 4), (2, 0, 6)]), [None, Some(0), None]);
        assert_eq!(cheapest(2, 0, &[]), [None, None]);
    }
}
