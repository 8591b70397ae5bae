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

impl Change {
    /// The other one.
    pub(crate) fn contrary(self) -> Self {
        match self {
            Self::Added => Self::Removed,
            Self::Removed => Self::Added,
        }
    }
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

impl Act {
    /// Whether the two may be of one item.
    pub(crate) fn may_be_of(&self, other: &Self) -> bool {
        same_item(&self.votes, &other.votes)
    }
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

/// How much longer an act waits while another camera objects to it. Then it is dropped: one camera lost sight of
/// an item that another one still sees.
const OBJECTION: Span = Span::from_ms(1000);

/// Two tallies that agree less speak of different items. Not nothing: near-twins take some of each other's votes.
const SAME_ITEM: f32 = 0.15;

/// ```text
///            every live camera has spoken, or waited for long enough and nobody objects
/// Waiting ─────────────────────────────────────────────────────────────────────────────► Published ──► forgotten
///    └── a camera still objects after OBJECTION: forgotten
/// ```
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// `contested`: a camera has objected.
    Waiting {
        until: MediaTime,
        contested: bool,
    },
    Published {
        at: MediaTime,
    },
}

impl Stage {
    /// How far apart two views of one act may be. A camera that objected and then speaks after all has seen the
    /// end of what another one had lost sight of.
    fn reach(self, settings: &Settings) -> Span {
        match self {
            Self::Waiting { contested: true, .. } => settings.fuse + OBJECTION,
            _ => settings.fuse,
        }
    }
}

/// An act that waits, as others may object to it.
pub(crate) struct Claim<'a> {
    pub(crate) change: Change,
    pub(crate) moment: MediaTime,
    pub(crate) votes: &'a Votes,
    pub(crate) cameras: CameraSet,
    pub(crate) counted: usize,
}

#[derive(Clone, Debug)]
struct Shared {
    stage: Stage,
    change: Change,
    moment: MediaTime,
    /// Of the view that is surest. Views are not multiplied: cameras over one basket err together.
    p: f32,
    votes: Votes,
    cameras: CameraSet,
    /// How many of the item the claimants counted in the zone when they spoke, at least.
    counted: usize,
}

/// The acts of the last moments, over all cameras.
#[derive(Clone, Debug, Default)]
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
    /// yet, or an act of its own. Of several that it may belong to, the likeliest gets it, so that two items lifted
    /// at one moment stay two. `counted`: how many of the item the camera counts in the zone now.
    /// `false` when there is no room for it.
    pub(crate) fn take_in(&mut self, now: MediaTime, act: Act, counted: usize, settings: &Settings) -> bool {
        let likeliest = self
            .shared
            .iter_mut()
            .filter(|s| s.may_be(&act, settings))
            .max_by(|a, b| a.likeness(&act, settings).total_cmp(&b.likeness(&act, settings)));
        if let Some(shared) = likeliest {
            shared.cameras.insert(act.camera);
            shared.counted = shared.counted.min(counted);
            if matches!(shared.stage, Stage::Waiting { .. }) {
                shared.votes.add_shares(&act.votes);
                shared.p = shared.p.max(act.p);
                shared.moment = match act.change {
                    // What one camera saw lie still did, though another saw it later, from behind a hand.
                    Change::Added => shared.moment.min(act.moment),
                    // What one camera lost sight of was not out while another one saw it.
                    Change::Removed => shared.moment.max(act.moment),
                };
            }
            return true;
        }
        let mut votes = Votes::default();
        votes.add_shares(&act.votes);
        let shared = Shared {
            stage: Stage::Waiting { until: now + settings.fuse_wait, contested: false },
            change: act.change,
            moment: act.moment,
            p: act.p,
            votes,
            cameras: CameraSet::only(act.camera),
            counted,
        };
        if self.shared.is_full()
            && let Some(oldest) = self.shared.iter().position(|s| matches!(s.stage, Stage::Published { .. }))
        {
            self.shared.remove(oldest);
        }
        self.shared.push(shared).is_ok()
    }

    /// Whether another camera told of this act already.
    pub(crate) fn told_by_another(&self, act: &Act, settings: &Settings) -> bool {
        self.shared.iter().any(|s| s.may_be(act, settings))
    }

    /// How near in time to this act the nearest one of that kind and its item is, by this camera or by any.
    pub(crate) fn nearest(&self, act: &Act, change: Change, camera: Option<CameraId>) -> Option<Span> {
        let by = |s: &&Shared| camera.is_none_or(|camera| s.cameras.contains(camera));
        let alike = |s: &&Shared| s.change == change && same_item(&s.votes, &act.votes);
        self.shared.iter().filter(by).filter(alike).map(|s| s.moment.distance(act.moment)).min()
    }

    /// The next act that every one of the `live` cameras has spoken of, or that has waited for long enough and to
    /// which nobody `objects`; any that waits, if `all`. Drops those to which somebody has objected for too long.
    pub(crate) fn ready(
        &mut self,
        now: MediaTime,
        live: CameraSet,
        all: bool,
        objects: impl Fn(&Claim<'_>) -> bool,
    ) -> Option<Ready> {
        let mut at = 0;
        while let Some(s) = self.shared.get_mut(at) {
            let Stage::Waiting { until, .. } = s.stage else {
                at += 1;
                continue;
            };
            let spoken = s.cameras.covers(live);
            if spoken || ((all || now >= until) && !objects(&s.claim())) {
                s.stage = Stage::Published { at: now };
                return Some(s.clone().into_ready());
            }
            if all || now >= until + OBJECTION {
                self.shared.remove(at);
                continue;
            }
            s.stage = Stage::Waiting { until, contested: now >= until };
            at += 1;
        }
        None
    }

    /// Forgets published acts that no camera's view can belong to any more. A view comes late: of an item that
    /// was covered, when it is uncovered, which may take as long as a covered item is remembered.
    pub(crate) fn forget(&mut self, now: MediaTime, settings: &Settings) {
        self.shared.retain(|s| match s.stage {
            Stage::Waiting { .. } => true,
            Stage::Published { at } => now.since(at) <= settings.memory,
        });
    }
}

impl Shared {
    /// Whether a camera that has not told of it means this one.
    fn may_be(&self, act: &Act, settings: &Settings) -> bool {
        self.change == act.change
            && !self.cameras.contains(act.camera)
            && self.moment.distance(act.moment) <= self.stage.reach(settings)
            && same_item(&self.votes, &act.votes)
    }

    /// How likely it is this one that is meant: as the items agree, and half of that at the end of its reach.
    fn likeness(&self, act: &Act, settings: &Settings) -> f32 {
        let far = self.moment.distance(act.moment).as_seconds() / self.stage.reach(settings).as_seconds();
        self.votes.agreement(&act.votes) * (1.0 - 0.5 * far)
    }

    fn claim(&self) -> Claim<'_> {
        let Self { change, moment, votes, cameras, counted, .. } = self;
        Claim { change: *change, moment: *moment, votes, cameras: *cameras, counted: *counted }
    }

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

/// Whether two tallies may speak of one item.
fn same_item(a: &Votes, b: &Votes) -> bool {
    a.agreement(b) >= SAME_ITEM
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    fn camera(index: usize) -> CameraId {
        CameraId::new(index).unwrap()
    }

    fn act(index: usize, ms: u64, item: u16, p: f32) -> Act {
        let mut votes = Votes::default();
        votes.add(ClassId(item), 1.0);
        Act { camera: camera(index), change: Change::Added, moment: MediaTime::from_ms(ms), p, votes }
    }

    fn cameras(indices: &[usize]) -> CameraSet {
        let mut set = CameraSet::default();
        for index in indices {
            set.insert(camera(*index));
        }
        set
    }

    /// Moments, cameras and probabilities of what is ready at `ms`.
    fn ready(acts: &mut Acts, ms: u64, live: &[usize], all: bool) -> Vec<(u64, CameraSet, f32)> {
        let now = MediaTime::from_ms(ms);
        core::iter::from_fn(|| acts.ready(now, cameras(live), all, |_| false))
            .map(|r| (r.moment.as_ms(), r.cameras, r.p))
            .collect()
    }

    fn take_in(acts: &mut Acts, ms: u64, act: Act) -> bool {
        acts.take_in(MediaTime::from_ms(ms), act, 0, &Settings::default())
    }

    #[test]
    fn one_camera_waits_for_nobody() {
        let mut acts = Acts::default();
        assert!(take_in(&mut acts, 1000, act(0, 900, 1, 0.9)));
        assert_eq!(ready(&mut acts, 1000, &[0], false), [(900, cameras(&[0]), 0.9)]);
        assert_eq!(ready(&mut acts, 5000, &[0], true), [], "once only");
    }

    #[test]
    fn two_views_are_one_act_as_probable_as_the_surer_one() {
        let mut acts = Acts::default();
        take_in(&mut acts, 1000, act(0, 900, 1, 0.8));
        assert_eq!(ready(&mut acts, 1000, &[0, 1], false), []);
        take_in(&mut acts, 1100, act(1, 950, 1, 0.9));
        assert_eq!(ready(&mut acts, 1100, &[0, 1], false), [(900, cameras(&[0, 1]), 0.9)]);
    }

    #[test]
    fn a_silent_camera_is_waited_for_and_its_late_view_makes_no_second_act() {
        let wait = Settings::default().fuse_wait.ns / 1_000_000;
        let mut acts = Acts::default();
        take_in(&mut acts, 1000, act(0, 900, 1, 0.8));
        assert_eq!(ready(&mut acts, 1000 + wait - 1, &[0, 1], false), []);
        assert_eq!(ready(&mut acts, 1000 + wait, &[0, 1], false).len(), 1);
        assert!(take_in(&mut acts, 1900, act(1, 950, 1, 0.9)));
        assert_eq!(ready(&mut acts, 9000, &[0, 1], true), []);
    }

    #[test]
    fn a_view_that_was_covered_for_long_makes_no_second_act() {
        let settings = Settings::default();
        let mut acts = Acts::default();
        take_in(&mut acts, 1000, act(0, 900, 1, 0.8));
        assert_eq!(ready(&mut acts, 1000, &[0], false).len(), 1);
        acts.forget(MediaTime::from_ms(30_000), &settings);
        assert!(take_in(&mut acts, 30_000, act(1, 950, 1, 0.9)));
        assert_eq!(ready(&mut acts, 60_000, &[0, 1], true), []);
        acts.forget(MediaTime::from_ms(1001) + settings.memory, &settings);
        assert!(acts.shared.is_empty());
    }

    /// As `ready`, while another camera objects.
    fn contested(acts: &mut Acts, ms: u64, live: &[usize]) -> bool {
        acts.ready(MediaTime::from_ms(ms), cameras(live), false, |_| true).is_some()
    }

    #[test]
    fn an_act_to_which_somebody_objects_waits_and_is_dropped() {
        let mut acts = Acts::default();
        take_in(&mut acts, 1000, act(0, 900, 1, 0.9));
        let until = 1000 + Settings::default().fuse_wait.ns / 1_000_000;
        assert!(!contested(&mut acts, until, &[0, 1]));
        assert!(!contested(&mut acts, until + 999, &[0, 1]));
        assert_eq!(acts.shared.len(), 1);
        // Nobody objects any more: it is an act after all.
        assert_eq!(ready(&mut acts.clone(), until + 999, &[0, 1], false), [(900, cameras(&[0]), 0.9)]);
        assert!(!contested(&mut acts, until + 1000, &[0, 1]));
        assert!(acts.shared.is_empty());
    }

    #[test]
    fn who_objected_and_then_speaks_knows_better_when_it_ended() {
        let mut acts = Acts::default();
        let removed = |act| Act { change: Change::Removed, ..act };
        take_in(&mut acts, 1000, removed(act(0, 900, 1, 0.9)));
        assert!(!contested(&mut acts, 1500, &[0, 1]));
        // Further from the first view than two views of one act usually are.
        take_in(&mut acts, 2000, removed(act(1, 1800, 1, 0.8)));
        assert_eq!(ready(&mut acts, 2000, &[0, 1], false), [(1800, cameras(&[0, 1]), 0.9)]);
    }

    #[test]
    fn two_acts_of_one_camera_stay_two() {
        let mut acts = Acts::default();
        for (index, ms) in [(0, 900), (0, 950), (1, 910), (1, 945)] {
            take_in(&mut acts, 1000, act(index, ms, 1, 0.9));
        }
        assert_eq!(
            ready(&mut acts, 1000, &[0, 1], false),
            [(900, cameras(&[0, 1]), 0.9), (945, cameras(&[0, 1]), 0.9)]
        );
    }

    #[test]
    fn a_view_belongs_to_the_act_of_its_item_before_the_one_nearest_in_time() {
        let mut acts = Acts::default();
        for (ms, item) in [(900, 1), (1100, 2)] {
            take_in(&mut acts, 1200, act(0, ms, item, 0.9));
        }
        // Mostly the first one's item, though seen when the second one was put down.
        let mut late = act(1, 1100, 1, 0.8);
        late.votes.add(ClassId(2), 0.5);
        take_in(&mut acts, 1200, late);
        assert_eq!(
            ready(&mut acts, 5000, &[0, 1], true),
            [(900, cameras(&[0, 1]), 0.9), (1100, cameras(&[0]), 0.9)]
        );
    }

    #[test]
    fn what_differs_stays_apart() {
        let fuse = Settings::default().fuse.ns / 1_000_000;
        let removed = Act { change: Change::Removed, ..act(1, 900, 1, 0.9) };
        for other in [act(1, 900, 2, 0.9), removed, act(1, 900 + fuse + 1, 1, 0.9)] {
            let mut acts = Acts::default();
            take_in(&mut acts, 1000, act(0, 900, 1, 0.9));
            take_in(&mut acts, 1000, other.clone());
            assert_eq!(ready(&mut acts, 1000, &[0, 1], true).len(), 2, "{other:?}");
        }
    }

    #[test]
    fn when_full_published_ones_give_way_and_waiting_ones_do_not() {
        let mut acts = Acts::default();
        for i in 0..MAX_ACTS as u64 {
            assert!(take_in(&mut acts, 1000, act(0, 900 + i, 1, 0.9)));
        }
        assert!(!take_in(&mut acts, 1000, act(0, 990, 1, 0.9)));
        assert!(acts.ready(MediaTime::from_ms(1000), cameras(&[0]), false, |_| false).is_some());
        assert!(take_in(&mut acts, 1000, act(0, 990, 1, 0.9)));
        assert_eq!(ready(&mut acts, 1000, &[0], false).len(), MAX_ACTS);
    }
}
