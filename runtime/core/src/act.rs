//! Acts: changes of the basket's content. Several cameras' views of one act become one decision.

use crate::camera::{CameraId, CameraSet};
use crate::settings::Settings;
use crate::sighting::ClassId;
use crate::time::{MediaTime, Span};
use crate::votes::{Candidate, MAX_CANDIDATES, Votes};

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Put in.
    Added,
    /// Taken out.
    Removed,
}

/// One camera's view of an act.
#[derive(Clone, Debug)]
pub struct Act {
    pub(crate) camera: CameraId,
    pub(crate) change: Change,
    pub(crate) moment: MediaTime,
    pub(crate) p: f32,
    pub(crate) votes: Votes,
}

/// The most likely items of a decision, most likely first.
pub type Candidates = heapless::Vec<Candidate, MAX_CANDIDATES>;

/// What the cart makes of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sure: the item was put in.
    Added,
    /// Sure: the item was taken out.
    Removed {
        /// It was not in the session's basket: stock, or something that was missed.
        not_in_basket: bool,
    },
    /// Not sure; the basket stays as it is.
    Unresolved {
        /// What the change would be.
        change: Change,
    },
}

/// A decision on an act, to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What was decided.
    pub outcome: Outcome,
    /// The most likely item.
    pub item: ClassId,
    /// Probability of the act times the item's share of the votes, 0 to 1.
    pub confidence: f32,
    /// The act's moment: its end, as estimated.
    pub moment: MediaTime,
    /// When the decision fell.
    pub decided: MediaTime,
    /// Who saw it.
    pub cameras: CameraSet,
    /// What it may be, `item` first.
    pub candidates: Candidates,
    /// Whether it counts for the session: one was open when the decision fell, and had begun when it happened.
    pub in_session: bool,
}

/// The most acts that wait for other cameras, or have just been published and may still meet another camera's
/// view of themselves. When full, the oldest published one is forgotten; with none published, the newcomer is
/// not taken in and counted ([`crate::Counters::acts_refused`]).
pub(crate) const MAX_ACTS: usize = 16;

/// ```text
///            every live camera has spoken, or waited for long enough
/// Waiting ─────────────────────────────────────────────────────────► Published ──► forgotten
/// ```
#[derive(Clone, Copy, Debug)]
enum Stage {
    Waiting { until: MediaTime },
    Published { at: MediaTime },
}

#[derive(Clone, Debug)]
struct Shared {
    stage: Stage,
    change: Change,
    /// Moment and probability of the view that is surest. Views are not multiplied: cameras over one basket
    /// err together.
    moment: MediaTime,
    p: f32,
    votes: Votes,
    cameras: CameraSet,
}

/// The acts of the last moments, over all cameras.
#[derive(Debug, Default)]
pub(crate) struct Acts {
    shared: heapless::Vec<Shared, MAX_ACTS>,
}

/// An act that is ready to be decided.
#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) change: Change,
    pub(crate) moment: MediaTime,
    pub(crate) p: f32,
    pub(crate) votes: Votes,
    pub(crate) cameras: CameraSet,
}

impl Acts {
    /// Takes in one camera's view: part of an act that another camera has seen and this one has not told of
    /// yet, or an act of its own. Of several that it may belong to, the one nearest in time gets it, so that
    /// two items lifted at one moment stay two. `false` when there is no room for it.
    pub(crate) fn take_in(&mut self, now: MediaTime, act: Act, settings: &Settings) -> bool {
        let nearest = self
            .shared
            .iter_mut()
            .filter(|s| {
                s.change == act.change
                    && !s.cameras.contains(act.camera)
                    && s.moment.distance(act.moment) <= settings.fuse
                    && same_item(&s.votes, &act.votes)
            })
            .min_by_key(|s| s.moment.distance(act.moment));
        if let Some(shared) = nearest {
            shared.cameras.insert(act.camera);
            if matches!(shared.stage, Stage::Waiting { .. }) {
                shared.votes.add_shares(&act.votes);
                if act.p > shared.p {
                    (shared.p, shared.moment) = (act.p, act.moment);
                }
            }
            return true;
        }
        let mut votes = Votes::default();
        votes.add_shares(&act.votes);
        let shared = Shared {
            stage: Stage::Waiting { until: now + settings.fuse_wait },
            change: act.change,
            moment: act.moment,
            p: act.p,
            votes,
            cameras: CameraSet::only(act.camera),
        };
        if self.shared.is_full()
            && let Some(oldest) = self.shared.iter().position(|s| matches!(s.stage, Stage::Published { .. }))
        {
            self.shared.remove(oldest);
        }
        self.shared.push(shared).is_ok()
    }

    /// The next act that every one of the `live` cameras has spoken of, or that has waited for long enough;
    /// any that waits, if `all`.
    pub(crate) fn ready(&mut self, now: MediaTime, live: CameraSet, all: bool) -> Option<Ready> {
        let shared = self.shared.iter_mut().find(|s| match s.stage {
            Stage::Waiting { until } => all || now >= until || s.cameras.covers(live),
            Stage::Published { .. } => false,
        })?;
        shared.stage = Stage::Published { at: now };
        Some(shared.clone().into_ready())
    }

    /// Forgets published acts that no camera's view can belong to any more: a view comes at most `wait` after
    /// its moment.
    pub(crate) fn forget(&mut self, now: MediaTime, wait: Span) {
        self.shared.retain(|s| match s.stage {
            Stage::Waiting { .. } => true,
            Stage::Published { at } => now.since(at) <= wait,
        });
    }
}

impl Shared {
    fn into_ready(self) -> Ready {
        Ready {
            change: self.change,
            moment: self.moment,
            p: self.p,
            votes: self.votes,
            cameras: self.cameras,
        }
    }
}

/// Whether two tallies may speak of one item: the favourite of either is known to the other.
fn same_item(a: &Votes, b: &Votes) -> bool {
    let known = |x: &Votes, y: &Votes| x.top().is_some_and(|top| y.knows(top.item));
    known(a, b) || known(b, a)
}
