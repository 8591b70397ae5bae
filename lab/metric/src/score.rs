//! One session: what became of every true change, every act and every episode.

use serde::{Deserialize, Serialize};

use crate::basket::BasketVerdict;
use crate::events::{Act, Claim, EventLog};
use crate::matching::{Edge, Rule, WRONG_ITEM, cheapest, distance};
use crate::truth::{TrueChange, Truth};

/// What became of a true change. Places are those in [`EventLog::acts`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeVerdict {
    /// The act that matches it.
    pub matched: Option<usize>,
    /// The act that matches it when items are ignored.
    pub action: Option<usize>,
    /// Whether the act in `action` names the right item.
    pub right_item: bool,
    /// Whether the right item is what that act names or among its first five candidates.
    pub in_top_five: bool,
    /// The unresolved act that stands for it.
    pub unresolved: Option<usize>,
    /// Whether the cloud was asked about it.
    pub escalated: bool,
}

/// What became of an act. Places are those in [`Truth`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActVerdict {
    /// The change that it matches.
    pub matched: Option<usize>,
    /// The change that it matches when items are ignored.
    pub action: Option<usize>,
    /// The change for which it stands, being unresolved.
    pub answers: Option<usize>,
    /// Whether what it claims, as a best guess where it is unresolved, is what happened.
    pub right: bool,
    /// The episode it falls into.
    pub episode: Option<usize>,
}

impl ActVerdict {
    /// Whether it matches no change.
    pub fn is_false(&self) -> bool {
        self.matched.is_none() && self.answers.is_none()
    }
}

/// What became of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// One for each true change.
    pub changes: Vec<ChangeVerdict>,
    /// One for each act.
    pub acts: Vec<ActVerdict>,
    /// The basket in the end.
    pub basket: BasketVerdict,
}

/// A decision and whether it was right: what risk and calibration are about.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// As the cart stated it.
    pub confidence: f64,
    /// Whether it was what happened.
    pub right: bool,
}

/// Holds a session's events against its truth.
pub fn score(truth: &Truth, log: &EventLog, rule: Rule) -> Scored {
    let mut changes = vec![ChangeVerdict::default(); truth.changes.len()];
    let mut acts = vec![ActVerdict::default(); log.acts.len()];

    let matches = pairs(truth, log, |act, change| rule.matches(act, change).then(|| distance(act, change)));
    for (a, c) in matches {
        acts[a].matched = Some(c);
        acts[a].right = true;
        changes[c].matched = Some(a);
    }

    // Which item it was plays no part in who may match whom. But where two acts fall together several matchings
    // are largest, and only the one that pairs right items says anything about identities: it goes before the
    // one whose moments lie a little closer.
    let action_cost = |act: &Act, change: &TrueChange| {
        let wrong = if change.item.is(&act.item) { 0 } else { WRONG_ITEM };
        rule.matches_action(act, change).then(|| distance(act, change) + wrong)
    };
    for (a, c) in pairs(truth, log, action_cost) {
        let (act, change) = (&log.acts[a], &truth.changes[c]);
        acts[a].action = Some(c);
        let verdict = &mut changes[c];
        verdict.action = Some(a);
        verdict.right_item = change.item.is(&act.item);
        let among = act.candidates.iter().take(5).any(|candidate| change.item.is(candidate));
        verdict.in_top_five = verdict.right_item || among;
        verdict.escalated |= log.was_asked(act);
    }

    // An unresolved act stands for a change that nothing else speaks of.
    let free =
        |changes: &[ChangeVerdict], c: usize| changes[c].action.is_none() && changes[c].matched.is_none();
    let unanswered: Vec<bool> = (0..changes.len()).map(|c| free(&changes, c)).collect();
    let open = indexed_pairs(truth, log, |a, c| {
        let (act, change) = (&log.acts[a], &truth.changes[c]);
        (unanswered[c] && rule.answers(act, change)).then(|| distance(act, change))
    });
    for (a, c) in open {
        acts[a].answers = Some(c);
        changes[c].unresolved = Some(a);
        changes[c].escalated |= log.was_asked(&log.acts[a]);
    }

    // Had the threshold been lower, its best guess would have been the event.
    let unmatched: Vec<bool> = changes.iter().map(|c| c.matched.is_none()).collect();
    let guesses = indexed_pairs(truth, log, |a, c| {
        let (act, change) = (&log.acts[a], &truth.changes[c]);
        let guess = act.claim == Claim::Unresolved(Some(change.kind)) && change.item.is(&act.item);
        (unmatched[c] && guess && rule.answers(act, change)).then(|| distance(act, change))
    });
    for (a, _) in guesses {
        acts[a].right = true;
    }

    for (verdict, act) in acts.iter_mut().zip(&log.acts) {
        let change = verdict.matched.or(verdict.action).or(verdict.answers);
        verdict.episode = match change {
            Some(change) => truth.changes[change].episode,
            None => episode_at(truth, act.moment, rule.tolerance),
        };
    }
    Scored { changes, acts, basket: BasketVerdict::of(truth, log) }
}

/// The episode in which a moment lies: the last begun of those that hold it; else, since an act may be reported a
/// little late, the last that ended within the tolerance before it.
fn episode_at(truth: &Truth, moment: f64, tolerance: f64) -> Option<usize> {
    let begun = || truth.episodes.iter().enumerate().filter(|(_, e)| e.start <= moment);
    let holding =
        begun().filter(|(_, e)| moment <= e.end).max_by(|(_, a), (_, b)| a.start.total_cmp(&b.start));
    let late = || {
        let recent = begun().filter(|(_, e)| moment <= e.end + tolerance);
        recent.max_by(|(_, a), (_, b)| a.end.total_cmp(&b.end))
    };
    holding.or_else(late).map(|(index, _)| index)
}

fn pairs(
    truth: &Truth,
    log: &EventLog,
    cost: impl Fn(&Act, &TrueChange) -> Option<i64>,
) -> Vec<(usize, usize)> {
    indexed_pairs(truth, log, |a, c| cost(&log.acts[a], &truth.changes[c]))
}

fn indexed_pairs(
    truth: &Truth,
    log: &EventLog,
    cost: impl Fn(usize, usize) -> Option<i64>,
) -> Vec<(usize, usize)> {
    let mut edges: Vec<Edge> = vec![];
    for a in 0..log.acts.len() {
        edges.extend((0..truth.changes.len()).filter_map(|c| Some((a, c, cost(a, c)?))));
    }
    let given = cheapest(log.acts.len(), truth.changes.len(), &edges);
    given.into_iter().enumerate().filter_map(|(a, c)| Some((a, c?))).collect()
}
