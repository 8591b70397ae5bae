//! What is in the basket in the end, and what the shopper would be charged for it.

use std::collections::{BTreeMap, BTreeSet};

use cartvision_wire::Change;
use serde::{Deserialize, Serialize};

use crate::events::{EventLog, Piece};
use crate::truth::Truth;

/// Items and how many of each.
pub(crate) type Contents = BTreeMap<String, u64>;

/// Two baskets held against each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasketVerdict {
    /// Items in the true basket.
    pub items: u64,
    /// Items that would be charged and are not there.
    pub overcharged: u64,
    /// Items that are there and would not be charged.
    pub undercharged: u64,
    /// Whether the basket that the cart stated at the session's end is what its own events give; `None` where it
    /// stated none.
    pub stated_agrees: Option<bool>,
}

impl BasketVerdict {
    /// Whether the two are equal.
    pub fn is_right(&self) -> bool {
        self.overcharged == 0 && self.undercharged == 0
    }

    pub(crate) fn of(truth: &Truth, log: &EventLog) -> Self {
        let mut changes: Vec<_> = truth.changes.iter().collect();
        changes.sort_by(|a, b| a.end.total_cmp(&b.end));
        let names = truth.names();
        let true_basket = sum(changes.iter().map(|c| (c.kind, c.item.name().to_owned(), 1)));
        let basket = contents(log.standing(), &names);
        let stated_agrees =
            log.stated().map(|(lines, pieces)| contents(lines, &names) == contents(pieces, &names));
        Self {
            items: true_basket.values().sum(),
            overcharged: excess(&basket, &true_basket),
            undercharged: excess(&true_basket, &basket),
            stated_agrees,
        }
    }
}

fn contents<'a>(pieces: impl IntoIterator<Item = &'a Piece>, names: &BTreeSet<&str>) -> Contents {
    let pieces = pieces.into_iter();
    sum(pieces.map(|p| (p.kind, p.item.name(names).to_owned(), u64::from(p.quantity))))
}

/// The sum of changes in their order. What was never put in cannot be taken out of the basket: it was in the cart
/// before the session (stock), and leaves the basket as it is.
fn sum(changes: impl Iterator<Item = (Change, String, u64)>) -> Contents {
    let mut contents = Contents::new();
    for (kind, item, quantity) in changes {
        let count = contents.entry(item).or_default();
        *count = match kind {
            Change::Added => *count + quantity,
            Change::Removed => count.saturating_sub(quantity),
        };
    }
    contents.retain(|_, count| *count > 0);
    contents
}

fn excess(of: &Contents, over: &Contents) -> u64 {
    of.iter().map(|(item, n)| n.saturating_sub(over.get(item).copied().unwrap_or(0))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(truth: &[(&str, &str)], events: &[(&str, &str)]) -> BasketVerdict {
        let truth: String = truth
            .iter()
            .map(|(kind, label)| {
                format!("{{\"kind\":\"{kind}\",\"label\":\"{label}\",\"start\":1,\"end\":2}}\n")
            })
            .collect();
        let events: String = events
            .iter()
            .enumerate()
            .map(|(i, (kind, id))| {
                format!(
                    "{{\"id\":\"{i}\",\"type\":\"cartvision.item.{kind}.v1\",\"data\":{{\"item\":{{\"id\":\"{id}\",\"label\":\"L{id}\"}},\"media_time_ms\":1,\"decided_media_time_ms\":1}}}}\n"
                )
            })
            .collect();
        BasketVerdict::of(&Truth::read("t", &truth).unwrap(), &EventLog::read("e", &events).unwrap())
    }

    #[test]
    fn baskets_are_counted_item_by_item() {
        let (add, remove) = ("added", "removed");
        for (truth, events, expected) in [
            (&[][..], &[][..], (0, 0, 0)),
            (&[(add, "a"), (add, "a"), (remove, "a")], &[(add, "a")], (1, 0, 0)),
            // Labels in the truth are held against labels.
            (&[(add, "La")], &[(add, "a")], (1, 0, 0)),
            (&[(add, "a"), (add, "b")], &[(add, "a"), (add, "a")], (2, 1, 1)),
            (&[(add, "a")], &[], (1, 0, 1)),
            // Stock that leaves is not in the basket, before or after.
            (&[(remove, "a"), (add, "a")], &[(add, "a")], (1, 0, 0)),
            (&[(add, "a")], &[(remove, "b"), (add, "a"), (remove, "c")], (1, 0, 0)),
        ] {
            let v = verdict(truth, events);
            assert_eq!((v.items, v.overcharged, v.undercharged), expected, "{truth:?} {events:?}");
            assert_eq!(v.is_right(), expected.1 + expected.2 == 0);
        }
    }

    #[test]
    fn the_stated_basket_is_held_against_the_events_before_it() {
        let truth = Truth::read("t", "").unwrap();
        let event = r#"{"id":"1","type":"cartvision.item.added.v1","data":{"item":{"id":"a","label":"A"},"media_time_ms":1,"decided_media_time_ms":1}}"#;
        let ended = |n: u32| {
            format!(
                r#"{{"id":"2","type":"cartvision.session.ended.v1","data":{{"media_time_ms":9000,"basket":{{"lines":[{{"kind":"catalogue","id":"a","label":"A","quantity":{n}}}]}},"pending_questions":[]}}}}"#
            )
        };
        let retracted = r#"{"id":"3","type":"cartvision.item.corrected.v1","data":{"corrects":"1","revision":1,"replacement":[]}}"#;
        for (n, agrees) in [(1, true), (2, false)] {
            let text = [event, &ended(n), retracted].join("\n");
            let log = EventLog::read("e", &text).unwrap();
            let verdict = BasketVerdict::of(&truth, &log);
            assert_eq!((verdict.stated_agrees, verdict.overcharged), (Some(agrees), 0));
            assert_eq!(log.ended(), Some(9.0));
        }
    }
}
