//! Where the figures come from: by act, item, light and whatever else sessions are told apart by.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::estimate::{Estimate, estimates};
use crate::events::Claim;
use crate::figure::Figure;
use crate::interval::Interval;
use crate::tally::{Outcome, Part, Session, kind_name};

/// The figures of whole sessions that a table of groups shows.
pub const OF_SESSIONS: &[Figure] = &[
    Figure::EventF1,
    Figure::ActionF1,
    Figure::Specificity,
    Figure::FalsePerHour,
    Figure::IdentityAccuracy,
    Figure::BasketAccuracy,
    Figure::MomentError,
];

/// The figures of parts of sessions: those for which a part suffices.
pub const OF_PARTS: &[Figure] = &[
    Figure::EventF1,
    Figure::Recall,
    Figure::ActionF1,
    Figure::Specificity,
    Figure::IdentityAccuracy,
    Figure::UnresolvedRate,
    Figure::MomentError,
];

/// The figures, group by group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// What the groups differ in: `act`, `item`, `kind`, or a trait of sessions.
    pub by: String,
    /// In the order of names; numbers by size.
    pub groups: Vec<Group>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// For people, where the name is an id.
    pub label: Option<String>,
    /// How many sessions have anything of it.
    pub sessions: usize,
    /// True changes in it.
    pub changes: u64,
    /// Null episodes in it.
    pub null_episodes: u64,
    /// Its figures.
    pub figures: Vec<Estimate>,
}

/// Items taken for one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// What it was.
    pub truth: String,
    /// What the cart said.
    pub said: String,
    /// How often.
    pub count: u64,
    /// Whether the catalogue calls them near-twins.
    pub twins: bool,
}

/// How often near-twins are confused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Twins {
    /// Action-matched changes of items that have a twin.
    pub of: u64,
    /// Of those: the event names the twin.
    pub confused: u64,
    /// Of the share.
    pub interval: Option<Interval>,
}

/// Everything that sessions and their parts can be told apart by.
pub fn breakdowns(sessions: &[Session], labels: &BTreeMap<String, String>) -> Vec<Breakdown> {
    let mut made = vec![];
    made.push(by_part("kind", sessions, |session| {
        let kinds: BTreeSet<_> = session.truth.changes.iter().map(|c| kind_name(c.kind)).collect();
        kinds.into_iter().map(|kind| (kind.to_owned(), of_kind(session, kind))).collect()
    }));
    made.push(by_part("act", sessions, |session| {
        let acts: BTreeSet<_> = session.truth.episodes.iter().flat_map(|e| &e.acts).collect();
        acts.into_iter().map(|act| (act.clone(), of_act(session, act))).collect()
    }));
    let mut by_item = by_part("item", sessions, |session| {
        let names = session.truth.names();
        names.iter().map(|name| ((*name).to_owned(), of_item(session, name, &names))).collect()
    });
    for group in &mut by_item.groups {
        group.label = labels.get(&group.name).filter(|label| **label != group.name).cloned();
    }
    made.push(by_item);
    let traits: BTreeSet<&String> = sessions.iter().flat_map(|s| s.traits.keys()).collect();
    for name in traits {
        let mut groups: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
        for session in sessions {
            if let Some(value) = session.traits.get(name) {
                groups.entry(value.clone()).or_default().push(session.outcome());
            }
        }
        made.push(table(name, groups, OF_SESSIONS));
    }
    made.retain(|breakdown| !breakdown.groups.is_empty());
    made
}

fn by_part(by: &str, sessions: &[Session], parts: impl Fn(&Session) -> Vec<(String, Outcome)>) -> Breakdown {
    let mut groups: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    for (name, outcome) in sessions.iter().flat_map(parts) {
        groups.entry(name).or_default().push(outcome);
    }
    table(by, groups, OF_PARTS)
}

fn table(by: &str, groups: BTreeMap<String, Vec<Outcome>>, figures: &[Figure]) -> Breakdown {
    let group = |(name, outcomes): (String, Vec<Outcome>)| Group {
        name,
        label: None,
        sessions: outcomes.len(),
        changes: outcomes.iter().map(|o| o.tally.changes).sum(),
        null_episodes: outcomes.iter().map(|o| o.tally.null_episodes).sum(),
        figures: estimates(&outcomes, figures),
    };
    let mut groups: Vec<Group> = groups.into_iter().map(group).collect();
    // 2 cameras before 10.
    groups.sort_by_key(|g| g.name.parse::<u64>().map_or((1, 0), |number| (0, number)));
    Breakdown { by: by.to_owned(), groups }
}

/// Changes of one kind and events that claim it.
fn of_kind(session: &Session, kind: &str) -> Outcome {
    session.part(&Part {
        change: &|_, change| kind_name(change.kind) == kind,
        act: &|_, act| claimed(act.claim) == Some(kind),
        episode: &|_, _| false,
    })
}

fn claimed(claim: Claim) -> Option<&'static str> {
    match claim {
        Claim::Resolved(kind) | Claim::Unresolved(Some(kind)) => Some(kind_name(kind)),
        Claim::Unresolved(None) => None,
    }
}

/// Episodes that hold one kind of act, with the changes and events in them.
fn of_act(session: &Session, act: &str) -> Outcome {
    let holds = |episode: Option<usize>| {
        episode.is_some_and(|e| session.truth.episodes[e].acts.iter().any(|a| a == act))
    };
    session.part(&Part {
        change: &|_, change| holds(change.episode),
        act: &|index, _| holds(session.scored.acts[index].episode),
        episode: &|index, _| holds(Some(index)),
    })
}

/// Changes of one item and events that name it.
fn of_item(session: &Session, item: &str, names: &BTreeSet<&str>) -> Outcome {
    session.part(&Part {
        change: &|_, change| change.item.name() == item,
        act: &|_, act| act.item.name(names) == item,
        episode: &|_, _| false,
    })
}

/// Which items were taken for which, the most frequent first. `families`: for each item that has near-twins the name
/// that it shares with them.
pub fn confusions(sessions: &[Session], families: &BTreeMap<String, String>) -> (Vec<Confusion>, Twins) {
    let twin = |a: &str, b: &str| families.get(a).is_some_and(|family| families.get(b) == Some(family));
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut of = 0;
    for session in sessions {
        let names = session.truth.names();
        for (_, change, verdict) in session.changes() {
            let Some(act) = verdict.action else { continue };
            of += u64::from(families.contains_key(change.item.name()));
            if !verdict.right_item {
                let said = session.log.acts[act].item.name(&names);
                *counts.entry((change.item.name(), said)).or_default() += 1;
            }
        }
    }
    let one = |((truth, said), count): ((&str, &str), u64)| Confusion {
        truth: truth.to_owned(),
        said: said.to_owned(),
        count,
        twins: twin(truth, said),
    };
    let mut all: Vec<_> = counts.into_iter().map(one).collect();
    all.sort_by_key(|confusion| std::cmp::Reverse(confusion.count));
    let confused = all.iter().filter(|c| c.twins).map(|c| c.count).sum();
    let interval = (of > 0).then(|| Interval::clopper_pearson(confused, of));
    (all, Twins { of, confused, interval })
}
