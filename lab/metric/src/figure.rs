//! The figures of the definition: what each is computed from, and which way is better.

use serde::{Deserialize, Serialize};

use crate::tally::Tally;

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Matched events of all events.
    Precision,
    /// Matched changes of all changes.
    Recall,
    /// Their harmonic mean.
    EventF1,
    /// The same with items ignored.
    ActionF1,
    /// Null episodes without any event.
    Specificity,
    /// Events that match no change, in an hour of recording.
    FalsePerHour,
    /// Changes answered with a resolved event.
    Coverage,
    /// Changes for which only an unresolved event stands.
    UnresolvedRate,
    /// The right item, among events that match but for the item.
    IdentityAccuracy,
    /// The right item among the first five candidates.
    TopFive,
    /// Sessions with the right basket (cAcc).
    BasketAccuracy,
    /// The same over sessions of 3 to 15 changes, which is what the target is for.
    UsualBasketAccuracy,
    /// Items charged and not there.
    #[serde(rename = "overcharged_per_100")]
    OverchargedPer100,
    /// Items there and not charged.
    #[serde(rename = "undercharged_per_100")]
    UnderchargedPer100,
    /// Mean |moment − end|.
    MomentError,
    /// Mean of decided − end.
    DecisionDelay,
    /// Its 99th percentile.
    DecisionDelayP99,
    /// Changes about which the cloud was asked.
    Escalation,
    /// Mean distance of confidence from accuracy.
    CalibrationError,
}

/// Which way a figure gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What kind of number a figure is, with what it is computed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Proportion {
        hits: u64,
        of: u64,
    },
    /// An F1: `matched` pairs, and `alone` events and changes without a partner.
    Pairing {
        matched: u64,
        alone: u64,
    },
    /// `count` things over `exposure`.
    Rate {
        count: u64,
        exposure: f64,
    },
    Mean {
        sum: f64,
        of: u64,
    },
    /// Follows from all the delays.
    Percentile {
        of: u64,
    },
    /// Follows from all the decisions.
    Calibration,
}

impl Shape {
    /// The value where the sums suffice for it and there is anything to divide by.
    pub(crate) fn value(self) -> Option<f64> {
        let ratio = |a: f64, b: f64| (b > 0.0).then(|| a / b);
        match self {
            Self::Proportion { hits, of } => ratio(hits as f64, of as f64),
            Self::Pairing { matched, alone } => ratio(2.0 * matched as f64, (2 * matched + alone) as f64),
            Self::Rate { count, exposure } => ratio(count as f64, exposure),
            Self::Mean { sum, of } => ratio(sum, of as f64),
            Self::Percentile { .. } | Self::Calibration => None,
        }
    }
}

macro_rules! figures {
    ($($figure:ident: $key:literal, $title:literal, $unit:literal, $better:ident, $definition:literal;)*) => {
        impl Figure {
            /// All of them, in the order of the definition.
            pub const ALL: &[Self] = &[$(Self::$figure,)*];

            /// As it is written in JSON.
            pub const fn key(self) -> &'static str {
                match self { $(Self::$figure => $key,)* }
            }

            /// As it is called in tables.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$figure => $title,)* }
            }

            /// The unit; empty for a share.
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$figure => $unit,)* }
            }

            /// What it means, in one sentence.
            pub const fn definition(self) -> &'static str {
                match self { $(Self::$figure => $definition,)* }
            }

            /// Which way it gets better.
            pub const fn better(self) -> Better {
                match self { $(Self::$figure => Better::$better,)* }
            }
        }
    };
}

figures! {
    Precision: "precision", "precision", "", Higher, "matched events of all resolved events";
    Recall: "recall", "recall", "", Higher, "matched changes of all changes; unresolved counts as missed";
    EventF1: "event_f1", "event F1", "", Higher, "kind, item and moment right; over all sessions together";
    ActionF1: "action_f1", "action F1", "", Higher, "the same with the item ignored";
    Specificity: "specificity", "specificity", "", Higher,
        "null episodes without any event, unresolved included, of all null episodes";
    FalsePerHour: "false_per_hour", "false events", "/h", Lower,
        "events and unresolved ones that match no change, over all recorded time";
    Coverage: "coverage", "coverage", "", Higher, "changes answered with a resolved event, of all changes";
    UnresolvedRate: "unresolved_rate", "unresolved", "", Lower,
        "changes for which only an unresolved event stands, of all changes";
    IdentityAccuracy: "identity_accuracy", "identity", "", Higher,
        "the right item, of events that match when items are ignored";
    TopFive: "top_five", "identity, top 5", "", Higher,
        "the right item among the event's first five candidates, of the same events";
    BasketAccuracy: "basket_accuracy", "cAcc", "", Higher, "sessions whose final basket equals the truth";
    UsualBasketAccuracy: "usual_basket_accuracy", "cAcc, 3–15 changes", "", Higher,
        "the same over sessions of 3 to 15 changes";
    OverchargedPer100: "overcharged_per_100", "overcharged", "/100", Lower,
        "items in final baskets that are not there, for 100 items that are";
    UnderchargedPer100: "undercharged_per_100", "undercharged", "/100", Lower,
        "items missing in final baskets, for 100 items that are there";
    MomentError: "moment_error", "moment error", "s", Lower, "mean distance of an event's moment from the change's end";
    DecisionDelay: "decision_delay", "decision delay", "s", Lower, "mean time from a change's end to the decision";
    DecisionDelayP99: "decision_delay_p99", "decision delay, p99", "s", Lower, "its 99th percentile";
    Escalation: "escalation", "escalation", "", Lower, "changes about which the cloud was asked, of all changes";
    CalibrationError: "calibration_error", "calibration error", "", Lower,
        "ECE: distance of stated confidence from accuracy, over 10 bins of equal mass";
}

impl Figure {
    pub(crate) fn shape(self, t: &Tally) -> Shape {
        let share = |hits, of| Shape::Proportion { hits, of };
        let alone = |matched: u64| t.changes.saturating_sub(matched) + t.events.saturating_sub(matched);
        match self {
            Self::Precision => share(t.matched, t.events),
            Self::Recall => share(t.matched, t.changes),
            Self::EventF1 => Shape::Pairing { matched: t.matched, alone: alone(t.matched) },
            Self::ActionF1 => Shape::Pairing { matched: t.action_matched, alone: alone(t.action_matched) },
            Self::Specificity => share(t.silent_episodes, t.null_episodes),
            Self::FalsePerHour => Shape::Rate { count: t.false_acts, exposure: t.recorded / 3600.0 },
            Self::Coverage => share(t.action_matched, t.changes),
            Self::UnresolvedRate => share(t.unresolved, t.changes),
            Self::IdentityAccuracy => share(t.right_items, t.action_matched),
            Self::TopFive => share(t.top_five, t.action_matched),
            Self::BasketAccuracy => share(t.right_baskets, t.baskets),
            Self::UsualBasketAccuracy => share(t.right_usual_baskets, t.usual_baskets),
            Self::OverchargedPer100 => Shape::Rate { count: t.overcharged, exposure: t.items as f64 / 100.0 },
            Self::UnderchargedPer100 => {
                Shape::Rate { count: t.undercharged, exposure: t.items as f64 / 100.0 }
            }
            Self::MomentError => Shape::Mean { sum: t.moment_error, of: t.matched },
            Self::DecisionDelay => Shape::Mean { sum: t.decision_delay, of: t.matched },
            Self::DecisionDelayP99 => Shape::Percentile { of: t.matched },
            Self::Escalation => share(t.escalated, t.changes),
            Self::CalibrationError => Shape::Calibration,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_json() {
        for figure in Figure::ALL {
            assert_eq!(serde_json::to_value(figure).unwrap(), figure.key());
        }
    }

    #[test]
    fn values_by_hand() {
        let tally = Tally {
            changes: 10,
            events: 8,
            matched: 6,
            action_matched: 7,
            right_items: 6,
            top_five: 7,
            unresolved: 2,
            false_acts: 3,
            escalated: 1,
            null_episodes: 4,
            silent_episodes: 3,
            recorded: 1_800.0,
            baskets: 5,
            right_baskets: 2,
            usual_baskets: 4,
            right_usual_baskets: 1,
            items: 50,
            overcharged: 2,
            undercharged: 4,
            moment_error: 0.9,
            decision_delay: 1.2,
        };
        for (figure, expected) in [
            (Figure::Precision, 0.75),
            (Figure::Recall, 0.6),
            (Figure::EventF1, 2.0 / (1.0 / 0.75 + 1.0 / 0.6)),
            (Figure::ActionF1, 14.0 / 18.0),
            (Figure::Specificity, 0.75),
            (Figure::FalsePerHour, 6.0),
            (Figure::Coverage, 0.7),
            (Figure::UnresolvedRate, 0.2),
            (Figure::IdentityAccuracy, 6.0 / 7.0),
            (Figure::TopFive, 1.0),
            (Figure::BasketAccuracy, 0.4),
            (Figure::UsualBasketAccuracy, 0.25),
            (Figure::OverchargedPer100, 4.0),
            (Figure::UnderchargedPer100, 8.0),
            (Figure::MomentError, 0.15),
            (Figure::DecisionDelay, 0.2),
            (Figure::Escalation, 0.1),
        ] {
            let value = figure.shape(&tally).value().unwrap();
            assert!((value - expected).abs() < 1e-12, "{}: {value}", figure.key());
        }
        let nothing = Tally::default();
        assert!(Figure::ALL.iter().all(|figure| figure.shape(&nothing).value().is_none()));
        let mut twice = Tally::default();
        twice.add(&tally, 2);
        assert_eq!((twice.changes, twice.undercharged, twice.recorded), (20, 8, 3_600.0));
    }
}
