//! What is counted in a session, or in a part of it: sums from which every figure follows.

use std::collections::BTreeMap;

use cartvision_wire::Change;
use serde::{Deserialize, Serialize};

use crate::events::{Act, EventLog};
use crate::matching::Rule;
use crate::score::{ActVerdict, ChangeVerdict, Decision, Scored, score};
use crate::truth::{Episode, TrueChange, Truth};

/// Sums over sessions, or parts of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// True changes.
    pub changes: u64,
    /// Resolved acts.
    pub events: u64,
    /// Changes matched by an event.
    pub matched: u64,
    /// Changes matched by an event when items are ignored.
    pub action_matched: u64,
    /// Of those: the event names the right item.
    pub right_items: u64,
    /// Of those: the right item is the event's or among its first five candidates.
    pub top_five: u64,
    /// Changes for which an unresolved act stands.
    pub unresolved: u64,
    /// Acts, unresolved ones included, that match no change.
    pub false_acts: u64,
    /// Changes about which the cloud was asked.
    pub escalated: u64,
    /// Null episodes.
    pub null_episodes: u64,
    /// Null episodes without any act.
    pub silent_episodes: u64,
    /// Recorded time, seconds.
    pub recorded: f64,
    /// Sessions whose basket was looked at.
    pub baskets: u64,
    /// Of those: equal to the truth.
    pub right_baskets: u64,
    /// Of the sessions: those of 3 to 15 changes.
    pub usual_baskets: u64,
    /// Of those: equal to the truth.
    pub right_usual_baskets: u64,
    /// Items in the true baskets.
    pub items: u64,
    /// Items that would be charged and are not there.
    pub overcharged: u64,
    /// Items that are there and would not be charged.
    pub undercharged: u64,
    /// Sum over matches of |moment − end|, seconds.
    pub moment_error: f64,
    /// Sum over matches of decided − end, seconds.
    pub decision_delay: f64,
}

/// The numbers of changes in what counts as a usual session.
pub const USUAL_CHANGES: std::ops::RangeInclusive<usize> = 3..=15;

impl Tally {
    /// Adds `other`, so many times.
    pub fn add(&mut self, other: &Self, times: u32) {
        let n = u64::from(times);
        let f = f64::from(times);
        self.changes += n * other.changes;
        self.events += n * other.events;
        self.matched += n * other.matched;
        self.action_matched += n * other.action_matched;
        self.right_items += n * other.right_items;
        self.top_five += n * other.top_five;
        self.unresolved += n * other.unresolved;
        self.false_acts += n * other.false_acts;
        self.escalated += n * other.escalated;
        self.null_episodes += n * other.null_episodes;
        self.silent_episodes += n * other.silent_episodes;
        self.recorded += f * other.recorded;
        self.baskets += n * other.baskets;
        self.right_baskets += n * other.right_baskets;
        self.usual_baskets += n * other.usual_baskets;
        self.right_usual_baskets += n * other.right_usual_baskets;
        self.items += n * other.items;
        self.overcharged += n * other.overcharged;
        self.undercharged += n * other.undercharged;
        self.moment_error += f * other.moment_error;
        self.decision_delay += f * other.decision_delay;
    }
}

/// What a session, or a part of it, brings to the figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The session.
    pub name: String,
    /// Its sums.
    pub tally: Tally,
    /// decided − end of each match, seconds.
    pub delays: Vec<f64>,
    /// moment − end of each match, seconds: early ones are negative.
    pub offsets: Vec<f64>,
    /// Every decision that states its confidence.
    pub decisions: Vec<Decision>,
}

/// A session with everything that is known of it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its name, unlike all others.
    pub name: String,
    /// Its length, seconds.
    pub recorded: f64,
    /// What it is like, by the name of the trait: style, light, …
    pub traits: BTreeMap<String, String>,
    /// What happened.
    pub truth: Truth,
    /// What the cart said.
    pub log: EventLog,
    /// What became of both.
    pub scored: Scored,
}

/// Which part of a session to count. What belongs to the whole session (recorded time, baskets) is left out of
/// a part.
pub struct Part<'a> {
    /// Which changes.
    pub change: &'a dyn Fn(usize, &TrueChange) -> bool,
    /// Which acts.
    pub act: &'a dyn Fn(usize, &Act) -> bool,
    /// Which episodes.
    pub episode: &'a dyn Fn(usize, &Episode) -> bool,
}

impl Session {
    /// Holds a session's events against its truth.
    pub fn new(name: String, recorded: f64, truth: Truth, log: EventLog, rule: Rule) -> Self {
        let scored = score(&truth, &log, rule);
        Self { name, recorded, traits: BTreeMap::new(), truth, log, scored }
    }

    /// The session as it would be without a cloud.
    #[must_use]
    pub fn without_cloud(&self, rule: Rule) -> Self {
        let log = self.log.without_cloud();
        let session = Self::new(self.name.clone(), self.recorded, self.truth.clone(), log, rule);
        Self { traits: self.traits.clone(), ..session }
    }

    /// The whole session's outcome.
    pub fn outcome(&self) -> Outcome {
        let all = Part { change: &|_, _| true, act: &|_, _| true, episode: &|_, _| true };
        let mut outcome = self.part(&all);
        let basket = &self.scored.basket;
        let usual = USUAL_CHANGES.contains(&self.truth.changes.len());
        let tally = &mut outcome.tally;
        tally.recorded = self.recorded;
        tally.baskets = 1;
        tally.right_baskets = basket.is_right().into();
        tally.usual_baskets = usual.into();
        tally.right_usual_baskets = (usual && basket.is_right()).into();
        tally.items = basket.items;
        tally.overcharged = basket.overcharged;
        tally.undercharged = basket.undercharged;
        outcome
    }

    /// The outcome of a part of it.
    pub fn part(&self, part: &Part<'_>) -> Outcome {
        let mut outcome = Outcome { name: self.name.clone(), ..Outcome::default() };
        let tally = &mut outcome.tally;
        for (_, change, verdict) in self.changes().filter(|(i, c, _)| (part.change)(*i, c)) {
            tally.changes += 1;
            tally.matched += u64::from(verdict.matched.is_some());
            tally.action_matched += u64::from(verdict.action.is_some());
            tally.right_items += u64::from(verdict.right_item);
            tally.top_five += u64::from(verdict.in_top_five);
            tally.unresolved += u64::from(verdict.unresolved.is_some());
            tally.escalated += u64::from(verdict.escalated);
            if let Some(act) = verdict.matched.map(|a| &self.log.acts[a]) {
                let (offset, delay) = (act.moment - change.end, act.decided - change.end);
                tally.moment_error += offset.abs();
                tally.decision_delay += delay;
                outcome.offsets.push(offset);
                outcome.delays.push(delay);
            }
        }
        for (_, act, verdict) in self.acts().filter(|(i, a, _)| (part.act)(*i, a)) {
            tally.events += u64::from(act.claim.is_resolved());
            tally.false_acts += u64::from(verdict.is_false());
            if let Some(confidence) = act.confidence {
                outcome.decisions.push(Decision { confidence, right: verdict.right });
            }
        }
        for (index, episode) in self.truth.episodes.iter().enumerate().filter(|(_, e)| e.is_null()) {
            if (part.episode)(index, episode) {
                tally.null_episodes += 1;
                let spoken = self.scored.acts.iter().any(|act| act.episode == Some(index));
                tally.silent_episodes += u64::from(!spoken);
            }
        }
        outcome
    }

    /// The changes with what became of them.
    pub fn changes(&self) -> impl Iterator<Item = (usize, &TrueChange, &ChangeVerdict)> {
        let pairs = self.truth.changes.iter().zip(&self.scored.changes);
        pairs.enumerate().map(|(index, (change, verdict))| (index, change, verdict))
    }

    /// The acts with what became of them.
    pub fn acts(&self) -> impl Iterator<Item = (usize, &Act, &ActVerdict)> {
        let pairs = self.log.acts.iter().zip(&self.scored.acts);
        pairs.enumerate().map(|(index, (act, verdict))| (index, act, verdict))
    }
}

/// In or out, for tables.
pub fn kind_name(kind: Change) -> &'static str {
    match kind {
        Change::Added => "added",
        Change::Removed => "removed",
    }
}
