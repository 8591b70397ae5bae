//! The life of one track with respect to the zone.

use crate::act::Change;
use crate::evidence::{Evidence, Passage};
use crate::features::Look;
use crate::geometry::{BBox, Point};
use crate::settings::Settings;
use crate::sighting::ClassId;
use crate::time::{MediaTime, Span};
use crate::tracker::{Hand, Track, TrackId};
use crate::zone::Zone;

/// Below this overlap with its place an item has moved off it.
const OFF_PLACE: f32 = 0.7;
/// Below this overlap one sighting is enough to say so; else two in a row.
const FAR_OFF_PLACE: f32 = 0.4;
/// A box that leaves its place by no more than this share of its size is partly covered, not moved.
const SLACK: f32 = 0.06;
/// A place of which another box covers this much is covered.
const COVERED: f32 = 0.3;
/// Fewer pictures of a bare place are a coincidence, however long they span (a camera may pause).
const BARE_PICTURES: u32 = 4;
/// A box this near to the picture's border touches it.
const BORDER: f32 = 0.01;
/// How far ahead a lost item's way is followed to see whether it led over the edge, seconds.
const AHEAD_S: f32 = 0.3;
/// What was lost on its way over the edge left about so long after its last sighting, and what was lost before that in
/// twice that time (median over the dummy cart's removals as a detector sees them: 0.09 s and 0.18 s).
const LEFT_AFTER: Span = Span::from_ms(100);
/// Less travel than this and nobody saw the item move.
const UNMOVED: f32 = 0.25;
/// Stock may move less than this (a cart that is pushed off shakes its content).
const STOCK_MOVES: f32 = 0.5;
/// By so much longer an item must be still that the picture's border cuts: nobody sees who may hold it there.
const CUT_OFF: Span = Span::from_ms(500);
/// Share by which a resting item's place follows its sightings.
const DRIFT: f32 = 0.05;
/// A hand in the zone, which may still hold a lifted item that was lost, puts the question off for this long at most.
const HELD: Span = Span::from_ms(1200);

/// ```text
///              still in the zone: stock, or asked "added?"
///        ┌──────────────────────────────────────────────────────┐
///        │                                                      ▼
///  ──► Loose ◄── out of the zone, ── Lifted ◄─ off its place ─ Resting ◄─┐ covered, or
///        ▲       or unseen: asked     │                         ▲ │ │    │ unseen for a
///        │       "removed?"           └── still in the zone ────┘ │ └────┘ short while
///        │                                (no event)              │        (no event)
///        └────── vanished from a place that nothing covers: ──────┘
///                asked "removed?"
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// Not counted as in the zone: coming in, passing by, resting outside, or decided as removed.
    Loose(Loose),
    /// Counted as in the zone, at its place.
    Resting(Resting),
    /// Counted as in the zone, moved off its place.
    Lifted(Lifted),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Loose {
    /// The box with which this phase began.
    first: BBox,
    was_outside: bool,
    /// The way from its first box to the next leads in over the zone's edge.
    leads_in: bool,
    seen: Seen,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Resting {
    pub(crate) place: BBox,
    /// Sightings in a row off the place.
    off_place: u8,
    /// The item is unseen though nothing covers its place.
    bare: Option<Bare>,
}

/// Since when, and in how many pictures.
#[derive(Clone, Copy, Debug)]
struct Bare {
    since: MediaTime,
    pictures: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifted {
    place: BBox,
    out_since: Option<MediaTime>,
    seen: Seen,
}

/// Sightings of a movement, and those in which a hand touched the item.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    pictures: u32,
    touched: u32,
}

/// How a track stands in the present picture.
#[derive(Clone, Copy, PartialEq)]
enum Sight {
    Unseen,
    Free,
    Touched,
}

impl Phase {
    pub(crate) fn loose(bbox: BBox, was_outside: bool) -> Self {
        Self::Loose(Loose { first: bbox, was_outside, leads_in: false, seen: Seen::default() })
    }

    fn resting(bbox: BBox) -> Self {
        Self::Resting(Resting { place: bbox, off_place: 0, bare: None })
    }
}

impl Seen {
    fn and(self, sight: Sight) -> Self {
        Self {
            pictures: self.pictures + u32::from(sight != Sight::Unseen),
            touched: self.touched + u32::from(sight == Sight::Touched),
        }
    }
}

/// What a track's phase depends on besides the track.
pub(crate) struct Scene<'a> {
    pub(crate) at: MediaTime,
    pub(crate) zone: &'a Zone,
    /// Hands in this picture and the last ones.
    pub(crate) hands: &'a [Hand],
    /// Whether one of them is in the zone.
    pub(crate) hand_in_zone: bool,
    /// All items, as they stood before this picture's phases.
    pub(crate) items: &'a [Item],
    /// Whether this camera sees nothing though it should.
    pub(crate) blind: bool,
    /// Whether this camera has ever seen a hand.
    pub(crate) knows_hands: bool,
    /// What was there before this and has not moved is stock.
    pub(crate) stock_until: MediaTime,
    pub(crate) settings: &'a Settings,
}

/// What another track's phase depends on of a track.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    id: TrackId,
    bbox: BBox,
    favourite: Option<ClassId>,
    born: MediaTime,
    last_seen: MediaTime,
    /// Lifted, or gone from its place though nothing covers it.
    adrift: bool,
    loose: bool,
}

impl Item {
    pub(crate) fn of(track: &Track) -> Self {
        Self {
            id: track.id,
            bbox: track.bbox,
            favourite: track.votes.top().map(|top| top.item),
            born: track.born,
            last_seen: track.last_seen,
            adrift: match track.phase {
                Phase::Lifted(_) => true,
                Phase::Resting(resting) => resting.bare.is_some(),
                Phase::Loose(_) => false,
            },
            loose: matches!(track.phase, Phase::Loose(_)),
        }
    }
}

/// A change that the evidence suggests.
pub(crate) struct Suggestion {
    pub(crate) change: Change,
    pub(crate) moment: MediaTime,
    pub(crate) evidence: Evidence,
}

impl Scene<'_> {
    /// Moves the track's phase on after a picture; tells when that looks like a change of the basket.
    pub(crate) fn advance(&self, track: &mut Track) -> Option<Suggestion> {
        let sight = match track.last_seen == self.at {
            false => Sight::Unseen,
            true if self.touched(&track.bbox) => Sight::Touched,
            true => Sight::Free,
        };
        if sight == Sight::Touched {
            track.last_touched = Some(self.at);
        }
        let (phase, suggestion) = match track.phase {
            Phase::Loose(loose) => self.loose(track, loose, sight),
            Phase::Resting(resting) => self.resting(track, resting, sight),
            Phase::Lifted(lifted) => self.lifted(track, lifted, sight),
        };
        track.phase = phase;
        suggestion
    }

    fn loose(&self, track: &Track, was: Loose, sight: Sight) -> (Phase, Option<Suggestion>) {
        let seen = was.seen.and(sight);
        if sight == Sight::Unseen {
            return (Phase::Loose(was), None);
        }
        let was = Loose { leads_in: was.leads_in || self.led_in(track, &was), ..was };
        if !self.zone.contains(track.bbox.centre()) {
            return (Phase::Loose(Loose { was_outside: true, seen, ..was }), None);
        }
        let Some(moment) = self.rests_since(track, sight) else {
            return (Phase::Loose(Loose { seen, ..was }), None);
        };
        let travel = 1.0 - was.first.iou(&track.bbox);
        if track.born <= self.stock_until && !was.was_outside && travel < STOCK_MOVES {
            return (Phase::resting(track.bbox), None);
        }
        let passage = match () {
            () if was.was_outside => Passage::Seen,
            () if travel < UNMOVED => Passage::InPlace,
            () if was.leads_in || at_border(&was.first) => Passage::AtEdge,
            () => Passage::Inside,
        };
        let added = self.suggest(track, Change::Added, moment, passage, travel, seen);
        (Phase::resting(track.bbox), Some(added))
    }

    fn resting(&self, track: &Track, was: Resting, sight: Sight) -> (Phase, Option<Suggestion>) {
        if sight == Sight::Unseen {
            if self.blind || self.covered(track, &was.place) {
                return (Phase::Resting(Resting { bare: None, ..was }), None);
            }
            let bare = was.bare.unwrap_or(Bare { since: self.at, pictures: 0 });
            let bare = Bare { pictures: bare.pictures + 1, ..bare };
            let early = self.at.since(bare.since) < self.settings.vanish || bare.pictures < BARE_PICTURES;
            if early || self.found_again(track) {
                return (Phase::Resting(Resting { bare: Some(bare), ..was }), None);
            }
            let last = Seen { pictures: 1, touched: u32::from(track.last_touched == Some(track.last_seen)) };
            // While its place was covered it may still have lain there.
            let moment = bare.since + LEFT_AFTER;
            let removed = self.suggest(track, Change::Removed, moment, Passage::InPlace, 0.0, last);
            return (Phase::loose(track.bbox, false), Some(removed));
        }
        let overlap = was.place.iou(&track.bbox);
        let moved = overlap < OFF_PLACE && !track.bbox.within(&was.place, SLACK);
        let off_place = if moved { was.off_place + 1 } else { 0 };
        let phase = if off_place >= 2 || (moved && overlap < FAR_OFF_PLACE) {
            let seen = Seen::default().and(sight);
            Phase::Lifted(Lifted { place: was.place, out_since: None, seen })
        } else {
            // Small drift is the detector's: a shadow, a neighbour that leans on the item.
            let place = if overlap >= OFF_PLACE { was.place.towards(&track.bbox, DRIFT) } else { was.place };
            Phase::Resting(Resting { place, off_place, bare: None })
        };
        (phase, None)
    }

    fn lifted(&self, track: &Track, was: Lifted, sight: Sight) -> (Phase, Option<Suggestion>) {
        let seen = was.seen.and(sight);
        let travel = 1.0 - was.place.iou(&track.bbox);
        let removed = |moment, passage| {
            let left = self.suggest(track, Change::Removed, moment, passage, travel, seen);
            (Phase::loose(track.bbox, passage == Passage::Seen), Some(left))
        };
        if sight != Sight::Unseen {
            if self.zone.contains(track.bbox.centre()) {
                return match self.rests_since(track, sight) {
                    Some(_) => (Phase::resting(track.bbox), None),
                    None => (Phase::Lifted(Lifted { out_since: None, seen, ..was }), None),
                };
            }
            let since = was.out_since.unwrap_or(self.at);
            return match self.at.since(since) >= self.settings.away {
                true => removed(since, Passage::Seen),
                false => (Phase::Lifted(Lifted { out_since: Some(since), seen, ..was }), None),
            };
        }
        let unseen = self.at.since(track.last_seen);
        if unseen < self.settings.away || track.missed() < 2 {
            return (Phase::Lifted(was), None);
        }
        match was.out_since {
            Some(since) => removed(since, Passage::Seen),
            // It may still be under the hand, or just have been found again.
            None if (unseen < HELD && self.hand_in_zone) || self.found_again(track) => {
                (Phase::Lifted(was), None)
            }
            None if self.leads_out(track) => removed(track.last_seen + LEFT_AFTER, Passage::AtEdge),
            None => removed(track.last_seen + LEFT_AFTER.times(2), Passage::Inside),
        }
    }

    /// Since when the item rests, if it does: still for long enough, and for longer while a hand is on it or may be. The
    /// moment is when it became still or, later, when the hand let go.
    fn rests_since(&self, track: &Track, sight: Sight) -> Option<MediaTime> {
        let touched = sight == Sight::Touched;
        let needed = match touched {
            true => self.settings.settle_touched,
            false if at_border(&track.bbox) => self.settings.settle + CUT_OFF,
            false => self.settings.settle,
        };
        if self.at.since(track.still.since) < needed {
            return None;
        }
        let let_go = track.last_touched.filter(|at| !touched && *at > track.still.since);
        Some(let_go.unwrap_or(track.still.since))
    }

    fn touched(&self, bbox: &BBox) -> bool {
        self.hands.iter().any(|h| h.seen == self.at && h.bbox.intersection(bbox) > 0.0)
    }

    fn held(&self, bbox: &BBox) -> bool {
        self.hands.iter().any(|h| bbox.covered_by(&h.bbox) > COVERED)
    }

    fn covered(&self, track: &Track, place: &BBox) -> bool {
        let mut others = self.items.iter().filter(|i| i.id != track.id && i.last_seen == self.at);
        self.held(place) || others.any(|i| place.covered_by(&i.bbox) > COVERED)
    }

    /// Keeps what this picture shows of a track for a temporal classifier.
    pub(crate) fn observe(&self, track: &mut Track, elsewhere: f32) {
        let seen = track.last_seen == self.at;
        let most = |boxes: &mut dyn Iterator<Item = BBox>| {
            boxes.map(|b| track.bbox.covered_by(&b)).fold(0.0, f32::max)
        };
        let others = self.items.iter().filter(|i| i.id != track.id && i.last_seen == self.at);
        let look = Look {
            at: self.at,
            bbox: track.bbox,
            score: seen.then_some(track.last_score),
            still_since: track.still.since,
            under_hand: most(&mut self.hands.iter().map(|h| h.bbox)),
            hand_in_zone: self.hand_in_zone,
            covered: most(&mut others.map(|i| i.bbox)),
            elsewhere,
        };
        track.glimpses.push(&look, self.zone);
    }

    /// Whether a lost item's like turned up in the zone since.
    fn found_again(&self, lost: &Track) -> bool {
        let favourite = lost.votes.top().map(|top| top.item);
        self.items.iter().any(|i| {
            i.loose
                && i.favourite == favourite
                && i.born > lost.last_seen
                && i.last_seen == self.at
                && self.zone.contains(i.bbox.centre())
        })
    }

    /// The item that was lost, and that `found` continues: the same one, put down elsewhere.
    pub(crate) fn continues(&self, found: &Track) -> Option<TrackId> {
        let favourite = found.votes.top().map(|top| top.item);
        let lost = |i: &&Item| {
            i.adrift
                && i.last_seen < self.at
                && i.last_seen < found.born
                && i.favourite == favourite
                && i.id != found.id
        };
        self.items.iter().filter(lost).max_by_key(|i| i.last_seen).map(|i| i.id)
    }

    /// Whether a lost item was at the picture's border, or on its way out of the zone.
    fn leads_out(&self, track: &Track) -> bool {
        at_border(&track.bbox) || !self.zone.contains(track.heading(AHEAD_S))
    }

    /// The same of one just found, on its second sighting: whether it was on its way in.
    fn led_in(&self, track: &Track, was: &Loose) -> bool {
        let dt = self.at.since(track.born).as_seconds();
        if was.seen.pictures != 1 || dt > AHEAD_S {
            return false;
        }
        let (a, b) = (was.first.centre(), track.bbox.centre());
        let back = |a: f32, b: f32| a + (a - b) * (AHEAD_S / dt);
        !self.zone.contains(Point { x: back(a.x, b.x), y: back(a.y, b.y) })
    }

    fn suggest(
        &self,
        track: &Track,
        change: Change,
        moment: MediaTime,
        passage: Passage,
        travel: f32,
        seen: Seen,
    ) -> Suggestion {
        let hand = self.knows_hands.then(|| seen.touched as f32 / seen.pictures.max(1) as f32);
        let evidence =
            Evidence { passage, travel, hit_ratio: track.hit_ratio(), mean_score: track.score, hand };
        Suggestion { change, moment, evidence }
    }
}

pub(crate) fn at_border(b: &BBox) -> bool {
    b.x0 <= BORDER || b.y0 <= BORDER || b.x1 >= 1.0 - BORDER || b.y1 >= 1.0 - BORDER
}
